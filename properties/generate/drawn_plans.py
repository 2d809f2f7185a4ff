"""Makes plans from draws: systems whose teardown follows the procedures, and mutants of them.

A drawn system is right because of three rules:

- a documented procedure stops every device that can write guest memory before its release; or
  an IOMMU confines the device, and its maps are removed in time;
- causes on which no callback runs are drawn only for systems in which the IOMMU alone is enough;
- open questions are pinned to the answer that the design relies on; the others stay open.

Spans are scaled so that a run stays small. What is slow in reality and does not affect the order of
events, such as a guest's boot, is short here.
"""

from typing import NamedTuple

from msgspec.structs import replace

from ...model.base.clock import Span, exactly
from ...model.plan.device_plans import AnyDevicePlan
from ...model.plan.faults import NO_FAULTS, Faults
from ...model.plan.open_questions import CALLBACKS_AFTER
from ...model.plan.short_timing import SHORT
from ...model.plan.system_plan import (
    AfterPlan,
    DiskPlan,
    EndPlan,
    NicPlan,
    QuiescePlan,
    RamPlan,
    SystemPlan,
    VmPlan,
)
from ...model.plan.termination import BY_NAME, CAUSES
from ...model.plan.timing import EVIDENCE, Timing
from .byte_draws import ByteDraws
from .drawn_devices import DEVICE_KINDS
from .drawn_parts import Drawn, Surroundings

__all__ = [
    "DRAWN_SPANS",
    "Platform",
    "mutant_of",
    "platform_from",
    "system_from",
    "termination_from",
    "timing_from",
    "with_moved_end",
]

DRAWN_SPANS = (
    "pcie_posted_write",
    "pcie_dma_read_rtt",
    "axi_write_drain",
    "mmio_read_flush",
    "msi_delivery",
    "gic_to_cpu",
    "irq_to_host_handler",
    "irq_to_guest",
    "guest_irq_service",
    "gic_disable_rwp",
    "iommu_tlbi_sync",
    "vm_exit",
    "exit_to_vmm_process",
    "ctx_switch",
    "signal_delivery",
    "process_exit_base",
    "process_exit_per_mib",
    "release_skew",
)
"""The spans that a drawn timing table may change: those on which races depend."""

TAIL_NS_MAX = 200_000
"""The greatest rare value that is drawn; longer ones make runs long and change no order."""

TEARDOWN_NS = 60_000_000
"""What a teardown may take besides the waits of its procedures."""

HORIZON_NS = 150_000_000
"""Long enough for the waits of six devices, all of which time out, and for a second life."""

_PINNED = {
    "guest.crash-reaches-qvm": "at-once",
    "procnto.cleanup-order": "iommu-before-memory",
    "smmuman.client-death": "deny",
    "qvm.vcpus-at-callbacks": "stopped",
} | {question.label: "run" for question in CALLBACKS_AFTER.values()}

_ABRUPT = tuple(cause.name for cause in CAUSES if not cause.orderly and cause.path)
_ORDERLY = tuple(
    cause.name for cause in CAUSES if cause.orderly and cause.reaches_qvm and cause.path
)


# Systems.


def system_from(draws: ByteDraws, *, devices_max: int = 6, vms_max: int = 3) -> SystemPlan:
    """Return a system of 1 to 6 devices and 1 to 3 guests that follows the procedures."""
    has_iommu = draws.happens()
    # Invariant: no callback runs when a qvm is killed, so the IOMMU must be enough for every
    # device.
    is_confined = has_iommu and draws.happens()
    kinds = [kind for kind in DEVICE_KINDS if kind.needs_no_procedure or not is_confined]
    vm_count = 1 + draws.below(vms_max)
    device_count = max(vm_count, 1 + draws.below(devices_max))
    vms: list[VmPlan] = []
    nics: list[NicPlan] = []
    disks: list[DiskPlan] = []
    devices: list[AnyDevicePlan] = []
    for vm_number in range(vm_count):
        share = range(vm_number, device_count, vm_count)
        chosen = [(number, draws.pick(kinds)) for number in share]
        # Invariant: a device that only an IOMMU confines has no heir: its next owner's maps would
        # let it in again.
        has_heir = not is_confined and draws.happens()
        drawn = [
            kind.draw(draws, Surroundings(number, is_confined, has_heir)) for number, kind in chosen
        ]
        events = tuple(event for _, kind in chosen for event in kind.events)
        nics += [nic for each in drawn for nic in each.nics]
        disks += [disk for each in drawn for disk in each.disks]
        devices += [device for each in drawn for device in each.devices]
        causes = _ORDERLY + _ABRUPT if is_confined else _ORDERLY
        end = termination_from(draws, causes, events) if vm_number == 0 or draws.happens() else None
        vms.append(_vm(draws, vm_number, drawn, end, restart=has_heir))
    return SystemPlan(
        "drawn",
        tuple(vms),
        nics=tuple(nics),
        disks=tuple(disks),
        devices=tuple(devices),
        iommu=has_iommu,
        timing=timing_from(draws),
        pinned=_PINNED,
        observe=exactly(300_000),
        horizon_ns=HORIZON_NS,
        teardown_ns_max=_teardown_ns_max(vms),
    )


def _teardown_ns_max(vms: list[VmPlan]) -> int:
    """Return what a teardown may take if every wait of its procedures times out."""
    waits_ns = (
        sum(step.bound_ns for callback in vm.quiesce for step in callback.steps) for vm in vms
    )
    return TEARDOWN_NS + max(waits_ns)


