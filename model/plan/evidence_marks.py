"""The source of a time span of the model, and how far to trust it."""

import msgspec


class Evidence(msgspec.Struct, frozen=True):
    """The source of a default span.

    Attributes:
        part: Which part of a system waits that long; scenarios choose from `catalogue` figures, and
            no part uses one by itself.
        meaning: The interval, from which instant to which.
        grade: `verified`, `recalled` or `assumed`.
        source: The document, paper or measurement, and how the span follows from it.
        tail_ns: A rare value beyond the span, worth injecting; 0 if none is known.
        bound_ns: After how long software gives up waiting; 0 if it never does.
    """

    part: str
    meaning: str
    grade: str
    source: str
    tail_ns: int = 0
    bound_ns: int = 0
