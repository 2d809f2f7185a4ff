"""Which attribute of a model grows without end, if its states do.

A search ends because states come again.  A log, or a counter of all that has happened, prevents
that.  This module reads every attribute of every component and every local of every process along
a path of the search.  An attribute that has changed often and has never come back to an earlier
value has grown.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from simpy.events import Event, Process

from ..sim.kernel import Kernel
from .encoder import Encoder, FingerprintError
from .interning import Fingerprint, Tokens

CHANGES_MIN = 8
"""Changes from which a value that never comes back is taken to grow; assumed."""


class Growth(NamedTuple):
    """An attribute that grew along a path.

    Attributes:
        name: As it would be written in the model, with the component or process before it.
        changes: How often it changed.
        events: In how many events.
        last: Its last value, cut to a readable length.
    """

    name: str
    changes: int
    events: int
    last: str

    def __str__(self) -> str:
        """Say what grew and by how much."""
        return (
            f"{self.name} grew: it changed {self.changes} times in {self.events} events and never "
            f"came back to an earlier value, at last {self.last}"
        )


class Observed:
    """Reads the attributes of a model at every moment of a run."""

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}
        self._last: dict[str, str] = {}
        self._events = -1
        self._tokens = Tokens()

    def read(self, kernel: Kernel, processes: list[Process]) -> None:
        """Take note of all values at one moment."""
        self._events += 1
        known: dict[int, Fingerprint] = {id(process): "a process" for process in processes}
        for name, value in _named(processes):
            try:
                fingerprint = repr(
                    Encoder({id(kernel): ""}, known, self._tokens).encode(name, [value])
                )
            except FingerprintError:
                continue
            values = self._values.setdefault(name, [])
            if not values or values[-1] != fingerprint:
                values.append(fingerprint)
                self._last[name] = _shortened(value)

    def grown(self) -> Growth | None:
        """Return what grew; of several the one with the smallest value, which is the innermost."""
        found = [
            (len(values[-1]), name)
            for name, values in self._values.items()
            if len(values) > CHANGES_MIN and len(set(values)) == len(values)
        ]
        if not found:
            return None
        name = min(found)[1]
        return Growth(name, len(self._values[name]) - 1, self._events, self._last[name])


def _named(processes: list[Process]) -> Iterator[tuple[str, object]]:
    """Give each local of each process, and each attribute of the objects among them, once."""
    met: set[int] = set()
    for process in processes:
        body: Any = process._generator
        while body is not None and getattr(body, "gi_frame", None) is not None:
            for name, value in body.gi_frame.f_locals.items():
                if not isinstance(value, Kernel | Event):
                    yield from _attributes(f"{body.__name__}: {name}", name, value, met)
            body = body.gi_yieldfrom


def _attributes(place: str, name: str, value: Any, met: set[int]) -> Iterator[tuple[str, object]]:
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except AttributeError:
        yield place, value
        return
    if isinstance(value, type) or callable(value) or id(value) in met:
        return
    met.add(id(value))
    owner = attributes.get("name", place if name != "self" else type(value).__name__)
    for attribute, inner in attributes.items():
        if not isinstance(inner, Kernel | Event):
            yield f"{owner}.{attribute}", inner


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:18]} ... {text[-18:]}"
