"""The unsafe-window map: at which instants of a named moment the run can still go wrong.

A moment is an event that a run comes to at most once, such as the crash of a guest; the first of
several named moments counts.  Its *windows* are the exact union, over dense time, of all instants,
counted from the beginning, at which it can happen in a run that has broken no claim before it and
breaks one at it or after it.  Windows are closed; two of them that do not touch have safe instants
between them.

The instant is kept in the zones by two stopwatches that never stop: one runs from the beginning,
one from the moment on.  Classes are compared with both in them, so one is dropped only if all
its instants of the moment are found in another.  A broken claim does not end the search, only its
path: whatever follows has happened at the same instants of the moment or fewer.

A run that goes on for ever *before* the moment has no greatest instant, and the search for its
windows has no end of its own but its limits.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ...model.dense.step import MakeStopwatch, MakeWatch, Watch
from ...model.trace.events import Record
from .prove import Explorable, Fault, Progress, Search
from .watches import Test
from .zones import Zone

BEGINNING = "from the beginning"
MOMENT = "from the moment"


class Window(NamedTuple):
    """A closed interval of instants, in nanoseconds from the beginning."""

    first_ns: int
    last_ns: int


class Windows(NamedTuple):
    """The unsafe windows of each moment.

    Attributes:
        verdict: `violated` if there are any, `inconclusive` if more could be found, else `proved`.
        by_moment: Windows in order, disjoint; none where a moment is always safe.
        classes: How many classes were explored.
        reason: What cut the search short, or an empty string.
    """

    verdict: str
    by_moment: dict[str, tuple[Window, ...]]
    classes: int
    reason: str


class FromBeginning:
    """A stopwatch that runs from the beginning and never stops."""

    name = BEGINNING
    is_running = True

    def mark(self, record: Record) -> str:  # noqa: ARG002
        """Nothing concerns it."""
        return ""


class FromMoment:
    """A stopwatch that the first of some records starts and that never stops.

    Args:
        tests: Of the moments.
    """

    name = MOMENT

    def __init__(self, tests: Sequence[Test]) -> None:
        self.is_running = False
        self._tests = tests

    def mark(self, record: Record) -> str:
        """Start at the first moment."""
        if self.is_running or not any(test(record) for test in self._tests):
            return ""
        self.is_running = True
        return "start"


class AfterMoment:
    """A claim that counts only if it is first broken at a named moment or after it.

    Args:
        watch: The claim.
        moments: Tests by name.
    """

    def __init__(self, watch: Watch, moments: Mapping[str, Test]) -> None:
        self.name = watch.name
        self.fault = ""
        self._watch = watch
        self._moments = moments
        self._moment = ""

    def reads(self, record: Record) -> bool:
        """Return whether the record matters to the claim or is a moment."""
        is_moment = any(test(record) for test in self._moments.values())
        return is_moment or self._watch.reads(record)

    def step(self, index: int, record: Record) -> None:
        """Read a record; a moment comes before whatever its record means to the claim."""
        if not self._moment and not self._watch.fault:
            found = [name for name, test in self._moments.items() if test(record)]
            self._moment = found[0] if found else ""
        if not self._watch.fault and self._watch.reads(record):
            self._watch.step(index, record)
            self._note()

    def settle(self) -> None:
        """Judge the event that is over."""
        self._watch.settle()
        self._note()

    def _note(self) -> None:
        # The fault tells of which moment it is: `WindowSearch` reads that.
        if self._watch.fault and self._moment:
            self.fault = self._moment

    def key(self) -> Hashable:
        """Return the state of the claim and which moment has come."""
        return (self._watch.key(), self._moment, bool(self._watch.fault))


class WindowSearch(Search):
    """Collects the instants of the moment at which claims can be broken after it."""

    faults_end_runs = True

    def __init__(self, model: Explorable) -> None:
        super().__init__(model, stop_at_fault=False)
        self.found: dict[str, list[Window]] = {}
        for fault in self.faults:
            # The moment and the fault are one with the beginning.
            self.found.setdefault(fault.message, []).append(Window(0, 0))

    def note_fault(self, fault: Fault, zone: Zone, touch: Sequence[int]) -> None:
        """Note the instants of the moment in a zone."""
        self.faults.append(fault)
        beginning, moment = touch[self.model.first_stopwatch :]
        window = Window(-int(zone[beginning, moment]), int(zone[moment, beginning]))
        windows = self.found.setdefault(fault.message, [])
        windows[:] = united([*windows, window])


def windows_of(
    explore: Callable[[tuple[MakeWatch, ...], tuple[MakeStopwatch, ...]], Explorable],
    claims: Iterable[MakeWatch],
    moments: Mapping[str, Test],
    *,
    max_classes: int = 10_000_000,
    seconds: float = float("inf"),
    progress: Callable[[Progress], None] | None = None,
) -> Windows:
    """Return the unsafe windows of some moments.

    Args:
        explore: Makes the model with some monitors.
        claims: Make the monitors of the claims.
        moments: How to tell each moment, by name; of several in one run the first counts.
        max_classes: Give up after so many.
        seconds: Give up after so long.
        progress: Told now and then how far the search has come.
    """
    tests = tuple(moments.values())
    watches = tuple(_after(make, moments) for make in claims)
    model = explore(watches, (FromBeginning, partial(FromMoment, tests)))
    search = WindowSearch(model)
    proof = search.run(max_classes, seconds, progress)
    by_moment = {name: tuple(search.found.get(name, ())) for name in moments}
    # Windows that are found are certain; that there are no more is known at the end alone.
    verdict = "inconclusive" if proof.reason else proof.verdict
    return Windows(verdict, by_moment, proof.classes, proof.reason)


def joined(parts: Iterable[Windows]) -> Windows:
    """Return the windows of all claims together, from those of each in its own slice."""
    found = list(parts)
    words = {each.verdict for each in found}
    verdict = next(word for word in ("inconclusive", "violated", "proved") if word in words)
    names = dict.fromkeys(name for each in found for name in each.by_moment)
    by_moment = {
        name: tuple(united(window for each in found for window in each.by_moment.get(name, ())))
        for name in names
    }
    reasons = [each.reason for each in found if each.reason]
    return Windows(verdict, by_moment, sum(each.classes for each in found), "; ".join(reasons))


def _after(make: MakeWatch, moments: Mapping[str, Test]) -> MakeWatch:
    return lambda: AfterMoment(make(), moments)


def united(windows: Iterable[Window]) -> list[Window]:
    """Return the union of windows as disjoint ones, in order.

    Example:
        >>> united([Window(3, 4), Window(1, 2), Window(2, 2)])
        [Window(first_ns=1, last_ns=2), Window(first_ns=3, last_ns=4)]
    """
    union: list[Window] = []
    for window in sorted(windows):
        if union and window.first_ns <= union[-1].last_ns:
            union[-1] = Window(union[-1].first_ns, max(union[-1].last_ns, window.last_ns))
        else:
            union.append(window)
    return union
