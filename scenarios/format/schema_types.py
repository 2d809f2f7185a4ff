"""The words of a scenario file that several of its tables share."""

from typing import Annotated

import msgspec
from msgspec import Meta

_ONE = r"[0-9]+(\.[0-9]+)?\s*(ns|us|µs|μs|ms|s)"

DurationText = Annotated[
    str, Meta(extra={"reads": "duration"}, extra_json_schema={"pattern": f"^{_ONE}$"})
]
"""A duration such as `"80ms"`."""

SpanText = Annotated[
    str,
    Meta(extra={"reads": "span"}, extra_json_schema={"pattern": rf"^{_ONE}(\.\.{_ONE})?$"}),
]
"""A duration or a span such as `"100ns..1us"`."""

InstantText = Annotated[
    str,
    Meta(
        extra={"reads": "instant"},
        extra_json_schema={"pattern": rf"^(any|{_ONE}(\.\.{_ONE})?)$"},
    ),
]
"""A duration, a span, or `"any"`."""


class Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table whose keys are all known."""
