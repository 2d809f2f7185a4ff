"""Real systems so small that every timing of them can be looked at, drawn from a number."""

import random

from msgspec.structs import replace

from quiesce.model.base.clock import Span, exactly
from quiesce.model.plan.device_plans import CanPlan, EduPlan
from quiesce.model.plan.faults import NO_FAULTS, Faults
from quiesce.model.plan.short_timing import TIGHT
from quiesce.model.plan.system_plan import (
    EndPlan,
    NicPlan,
    QuiescePlan,
    RamPlan,
    StepPlan,
    SystemPlan,
    VmPlan,
)
from quiesce.model.plan.traits import Traits
from quiesce.model.plan.virtio_plan import EntropyPlan

from ..scenarios.prove import chained_plans

PINNED = {
    "guest.crash-reaches-qvm": "at-once",
    "procnto.release-order": "ascending",
    "qvm.mask-tracking": "tracked",
}
RAM = (RamPlan(0x8000_0000, 1 << 20),)

NIC_STEPS = (
    StepPlan("disable-receive"),
    StepPlan("mask-interrupts"),
    StepPlan("settle"),
    StepPlan("disable-bus-master"),
    StepPlan("await-idle", 2_000),
)
FAULTS = (
    *(NO_FAULTS, NO_FAULTS, NO_FAULTS),
    Faults(detach_before_masked=True),
    Faults(unmask_after_detach=True),
    Faults(memory_before_callbacks=True),
)
TRAITS = (Traits(), Traits(), Traits(never_idle=True), Traits(says_stopped_early=True))


def tiny(number: int) -> SystemPlan:
    """Return one of many systems; the same number gives the same one."""
    draws = random.Random(number)
    family = draws.choice((_nic, _nic, _nic, _nic_and_vdev, _edu, _can, _vdevs))
    plan = family(draws)
    return replace(plan, name=f"tiny-{number}")


def _end(draws: random.Random, lo_ns: int) -> EndPlan:
    return EndPlan("guest-crash", Span(lo_ns, lo_ns + draws.choice((0, 0, 300))))


def _system(draws: random.Random, vm: VmPlan, **parts: object) -> SystemPlan:
    order = draws.choice(("as-configured", "reversed"))
    plan = SystemPlan(
        "tiny",
        (vm,),
        timing=TIGHT,
        pinned=PINNED | {"qvm.callback-order": order},
        faults=draws.choice(FAULTS),
        teardown_ns_max=draws.choice((110_000, 2_000_000, 2_000_000)),
    )
    return replace(plan, **parts)


def _nic_steps(draws: random.Random) -> tuple[StepPlan, ...]:
    """Return the documented procedure, or parts of it."""
    if draws.random() < 0.3:
        return NIC_STEPS
    return tuple(step for step in NIC_STEPS if draws.random() < 0.6)


def _nic(draws: random.Random, **more: object) -> SystemPlan:
    """Return a guest with a NIC that gets one frame at about the time at which it crashes."""
    steps = _nic_steps(draws)
    on_timeout = draws.choice(("release", "quarantine"))
    quiesce = (QuiescePlan("quiesce-eth0", "eth0", steps, on_timeout),) if steps else ()
    vm = VmPlan(
        "vm", RAM, nics=("eth0",), quiesce=quiesce, end=_end(draws, draws.randrange(60_500, 66_000))
    )
    nic = NicPlan(
        "eth0",
        40,
        frames=1,
        ring_size=4,
        prefetch=2,
        gap=exactly(60_000),
        traits=draws.choice(TRAITS),
    )
    return _system(draws, replace(vm, **more), nics=(nic,))


def _nic_and_vdev(draws: random.Random) -> SystemPlan:
    """Return the same with a vdev that has a callback too, which can wait in vain as well."""
    plan = _nic(draws)
    vm = plan.vms[0]
    steps = draws.choice((chained_plans.DRAIN, chained_plans.JOIN))
    callback = QuiescePlan("rng", "rng", steps, draws.choice(("release", "quarantine")))
    entropy = EntropyPlan(name="rng", intr=50, queue_size=2, requests=0)
    vm = replace(vm, entropies=(entropy,), quiesce=(*vm.quiesce, callback))
    return replace(plan, vms=(vm,))


def _edu(draws: random.Random) -> SystemPlan:
    device = EduPlan("edu0", 40, dma_delay=Span(2_000, draws.choice((2_000, 5_000))))
    vm = VmPlan("vm", RAM, devices=("edu0",), end=_end(draws, draws.randrange(30_000, 60_000)))
    return _system(draws, vm, devices=(device,))


def _can(draws: random.Random) -> SystemPlan:
    vm = VmPlan("vm", RAM, devices=("can0",), end=_end(draws, draws.randrange(20_000, 80_000)))
    return _system(draws, vm, devices=(CanPlan("can0", 40),))


def _vdevs(draws: random.Random) -> SystemPlan:
    return chained_plans.drawn(draws.randrange(1_000))