def _vm(
    draws: ByteDraws, number: int, drawn: list[Drawn], end: EndPlan | None, *, restart: bool
) -> VmPlan:
    base = 0x8000_0000 + number * 0x1000_0000
    pieces = (RamPlan(base, 1 << 20), RamPlan(base + 0x800_0000, 1 << 19))
    return VmPlan(
        f"vm{number}",
        pieces if draws.happens() else pieces[:1],
        nics=tuple(nic.name for each in drawn for nic in each.nics),
        devices=tuple(device.name for each in drawn for device in each.devices),
        blocks=tuple(block for each in drawn for block in each.blocks),
        nets=tuple(net for each in drawn for net in each.nets),
        consoles=tuple(console for each in drawn for console in each.consoles),
        entropies=tuple(entropy for each in drawn for entropy in each.entropies),
        quiesce=tuple(callback for each in drawn for callback in each.quiesce),
        end=end,
        restart=restart and end is not None,
    )


class Platform(NamedTuple):
    """The hardware of a drawn system, without the VMs that use it.

    Attributes:
        nics: As in `SystemPlan`.
        devices: As in `SystemPlan`.
        disks: As in `SystemPlan`.
        iommu: Whether the platform has an IOMMU.
    """

    nics: tuple[NicPlan, ...]
    devices: tuple[AnyDevicePlan, ...]
    disks: tuple[DiskPlan, ...]
    iommu: bool


def platform_from(draws: ByteDraws) -> Platform:
    """Return the hardware of a system: 1 to 6 devices, with an IOMMU or without."""
    has_iommu = draws.happens()
    kinds = [kind for kind in DEVICE_KINDS if kind.is_hardware]
    drawn = [
        draws.pick(kinds).draw(draws, Surroundings(number)) for number in range(1 + draws.below(6))
    ]
    return Platform(
        tuple(nic for each in drawn for nic in each.nics),
        tuple(device for each in drawn for device in each.devices),
        tuple(disk for each in drawn for disk in each.disks),
        has_iommu,
    )


def timing_from(
    draws: ByteDraws, base: Timing = SHORT, spans: tuple[str, ...] = DRAWN_SPANS
) -> Timing:
    """Return a timing table: each span unchanged, one of its ends, or reaching into its tail."""
    changed: dict[str, Span] = {}
    for key in spans:
        change = draws.below(8)
        if change < 4:
            continue
        span: Span = getattr(base, key)
        if change == 4:
            changed[key] = exactly(span.lo_ns)
        elif change == 5:
            changed[key] = exactly(span.hi_ns)
        else:
            tail_ns = max(span.hi_ns, min(EVIDENCE[key].tail_ns, TAIL_NS_MAX))
            changed[key] = Span(span.lo_ns if change == 6 else tail_ns, tail_ns)
    return replace(base, **changed)


def termination_from(draws: ByteDraws, causes: tuple[str, ...], events: tuple[str, ...]) -> EndPlan:
    """Return an end: a cause, and an instant that is absolute or after the n-th event of a kind."""
    cause = draws.pick(causes)
    delay = Span(0, draws.pick((0, 40_000, 5_000, 1_000)))
    if not events or draws.happens(4):
        return EndPlan(cause, exactly(100 * draws.within(0, 4_000)))
    return EndPlan(cause, delay, AfterPlan(draws.pick(events), count=1 + draws.below(8)))


def with_moved_end(
    plan: SystemPlan, draws: ByteDraws, events: tuple[tuple[str, int], ...]
) -> SystemPlan:
    """Return the plan with its first end at another instant, or unchanged.

    Args:
        plan: The plan whose end moves.
        draws: Decide whether the end moves, and to which instant.
        events: Types of event in an earlier run of the plan up to its end, with the count of each;
            none that only a teardown brings, or the end would wait for itself.
    """
    if not events or draws.below(2) == 0:
        return plan
    number = next((n for n, vm in enumerate(plan.vms) if vm.end is not None), -1)
    if number < 0:
        return plan
    vm = plan.vms[number]
    assert vm.end is not None
    name, count = draws.pick(events)
    after = AfterPlan(name, count=1 + draws.below(min(count, 1 << 16)))
    end = EndPlan(vm.end.cause, Span(0, draws.pick((0, 1_000, 10_000, 40_000))), after)
    vms = (*plan.vms[:number], replace(vm, end=end), *plan.vms[number + 1 :])
    return replace(plan, vms=vms)


# Mutants of a system.


def mutant_of(plan: SystemPlan, draws: ByteDraws) -> SystemPlan:
    """Return the plan with one error: a fault, or a step left out, moved or cut short."""
    spoiled = [number for number, vm in enumerate(plan.vms) if vm.quiesce and vm.end is not None]
    kind = draws.below(4)
    if kind == 0 or not spoiled:
        name = draws.pick(Faults.__struct_fields__)
        return replace(plan, faults=replace(NO_FAULTS, **{name: True}))
    number = draws.pick(spoiled)
    vm = plan.vms[number]
    at = draws.below(len(vm.quiesce))
    callback = vm.quiesce[at]
    changed = _spoiled(callback, draws, kind)
    quiesce = (*vm.quiesce[:at], changed, *vm.quiesce[at + 1 :])
    vms = (*plan.vms[:number], replace(vm, quiesce=quiesce), *plan.vms[number + 1 :])
    return replace(plan, vms=vms)


def _spoiled(callback: QuiescePlan, draws: ByteDraws, kind: int) -> QuiescePlan:
    steps = list(callback.steps)
    at = draws.below(len(steps))
    if kind == 1:
        del steps[at]
    elif kind == 2:
        steps.insert(0, steps.pop(at))
    else:
        steps = [replace(step, bound_ns=min(step.bound_ns, 1_000)) for step in steps]
        return replace(callback, steps=tuple(steps), on_timeout="release")
    return replace(callback, steps=tuple(steps))


assert all(name in BY_NAME for name in (*_ABRUPT, *_ORDERLY))
