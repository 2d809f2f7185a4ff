"""Slices: alike ones are proved once, any number of processes gives the same numbers."""

import functools
import multiprocessing
import signal

import networkx
import pytest

from quiesce.model.base.clock import Span, exactly
from quiesce.model.dense.replay import replay
from quiesce.model.dense.scout import suspected
from quiesce.model.dense.step import MakeStopwatch, MakeWatch
from quiesce.model.dense.transition_system import TransitionSystem
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.component import Component
from quiesce.model.sim.delay_override import DelayOverride
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import DmaLanded, FramesReleased, TerminationBegun
from quiesce.properties.core.worker_pool import WorkerPool
from quiesce.properties.prove.budget import Trial, budget_of
from quiesce.properties.prove.counterexample import confirmed
from quiesce.properties.prove.layout import Clocks
from quiesce.properties.prove.model_proof import search_of, windows_observer, windows_of
from quiesce.properties.prove.slices import Claim, SlicedProof, joined, prove_claims
from quiesce.properties.prove.watches import Distance, NeverAfter, event_is
from quiesce.scenarios.prove import dense
from quiesce.scenarios.prove.dense import system_of

from .small_proofs import bounds as bounds_of
from .small_proofs import prove

TIMING = Timing()


class Nic(Component):
    """Writes twice; each landing takes its own time."""

    def __init__(self, kernel: Kernel, name: str, landing: Span) -> None:
        super().__init__(kernel, name, TIMING)
        self.landing = landing
        self.is_stopped = False
        self.start(self._write)

    def stop(self) -> None:
        self.is_stopped = True

    def _write(self) -> Steps:
        for _ in range(2):
            yield self.kernel.delay(Span(2, 5), f"{self.name}.wait")
            if self.is_stopped:
                return
            yield self.kernel.delay(self.landing, f"{self.name}.landing")
            self.emit(DmaLanded(self.name, 1, 0, 1, "data"))


class Qvm(Component):
    """Stops all devices, at once or one after the other, and releases after a drain."""

    def __init__(self, kernel: Kernel, nics: list[Nic], in_order: bool, favourite: str) -> None:
        super().__init__(kernel, "qvm", TIMING)
        self.nics = nics
        self.in_order = in_order
        self.favourite = favourite
        self.start(self._end)

    def _end(self) -> Steps:
        yield self.kernel.delay(Span(0, 9), "qvm.life")
        self.emit(TerminationBegun("vm", 1, "kill", True))
        for nic in self.nics:
            if self.in_order:
                yield self.kernel.delay(Span(1, 2), "qvm.callback")
            # Code that cares for a name: its slice has the same beginning and another life.
            if nic.name == self.favourite:
                yield self.kernel.delay(exactly(1), "qvm.courtesy")
            nic.stop()
        yield self.kernel.delay(exactly(4), "qvm.drain")
        self.emit(FramesReleased("vm", 1, 0, 1))


class Machine:
    """Some devices and how they are stopped."""

    def __init__(
        self,
        landings: list[Span],
        *,
        in_order: bool = False,
        favourite: str = "",
        landing_ns_max: int | None = None,
    ) -> None:
        self._landing_ns_max = landing_ns_max
        self.landings = landings
        self.in_order = in_order
        self.favourite = favourite
        self.names = [f"nic{number}" for number in range(len(landings))]

    def build(self, kernel: Kernel) -> None:
        DelayOverride(self._build, "*.landing", self._landing_ns_max)(kernel)

    def _build(self, kernel: Kernel) -> None:
        pairs = zip(self.names, self.landings, strict=True)
        nics = [Nic(kernel, name, landing) for name, landing in pairs]
        Qvm(kernel, nics, self.in_order, self.favourite)

    def claims(self) -> list[Claim]:
        claims = []
        for name in self.names:
            landing, release = event_is(DmaLanded, sources=[name]), event_is(FramesReleased)
            watch = functools.partial(NeverAfter, f"{name} is silent", landing, release)
            clock = functools.partial(Distance, f"{name}: margin", landing, release)
            claims.append(Claim((watch,), (clock,), (name, "qvm")))
        return claims

    def explore(
        self,
        watches: tuple[MakeWatch, ...],
        stopwatches: tuple[MakeStopwatch, ...],
        left_out: frozenset[str],
    ) -> TransitionSystem:
        return system_of(self.build, watches, stopwatches, in_parts=True, left_out=left_out)

    def proved(self, jobs: int = 1, **limits: int) -> SlicedProof:
        graph: networkx.DiGraph[str] = networkx.DiGraph()
        graph.add_edges_from(("qvm", name) for name in self.names)
        return prove_claims(self.claims(), self.explore, graph, jobs=jobs, **limits)  # type: ignore[arg-type]


def bounds(proof: SlicedProof) -> dict[str, tuple[int, int]]:
    return {name: (each.least_ns, each.greatest_ns) for name, each in proof.ranges.items()}


ALIKE = [Span(1, 3)] * 4


