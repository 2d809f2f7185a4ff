"""A VM that has exited leaves no state in which two runs could still differ."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.dense.encoder import Encoder
from quiesce.model.dense.interning import Fingerprint, Tokens
from quiesce.model.machine.qvm import Qvm
from quiesce.model.machine.system import System, build
from quiesce.model.plan.system_plan import AfterPlan, EndPlan, SystemPlan
from quiesce.model.sim.kernel import Delay, Kernel
from quiesce.model.trace.events import FrameArrived, QvmExited, RequestCompleted, VmStarted

PlanMaker = Callable[..., SystemPlan]

TOKENS = Tokens()


def ended_after(plan: SystemPlan, requests: int, cause: str) -> tuple[System, Fingerprint]:
    """Run until the VM has ended; give the system, and what its qvm still knows."""
    after = AfterPlan("RequestCompleted", "qvm178.blk", requests)
    vm = replace(plan.vms[0], end=EndPlan(cause, exactly(0), after))
    kernel = Kernel(Nominal(), plan.pinned)
    system = build(kernel, replace(plan, vms=(vm,)))
    kernel.execute(system.observed)
    done = [one for one in kernel.records if isinstance(one.event, RequestCompleted)]
    assert len(done) >= requests
    qvm = system.supervisors[0].qvm
    qvm.plan = plan.vms[0]
    return system, Encoder({id(qvm.host): "the host"}, {}, TOKENS).encode("qvm", [qvm])


def pending(kernel: Kernel) -> list[str]:
    """Return the components whose delays a process waits for."""
    delays = [event for _, _, event, _ in kernel._delays]
    return [event.label for event in delays if isinstance(event, Delay) and event.callbacks]


@pytest.mark.parametrize("cause", ["guest-crash", "guest-shutdown", "sigkill"])
def test_what_it_had_done_before_its_end_is_forgotten(walk_system: PlanMaker, cause: str) -> None:
    """Otherwise a proof would follow the end of each VM once for each history of it."""
    plan = walk_system()
    _, early = ended_after(plan, 2, cause)
    _, late = ended_after(plan, 5, cause)
    assert early == late


def test_it_knows_much_while_it_runs(walk_system: PlanMaker) -> None:
    kernel = Kernel(Nominal(), {})
    plan = walk_system()
    running = replace(plan.vms[0], end=None)
    system = build(kernel, replace(plan, vms=(running,)))
    qvm: Qvm = system.supervisors[0].qvm
    fingerprints = set()
    kernel.execute(kernel.delay(exactly(2_000_000), "test"))
    fingerprints.add(Encoder({id(qvm.host): "the host"}, {}, TOKENS).encode("qvm", [qvm]))
    kernel.execute(kernel.delay(exactly(300_000), "test"))
    fingerprints.add(Encoder({id(qvm.host): "the host"}, {}, TOKENS).encode("qvm", [qvm]))
    assert len(fingerprints) == 2


def test_memory_that_nobody_can_read_any_more_is_blank(walk_system: PlanMaker) -> None:
    plan = walk_system()
    system, _ = ended_after(plan, 3, "guest-crash")
    memory = system.host.memory
    [(_, start, length)] = system.supervisors[0].stage_two.ranges
    frames = [frame for frame in memory.pages if start <= frame << 12 < start + length]
    assert frames, "what was touched is still known, for it decides the pieces of the release"
    assert not any(any(memory.pages[frame]) for frame in frames)


def test_nobody_waits_for_messages_to_a_vm_that_has_hung_up(walk_system: PlanMaker) -> None:
    """A peer goes on for ever; each message that it would lose is an event more in every run."""
    plan = walk_system()
    kernel = Kernel(Nominal(), plan.pinned)
    system = build(kernel, plan)
    kernel.execute(kernel.delay(exactly(1_000_000), "test"))
    [peer] = [peer for peer in system.host.peers.values() if peer.vdev == "qvm178.net"]
    assert "qvm178.net.peer.gap" in pending(kernel)
    assert peer.client is not None
    peer.disconnect(peer.client)
    kernel.execute(kernel.delay(exactly(1), "test"))
    assert "qvm178.net.peer.gap" not in pending(kernel)


def test_the_next_instance_hears_from_its_peer_again(walk_system: PlanMaker) -> None:
    plan = walk_system(vm={"restart": True}, observe=exactly(3_000_000))
    system, _ = ended_after(plan, 3, "guest-crash")
    records = system.kernel.records
    started = [at for at, one in enumerate(records) if isinstance(one.event, VmStarted)]
    assert len(started) == 2
    heard = [at for at, one in enumerate(records) if isinstance(one.event, FrameArrived)]
    assert any(at > started[1] for at in heard)
    gone = next(at for at, one in enumerate(records) if isinstance(one.event, QvmExited))
    assert not any(gone < at < started[1] for at in heard)
