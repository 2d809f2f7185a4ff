"""A timing plot as plain data: what is to be drawn, without any place on paper.

A chart has lanes, one for each component. A lane has tracks, one below the other, each with a short
name. A track holds bars (intervals), levels (a count over time), marks (instants) and at most one
forbidden zone. Instants are integer nanoseconds of the run.
"""

import msgspec


class Bar(msgspec.Struct, frozen=True, gc=False):
    """An interval in a track.

    Attributes:
        start_ns: First instant.
        end_ns: Last instant, never before the first.
        kind: A key of `palette.BARS`.
        epoch: The epoch that it acts for; 0 for the host.
        label: Short, or empty.
        is_open: Whether the trace ended before the bar did.
    """

    start_ns: int
    end_ns: int
    kind: str
    epoch: int
    label: str = ""
    is_open: bool = False


class Level(msgspec.Struct, frozen=True):
    """How many frames an epoch owns, over time.

    Attributes:
        steps: (instant, count from there on), instants never falling; the first count is not 0.
        end_ns: Where the last step ends.
        epoch: The owner.
        label: Short.
    """

    steps: tuple[tuple[int, int], ...]
    end_ns: int
    epoch: int
    label: str

    @property
    def count_max(self) -> int:
        """The largest count."""
        return max(count for _, count in self.steps)


class Mark(msgspec.Struct, frozen=True, gc=False):
    """An instant in a track.

    Attributes:
        at_ns: Instant.
        kind: A key of `palette.MARKS`.
        epoch: The epoch that it happens for; 0 for the host.
        index: Index of its record in the trace.
        label: Short, or empty.
    """

    at_ns: int
    kind: str
    epoch: int
    index: int
    label: str = ""


class Zone(msgspec.Struct, frozen=True):
    """The time from which something is forbidden in a track.

    Attributes:
        epoch: The epoch whose teardown it is.
        first_ns: Teardown point of the first resource that was returned.
        last_ns: Teardown point of the last resource, as far as the trace shows.
        what: What is forbidden, `no write allowed` for example.
    """

    epoch: int
    first_ns: int
    last_ns: int
    what: str


class Track(msgspec.Struct, frozen=True):
    """One row of a lane, with its direct name."""

    name: str
    bars: tuple[Bar, ...] = ()
    levels: tuple[Level, ...] = ()
    marks: tuple[Mark, ...] = ()
    zone: Zone | None = None


class Lane(msgspec.Struct, frozen=True):
    """One component, with its name and kind as in the trace's header."""

    name: str
    kind: str
    tracks: tuple[Track, ...] = ()

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to draw in it."""
        return not self.tracks


class Moment(msgspec.Struct, frozen=True):
    """An instant that matters to every lane: a line through the whole picture.

    Attributes:
        at_ns: Instant.
        kind: `end` (a guest stops, or the IOMMU is reset), `teardown` (first release), `released`
            (last release), `start` (a later epoch begins); or `no-return` (nothing helps now).
        epoch: The epoch of the moment.
        label: Short.
    """

    at_ns: int
    kind: str
    epoch: int
    label: str


class Chart(msgspec.Struct, frozen=True):
    """Everything to draw of a trace.

    Attributes:
        lanes: In the order of the header's parts; components that it does not name come last.
        moments: In the order of time.
        start_ns: The first instant of the trace; 0 if it is empty.
        end_ns: The last one.
        instants_ns: Every instant at which something happens, rising, each once.
    """

    lanes: tuple[Lane, ...]
    moments: tuple[Moment, ...]
    start_ns: int
    end_ns: int
    instants_ns: tuple[int, ...]