def test_bounds_found_in_slices_are_those_of_the_whole_model() -> None:
    machine = Machine(ALIKE[:2], in_order=True)
    whole: dict[str, tuple[int, int]] = {}
    for claim in machine.claims():
        whole |= bounds_of(prove(machine.build, [], claim.stopwatches, in_parts=True))
    assert bounds(machine.proved()) == whole


def test_a_late_landing_of_one_device_alone_is_found_among_others() -> None:
    landings = [Span(1, 3), Span(1, 3), Span(1, 3), Span(1, 4)]
    machine = Machine(landings)
    proof = machine.proved()
    assert proof.verdict == "violated"
    assert [slice_.claim.subjects[0] for slice_, _ in proof.faults] == ["nic3"]


@pytest.mark.parametrize("late", [None, 0, 2])
def test_any_number_of_processes_gives_the_same_numbers(late: int | None) -> None:
    landings = [Span(1, 4 if number == late else 3) for number in range(4)]
    machine = Machine(landings, in_order=True)
    alone, together = machine.proved(), machine.proved(jobs=3)
    assert together.verdict == alone.verdict
    assert bounds(together) == bounds(alone)
    assert together.classes == alone.classes
    assert [fault.claim for _, fault in together.faults] == [
        fault.claim for _, fault in alone.faults
    ]
    assert not multiprocessing.active_children()


def test_a_path_found_by_another_process_replays() -> None:
    machine = Machine([Span(1, 3), Span(1, 4)])
    proof = machine.proved(jobs=2)
    found, fault = proof.faults[0]
    counterexample = confirmed(
        found.system.trail(fault.step),
        fault.claim,
        found.claim.watches,
        lambda schedule: replay(machine.build, *schedule),
    )
    assert isinstance(counterexample.records[-1].event, DmaLanded)


def test_rounds_end_at_the_limit_with_a_reason() -> None:
    alone = Machine(ALIKE, in_order=True).proved(max_classes=10)
    together = Machine(ALIKE, in_order=True).proved(jobs=2, max_classes=10)
    assert alone.verdict == together.verdict == "inconclusive"
    assert alone.reason == together.reason
    assert alone.reason.startswith("cut short after")


@pytest.mark.parametrize("landing", [3, 5])
def test_windows_in_slices_are_those_of_the_whole(landing: int) -> None:
    machine = Machine([Span(1, 3), Span(1, landing)])
    moments = {"stopping": event_is(TerminationBegun)}
    parts = []
    for claim in machine.claims():
        left_out = frozenset(machine.names) - frozenset(claim.subjects)
        windows = windows_observer(moments)
        system = system_of(
            machine.build, claim.watches, (), moments, in_parts=True, left_out=left_out
        )
        search = search_of(system, (), windows, clocks=Clocks.PER_PART, stop_at_fault=False)
        search.run(10_000)
        parts.append(windows_of(search, windows))
    in_slices = joined(parts)
    watches = [make for claim in machine.claims() for make in claim.watches]
    whole = dense.windows(machine.build, watches, moments, in_parts=True)
    assert in_slices.by_moment == whole.by_moment
    # Stopped at 0..9 and released 4 later: who has issued at most 5 before and lands after 4.
    assert bool(whole.by_moment["stopping"]) is (landing > 4)


def test_a_budget_is_found_over_slices() -> None:
    declared = Machine(ALIKE[:2])

    def attempt(hi_ns: int) -> Trial:
        machine = Machine(declared.landings, landing_ns_max=hi_ns)
        proof = machine.proved()
        if not proof.faults:
            return Trial(proof.verdict, proof.reason)
        found, fault = proof.faults[0]
        return Trial(
            "violated", "", (fault.claim, fault.message), tuple(found.system.trail(fault.step))
        )

    found = budget_of("landing", 1, 3, attempt, lambda label: label.endswith(".landing"))
    # A landing at the instant of release, 4 after the stop, counts.
    assert (found.verdict, found.largest_ns) == ("bounded", 3)


@pytest.mark.slow
def test_an_interrupt_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: WorkerPool, item: object):  # type: ignore[no-untyped-def,type-arg]
        future = submit(self, item)
        if len(self._futures) == 12:
            signal.raise_signal(signal.SIGINT)
        return future

    submit = WorkerPool.submit
    monkeypatch.setattr(WorkerPool, "submit", interrupted)
    # Whoever runs the tests in the background may have had interrupts ignored.
    known = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            Machine([Span(1, 3)] * 12, in_order=True).proved(jobs=2)
    finally:
        signal.signal(signal.SIGINT, known)
    assert not multiprocessing.active_children()


def test_a_scout_names_the_claim_that_an_ordinary_run_breaks() -> None:
    machine = Machine([Span(1, 3), Span(1, 9)])
    makes = [make for claim in machine.claims() for make in claim.watches]
    assert suspected(machine.build, makes, ["qvm"]) == [1]
    assert suspected(Machine(ALIKE).build, makes, ["qvm"]) == []
