"""Drafts of lanes, which fill while a trace is read from front to back."""

import re
from collections.abc import Hashable, Iterable

import msgspec

from ...model.trace.events import Part
from ..draw.chart import Bar, Lane, Level, Mark, Track, Zone

_LAST = ("host", "quiesce", "worker", "connections", "interrupts")
"""Tracks that stand below the others, in this order."""

_NUMBERS = re.compile(r"(\d+)")

_ONE_OF_A_KIND = ("guest", "qvm", "memory", "iommu", "interrupts", "supervisor")
"""Kinds of components of which a system has one lane, so that it is found without a name."""


class _TrackDraft:
    def __init__(self, name: str) -> None:
        self.name = name
        self.bars: list[Bar] = []
        self.levels: list[Level] = []
        self.marks: list[Mark] = []
        self.zone: Zone | None = None

    def done(self) -> Track:
        bars = sorted(self.bars, key=lambda bar: (bar.start_ns, bar.end_ns, bar.kind, bar.epoch))
        zone = self.zone
        return Track(self.name, tuple(bars), tuple(self.levels), tuple(self.marks), zone)


class LaneDraft:
    """A lane that is still being filled.

    Args:
        name: Name of the component.
        kind: Kind of the component, as in `Part.kind`.
    """

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind
        self._tracks: dict[str, _TrackDraft] = {}
        self._open: dict[Hashable, tuple[str, Bar]] = {}

    def track(self, name: str) -> _TrackDraft:
        """Return the track of that name; make it if there is none yet."""
        if name not in self._tracks:
            self._tracks[name] = _TrackDraft(name)
        return self._tracks[name]

    def begin(self, track: str, key: Hashable, bar: Bar) -> None:
        """Open a bar, unless a bar with that key is open already."""
        # Invariant: a key has at most one open bar; a second beginning of the interval has no
        # effect.
        if key not in self._open:
            self.track(track)
            self._open[key] = (track, bar)

    def end(self, key: Hashable, at_ns: int, *, kind: str = "", label: str = "") -> bool:
        """Close the bar with that key, and note how it ended.

        Returns:
            Whether such a bar was open.
        """
        if key not in self._open:
            return False
        track, bar = self._open.pop(key)
        closed = msgspec.structs.replace(
            bar, end_ns=at_ns, kind=kind or bar.kind, label=label or bar.label
        )
        self.track(track).bars.append(closed)
        return True

    def end_first(self, beginning: tuple[Hashable, ...], at_ns: int) -> bool:
        """Close the bar that was opened first among those whose keys begin like this.

        Returns:
            Whether such a bar was open.
        """
        # Invariant: `_open` is in the order of opening.
        for key in self._open:
            if isinstance(key, tuple) and key[: len(beginning)] == beginning:
                return self.end(key, at_ns)
        return False

    def end_all(self, beginning: tuple[Hashable, ...], at_ns: int) -> None:
        """Close all bars whose keys begin like this."""
        while self.end_first(beginning, at_ns):
            pass

    def mark(self, track: str, mark: Mark) -> None:
        """Add a mark."""
        self.track(track).marks.append(mark)

    def done(self, end_ns: int) -> Lane:
        """Return the lane; bars still open reach to the end of the trace."""
        # Open bars come first: they may add tracks, which are sorted below.
        for track, bar in self._open.values():
            still_open = msgspec.structs.replace(bar, end_ns=end_ns, is_open=True)
            self.track(track).bars.append(still_open)
        drafts = sorted(self._tracks.values(), key=lambda draft: _order_of(draft.name))
        return Lane(self.name, self.kind, tuple(draft.done() for draft in drafts))


def _order_of(track: str) -> tuple[int, list[str | int]]:
    """Return the sort key of a track: work epoch by epoch first, then what is done about it."""
    words: list[str | int] = [
        int(word) if at % 2 else word for at, word in enumerate(_NUMBERS.split(track))
    ]
    return _LAST.index(track) + 1 if track in _LAST else 0, words


class LaneDrafts:
    """All lanes of a chart, found by kind and name.

    Args:
        parts: From the header of the trace, in the order in which they are drawn.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        self._lanes = [LaneDraft(part.name, part.kind) for part in parts]
        self._found: dict[tuple[str, tuple[str, ...]], LaneDraft] = {}

    def find(self, name: str, *kinds: str) -> LaneDraft | None:
        """Return the lane of the component with that name among these kinds; None without any.

        A name fits a lane that has it among its dotted words: `vm1` fits `vm1.guest`.
        """
        key = (name, kinds)
        if key not in self._found:
            of_kind = [lane for lane in self._lanes if lane.kind in kinds]
            exact = [lane for lane in of_kind if lane.name == name]
            fitting = [lane for lane in of_kind if f".{name}." in f".{lane.name}."]
            if not exact and not fitting:
                return None
            # Invariant: only a lane that was found is kept, since a later lane cannot take its
            # place.
            self._found[key] = (exact or fitting)[0]
        return self._found[key]

    def home(self, name: str, *kinds: str) -> LaneDraft:
        """Return the lane where a component of one of these kinds is drawn.

        If the header does not name the component, the first lane of its kind serves where a system
        needs only one. Otherwise a new lane is added at the end.
        """
        found = self.find(name, *kinds)
        if found is not None:
            return found
        of_kind = [lane for lane in self._lanes if lane.kind in kinds]
        if of_kind and kinds[0] in _ONE_OF_A_KIND:
            return of_kind[0]
        lane = LaneDraft(name, kinds[0])
        self._lanes.append(lane)
        return lane

    def done(self, end_ns: int) -> tuple[Lane, ...]:
        """Return all lanes."""
        return tuple(lane.done(end_ns) for lane in self._lanes)
