"""What only the end of a run shows, and what happens at the very instant at which an end begins."""

from collections.abc import Sequence

import pytest

from quiesce.model.base.clock import Span, exactly
from quiesce.model.dense.dense_kernel import Build
from quiesce.model.dense.transition_system import TransitionSystem
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.component import Component
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import (
    AnyEvent,
    DmaLanded,
    FramesGranted,
    FramesReleased,
    Header,
    IrqAttached,
    IrqDetached,
    IrqMasked,
    IrqTaken,
    QvmExited,
    TerminationBegun,
)
from quiesce.properties.core.monitor import Property
from quiesce.properties.prove.judging import marks_of
from quiesce.properties.prove.system_proof import (
    Limits,
    MonitorMaker,
    SystemProof,
    Task,
    prove_system,
)
from quiesce.properties.teardown.dma import NoDmaAfterTeardown
from quiesce.properties.teardown.interrupts import IrqContainedAfterTeardown

from ..story import FRAME, detached, taken, verdict

HEADER = Header(scenario="ends", description="", parts=())


class EventSource(Component):
    """Gives events, each at its time after the event before."""

    def give(self, *timed: tuple[Span, AnyEvent]) -> Steps:
        for span, event in timed:
            yield self.kernel.delay(span, f"{self.name}.wait")
            self.emit(event)


def proof_of(build: Build, *kinds: type[Property]) -> SystemProof:
    def make_system(make_monitor: MonitorMaker) -> TransitionSystem:
        return TransitionSystem(build, [make_monitor], marks_of)

    return prove_system(Task(make_system, HEADER, kinds, (), (), starts_again=False), Limits())


def proof_model(*sources: Sequence[tuple[Span, AnyEvent]]) -> Build:
    def build(kernel: Kernel) -> None:
        for number, timed in enumerate(sources):
            kernel.process(EventSource(kernel, f"source{number}", Timing()).give(*timed))

    return build


LINE: list[tuple[Span, AnyEvent]] = [
    (exactly(0), IrqAttached(37, "vm", 1)),
    (exactly(1), TerminationBegun("vm", 1, "guest-crash", True)),
    (exactly(1), IrqDetached(37, "vm", 1, False)),
    (exactly(1), IrqTaken(37, 1)),
]


def test_a_line_that_is_never_masked_again_is_found_at_the_end_of_a_run_alone() -> None:
    proof = proof_of(proof_model(LINE), IrqContainedAfterTeardown)
    found = proof.findings["irq-contained-after-teardown"]
    assert found.word == "violated"
    assert "was not masked again" in found.reason
    masked = [*LINE, (exactly(1), IrqMasked(37, "assertion"))]
    proof = proof_of(proof_model(masked), IrqContainedAfterTeardown)
    assert proof.findings["irq-contained-after-teardown"].word == "holds"


def test_it_is_found_too_where_a_run_ends_although_something_could_still_happen() -> None:
    def build(kernel: Kernel) -> object:
        source, other = (EventSource(kernel, name, Timing()) for name in ("source", "other"))
        kernel.process(other.give((exactly(100), IrqMasked(37, "too late"))))
        return kernel.process(source.give(*LINE))

    proof = proof_of(build, IrqContainedAfterTeardown)  # type: ignore[arg-type]
    assert proof.findings["irq-contained-after-teardown"].word == "violated"


def test_a_trace_is_judged_at_its_end_as_well() -> None:
    found = verdict(
        "irq-contained-after-teardown",
        [(1, IrqAttached(37, "vm1", 1)), (2, detached(1, masked=False)), (3, taken(1))],
    )
    assert (found.verdict, found.violation_count) == ("violated", 1)
    assert found.severity == "spurious"


@pytest.mark.parametrize("gap", [0, 1])
def test_a_vm_that_parts_with_memory_at_the_instant_of_its_end_is_watched_all_the_time(
    gap: int,
) -> None:
    """A landing comes first, then at the same instant the end and the release.

    While no VM is ending, instants need not be looked at as a whole; that nothing changes hands
    before the next one is checked, and if it does, all instants are watched.
    """
    timed: list[tuple[Span, AnyEvent]] = [
        (exactly(0), FramesGranted("vm", 1, FRAME, 1)),
        (exactly(5), DmaLanded("eth0", 1, FRAME << 12, 8, "data")),
        (exactly(0), TerminationBegun("vm", 1, "guest-crash", True)),
        (exactly(gap), FramesReleased("vm", 1, FRAME, 1)),
        (exactly(1), QvmExited("vm", 1, 0)),
    ]
    proof = proof_of(proof_model(timed), NoDmaAfterTeardown)
    expected = "violated" if gap == 0 else "holds"
    assert proof.findings["no-dma-after-teardown"].word == expected
