"""Ends the guest at every crash point of a run, and reports the unsafe ones.

At nominal timing a run has finitely many crash points. Nothing happens between two neighbouring
instants at which a delay ends. One death in such a gap therefore stands for every order in which
the end can come there. At each instant itself, the sweep tries the end in every order with the
other events of that instant. The position of a death in its gap still shifts what follows; the
sweep takes the middle, and its label says that the timing is nominal.

The sweep counts what it leaves out: a gap of one nanosecond has no instant inside, and orders
beyond the bound are not tried.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from ...model.base.choices import ChoicePoint, Choices, Nominal, Ordered
from ...model.base.clock import exactly
from ...model.base.errors import BoundHit
from ...model.plan.system_plan import EndPlan, SystemPlan
from ...model.trace.events import Trace
from ..check import check
from ..core.verdict import Severity, worst
from ..registry import PROPERTIES
from .tally import Tally

__all__ = [
    "SweepPart",
    "SweepStrip",
    "SweepTarget",
    "UnfinishedPoint",
    "crash_instants",
    "sweep_part",
    "unsafe_windows",
]

Watched = Callable[[SystemPlan, Choices], tuple[Trace, list[tuple[int, int]]]]
"""Makes a run; returns its trace, and each instant with events and how many choices came before."""

ORDERS_MAX = 120
"""Orders of one instant that are tried: those of four events and the end."""


class SweepTarget(msgspec.Struct, frozen=True):
    """Which VM ends in a sweep, by which cause, and over which time.

    Attributes:
        plan: The system.
        vm: Position of the VM that ends.
        cause: Name of the termination cause.
        until_ns: The last instant at which the end may begin.
    """

    plan: SystemPlan
    vm: int
    cause: str
    until_ns: int

    def ending_at(self, at_ns: int) -> SystemPlan:
        """Return the plan in which the VM begins to end at an instant."""
        end = EndPlan(self.cause, exactly(at_ns))
        return self._with(replace(self.plan.vms[self.vm], end=end))

    def without_end(self) -> SystemPlan:
        """Return the plan in which no VM ends before the last instant of the sweep."""
        vm = replace(self.plan.vms[self.vm], end=None, then=(), restart=False)
        return replace(self._with(vm), observe=exactly(self.until_ns))

    def _with(self, changed: msgspec.Struct) -> SystemPlan:
        vms = self.plan.vms
        return replace(self.plan, vms=(*vms[: self.vm], changed, *vms[self.vm + 1 :]))


class SweepStrip(msgspec.Struct, frozen=True):
    """The result of ends that begin in a gap, or at an instant.

    Attributes:
        from_ns: Instant before the gap, or the instant.
        to_ns: Instant after the gap, or the same instant again.
        severity: The worst severity of all orders.
        properties: Those that were violated in some order.
    """

    from_ns: int
    to_ns: int
    severity: Severity
    properties: tuple[str, ...]


class UnfinishedPoint(msgspec.Struct, frozen=True):
    """A crash point whose run hit a bound and was stopped.

    Attributes:
        at_ns: Instant at which the end begins.
        given: Answers that are not nominal, by their place in the log (see `Ordered`).
        reason: Which bound it hit, and which process does not end.
    """

    at_ns: int
    given: dict[int, int]
    reason: str


class SweepPart(msgspec.Struct):
    """The result of a sweep over some instants.

    Attributes:
        gaps: Crash points between two instants.
        orders: Crash points at instants: one for each order.
        empty_gaps: Gaps of one nanosecond, in which there is no instant.
        left_out: Instants with more than `ORDERS_MAX` orders; the sweep did not try the rest.
        tally: The verdicts of all crash points.
        strips: One for each gap and instant, in the order of time.
        first: The first run with the worst severity: instant and answers; None if all is well.
        unfinished: The first run that hit a bound; `tally` counts all of them.
    """

    gaps: int = 0
    orders: int = 0
    empty_gaps: int = 0
    left_out: int = 0
    tally: Tally = msgspec.field(default_factory=Tally)
    strips: list[SweepStrip] = []
    first: tuple[Severity, int, tuple[ChoicePoint, ...]] | None = None
    unfinished: UnfinishedPoint | None = None

    def give_up(self, point: UnfinishedPoint) -> None:
        """Count a crash point whose run did not end."""
        self.tally.add_unfinished()
        self.unfinished = self.unfinished or point

    @property
    def points(self) -> int:
        """How many crash points were tried."""
        return self.gaps + self.orders

    def absorb(self, other: "SweepPart") -> None:
        """Add the result of a later part."""
        self.gaps += other.gaps
        self.orders += other.orders
        self.empty_gaps += other.empty_gaps
        self.left_out += other.left_out
        self.tally.absorb(other.tally)
        self.strips += other.strips
        mine = self.first[0] if self.first else "none"
        self.unfinished = self.unfinished or other.unfinished
        if other.first is not None and worst((mine, other.first[0])) != mine:
            self.first = other.first


def crash_instants(target: SweepTarget, run: Watched) -> tuple[int, ...]:
    """Return the instants at which anything happens while the VM lives, with 0 and the last."""
    _, instants = run(target.without_end(), Nominal())
    found = {at_ns for at_ns, _ in instants if at_ns <= target.until_ns}
    return tuple(sorted(found | {0, target.until_ns}))


def sweep_part(target: SweepTarget, instants: Sequence[int], run: Watched, part: SweepPart) -> None:
    """Try the crash points at these instants and in the gaps between them.

    Args:
        target: What is swept.
        instants: Two or more that follow each other. The last belongs to the next part, unless it
            is the last of all.
        run: Makes a run.
        part: The result to add to; it is valid at any moment, even after an interrupt.
    """
    for at_ns, next_ns in pairwise(instants):
        _at_instant(target, at_ns, run, part)
        if next_ns - at_ns > 1:
            _in_gap(target, at_ns, next_ns, run, part)
        else:
            part.empty_gaps += 1
    if instants[-1] == target.until_ns:
        _at_instant(target, instants[-1], run, part)


def _in_gap(target: SweepTarget, from_ns: int, to_ns: int, run: Watched, part: SweepPart) -> None:
    at_ns = (from_ns + to_ns) // 2
    choices = Nominal()
    part.gaps += 1
    try:
        trace, _ = run(target.ending_at(at_ns), choices)
    except BoundHit as hit:
        part.give_up(UnfinishedPoint(at_ns, {}, str(hit)))
        part.strips.append(SweepStrip(from_ns, to_ns, "none", ()))
        return
    violated, severity = _judge(trace, at_ns, choices, part)
    part.strips.append(SweepStrip(from_ns, to_ns, severity, violated))


def _at_instant(target: SweepTarget, at_ns: int, run: Watched, part: SweepPart) -> None:
    plan = target.ending_at(at_ns)
    names: set[str] = set()
    severities: list[Severity] = []
    for tried, (choices, found) in enumerate(_every_order(plan, at_ns, run)):
        if tried == ORDERS_MAX:
            part.left_out += 1
            break
        part.orders += 1
        if isinstance(found, UnfinishedPoint):
            part.give_up(found)
            continue
        violated, severity = _judge(found, at_ns, choices, part)
        names |= set(violated)
        severities.append(severity)
    in_order = tuple(name for name in PROPERTIES if name in names)
    part.strips.append(SweepStrip(at_ns, at_ns, worst(severities), in_order))


def _every_order(
    plan: SystemPlan, at_ns: int, run: Watched
) -> Iterator[tuple[Choices, Trace | UnfinishedPoint]]:
    """Give a run for each order of the events at an instant.

    The orders are counted like an odometer over the ties of the instant. The last tie that has
    another order takes it, and the ties after it start from their first order. A run that does not
    end shows no further ties, so it is the last run of its instant.
    """
    given: dict[int, int] = {}
    while True:
        choices = Ordered(given)
        try:
            trace, instants = run(plan, choices)
        except BoundHit as hit:
            yield choices, UnfinishedPoint(at_ns, given, str(hit))
            return
        yield choices, trace
        ties = [
            (place, bound, value)
            for place, (label, bound, value) in _asked_at(instants, at_ns, choices.log)
            if label == "kernel.tie"
        ]
        while ties and ties[-1][2] == ties[-1][1] - 1:
            ties.pop()
        if not ties:
            return
        given = {place: value for place, _, value in ties}
        given[ties[-1][0]] += 1


def _asked_at(
    instants: list[tuple[int, int]], at_ns: int, log: list[ChoicePoint]
) -> list[tuple[int, ChoicePoint]]:
    """Return the choices made at an instant, each with its place in the log."""
    start = next((before for instant, before in instants if instant == at_ns), len(log))
    end = next((before for instant, before in instants if instant > at_ns), len(log))
    return list(enumerate(log))[start:end]


def _judge(
    trace: Trace, at_ns: int, choices: Choices, part: SweepPart
) -> tuple[tuple[str, ...], Severity]:
    verdicts = check(trace)
    violated = part.tally.add(verdicts, trace)
    if not violated:
        return (), "none"
    severity = worst(verdict.severity for verdict in verdicts)
    if part.first is None or worst((part.first[0], severity)) != part.first[0]:
        part.first = (severity, at_ns, tuple(choices.log))
    return tuple(name for name in PROPERTIES if name in violated), severity


def unsafe_windows(strips: Sequence[SweepStrip]) -> list[SweepStrip]:
    """Return the unsafe strips, with touching strips joined."""
    windows: list[SweepStrip] = []
    for strip in strips:
        if not strip.properties:
            continue
        if windows and windows[-1].to_ns >= strip.from_ns:
            last = windows[-1]
            names = {*last.properties, *strip.properties}
            windows[-1] = SweepStrip(
                last.from_ns,
                max(last.to_ns, strip.to_ns),
                worst((last.severity, strip.severity)),
                tuple(name for name in PROPERTIES if name in names),
            )
        else:
            windows.append(strip)
    return windows
