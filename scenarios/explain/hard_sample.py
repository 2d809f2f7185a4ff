"""Other timings of a run, chosen to be hard: what a change must survive before it is advised.

Four kinds take turns, after the nominal, the earliest and the latest timing:

- `drawn`: every delay and open question by a seed, as `quiesce run --seed` does;
- `biased`: whole kinds of delays at one end of their spans (`choices.Biased`);
- `varied`: the answers of the run itself, with some labels drawn again;
- `moved`: the answers of the run itself, and the VM ends at another instant: at, around or between
  those at which anything happens, or so that what a device does falls into the teardown.

The same run always gives the same sample, independent of the changes in the plan.  The sample reads
no clock and has no random generator.
"""

import hashlib
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from msgspec.structs import replace

from ...model.base.choices import (
    AdaptedReplay,
    Biased,
    ChoicePoint,
    Choices,
    Earliest,
    Latest,
    Nominal,
    Seeded,
    Varied,
)
from ...model.base.clock import exactly
from ...model.plan.system_plan import EndPlan, SystemPlan
from ...model.trace.events import (
    DmaFetched,
    DmaIssued,
    FrameArrived,
    GuestEnded,
    IrqAsserted,
    QvmExited,
    SignalSent,
    TerminationBegun,
    Trace,
)

__all__ = ["Sample", "Timing"]

_KINDS = ("biased", "moved", "drawn", "varied")
_NEAR = 48
"""Half of the moved ends fall among so many instants right before the end of the run."""


class Timing(NamedTuple):
    """One way to time a run.

    Attributes:
        kind: `nominal`, `earliest`, `latest`, or one of the four kinds.
        number: Which of its kind.
    """

    kind: str
    number: int


class Sample:
    """The other timings of one run.

    Args:
        plan: What was run.
        choices: Its answers.
        trace: What happened.
        vm: Name of the VM whose end is moved.
    """

    def __init__(
        self, plan: SystemPlan, choices: tuple[ChoicePoint, ...], trace: Trace, vm: str
    ) -> None:
        self._choices = choices
        ending = [at for at, each in enumerate(plan.vms) if each.end is not None]
        named = [at for at in ending if plan.vms[at].name == vm]
        # Invariant: `_vm` is the place of a VM with an end, or -1; then no timing is `moved`.
        self._vm = (named or ending or [-1])[0]
        # Invariant: `_instants` ascend, and `_end` of them come before the first end or with it.
        self._instants, self._end = _instants(trace)
        self._acts = _acts(trace)
        self._teardown_ns = _teardown_ns(trace)

    def timings(self) -> Iterator[Timing]:
        """Give the timings, one kind in turn with the next, without end."""
        for kind in ("nominal", "earliest", "latest"):
            yield Timing(kind, 0)
        for number in count():
            for kind in _KINDS:
                if kind != "moved" or (self._vm >= 0 and self._instants):
                    yield Timing(kind, number)

    def applied(self, timing: Timing, plan: SystemPlan) -> tuple[SystemPlan, Choices]:
        """Return a plan, a change of the run's own, and choices that give it a timing."""
        # Invariant: a timing depends on the original run, kind and number, and not on the plan: the
        # same timing tests every change.
        kind, number = timing
        if kind == "moved":
            seed = number // 2
            varied = Varied(self._choices, seed) if number % 2 else AdaptedReplay(self._choices)
            return self._moved(plan, number), varied
        if kind == "varied":
            return plan, Varied(self._choices, number, 2 + number % 5)
        if kind == "biased":
            return plan, Biased(_bytes(number))
        if kind == "drawn":
            return plan, Seeded(number)
        return plan, {"nominal": Nominal, "earliest": Earliest, "latest": Latest}[kind]()

    def _moved(self, plan: SystemPlan, number: int) -> SystemPlan:
        """Return the plan with another instant of its end."""
        vm = plan.vms[self._vm]
        assert vm.end is not None, "a change leaves the end of a VM where it is"
        drawn = _bytes(number)
        at_ns = self._aimed(drawn) if self._acts and number % 3 == 0 else self._around(drawn)
        moved = replace(vm, end=EndPlan(vm.end.cause, exactly(at_ns)))
        vms = (*plan.vms[: self._vm], moved, *plan.vms[self._vm + 1 :])
        return replace(plan, vms=vms)

    def _aimed(self, drawn: bytes) -> int:
        """Return an end before an act of a device, by no more than the teardown lasts."""
        act_ns = self._acts[int.from_bytes(drawn[1:5], "big") % len(self._acts)]
        return max(act_ns - (self._teardown_ns * drawn[5] >> 8), 0)

    def _around(self, drawn: bytes) -> int:
        """Return an end at, just before, just after or between two instants."""
        near = self._instants[max(self._end - _NEAR, 0) : self._end + _NEAR // 4]
        instants = near if drawn[0] % 2 and near else self._instants
        place = int.from_bytes(drawn[1:5], "big") % len(instants)
        at_ns = instants[place]
        gap_ns = instants[min(place + 1, len(instants) - 1)] - at_ns
        return at_ns + (0, 1, gap_ns // 2, max(gap_ns - 1, 0))[drawn[5] % 4]


def _instants(trace: Trace) -> tuple[list[int], int]:
    """Return the instants at which anything happens, and how many come before the first end."""
    instants = sorted({record.at_ns for record in trace.records})
    ends = (
        record.at_ns
        for record in trace.records
        if isinstance(record.event, GuestEnded | SignalSent | TerminationBegun)
    )
    end_ns = next(ends, instants[-1] if instants else 0)
    before = sum(at_ns <= end_ns for at_ns in instants)
    # An end long after the original one would only prolong the run.
    return instants[: before + before // 4 + 8], before


def _acts(trace: Trace) -> list[int]:
    """Return the instants at which a device does anything, but for the first quarter of the run."""
    start_ns = trace.records[-1].at_ns // 4 if trace.records else 0
    acts = FrameArrived | DmaFetched | DmaIssued | IrqAsserted
    return sorted(
        {
            record.at_ns
            for record in trace.records
            if isinstance(record.event, acts) and record.at_ns > start_ns
        }
    )


def _teardown_ns(trace: Trace) -> int:
    """Return how long after the end of the guest the first VM that ended was gone."""
    begun_ns = -1
    for record in trace.records:
        if isinstance(record.event, GuestEnded | TerminationBegun) and begun_ns < 0:
            begun_ns = record.at_ns
        elif isinstance(record.event, QvmExited) and begun_ns >= 0:
            return record.at_ns - begun_ns
    return 0


def _bytes(number: int) -> bytes:
    """Return as many bytes as `Biased` takes, the same for the same number."""
    seed = number.to_bytes(8, "big")
    return (hashlib.sha256(seed).digest() + hashlib.sha256(b"more" + seed).digest())[: Biased.SIZE]
