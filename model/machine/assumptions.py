"""What a run takes for granted: the spans and open questions that its system meets."""

from functools import lru_cache

from ..base.clock import Span, format_ns
from ..plan.end_assumptions import end_assumptions
from ..plan.good_behaviour import good_behaviour
from ..plan.iommu_assumptions import iommu_assumptions
from ..plan.open_questions import QUESTIONS
from ..plan.system_plan import DISK_KINDS, SystemPlan
from ..plan.termination import BY_NAME, CRASHES, RUNS_ON, SHUTS_DOWN
from ..plan.timing import EVIDENCE, Timing
from ..trace.events import Assumption
from .left_out import left_out

_DEFAULTS = Timing()


def assumptions_of(plan: SystemPlan) -> tuple[Assumption, ...]:
    """Return what a run assumes: devices, spans, ends, open questions, and what is left out."""
    parts = parts_used(plan)
    pinned = tuple(sorted(plan.pinned.items()))
    spans = _devices(plan) + _spans(plan.timing, parts)
    taken = good_behaviour(plan) + end_assumptions(plan) + _answers(pinned, parts)
    return spans + taken + left_out(plan)


def parts_used(plan: SystemPlan) -> frozenset[str]:
    """Return which parts of the model the plan needs, in the words of `Evidence.part`."""
    causes = [BY_NAME[end.cause] for vm in plan.vms for end in vm.ends]
    steps = {step.name for vm in plan.vms for one in vm.quiesce for step in one.steps}
    blocks = [block for vm in plan.vms for block in vm.blocks]
    vdevs = [vdev for vm in plan.vms for vdev in vm.vdevs]
    uses = {
        "guest": True,
        "qvm": bool(causes),
        "fabric": bool(plan.passable or plan.disks),
        "interrupts": bool(plan.passable or plan.disks),
        "nic": bool(plan.nics),
        "device": bool(plan.passable),
        "message": any(device.trigger != "level" for device in plan.passable)
        or any(disk.kind == "nvme" for disk in plan.disks),
        "routes": plan.interrupts.routes != "none",
        "lpis": plan.interrupts.has_lpis and not plan.faults.hidden_master,
        "guest-table": plan.has_guest_table,
        "owner-deactivates": plan.interrupts.deactivated_by == "owner" and bool(plan.passable),
        "block": bool(blocks),
        "vdev": bool(vdevs),
        "entropy": any(vm.entropies for vm in plan.vms),
        "host": bool(vdevs) or plan.iommu or bool(plan.back_ends),
        "iommu": plan.iommu and bool(plan.passable),
        "ats": plan.iommu and any(device.traits.ats for device in plan.passable),
        "groups": plan.iommu and bool(plan.iommu_unit.groups),
        "iommu-entry": plan.iommu and plan.faults.entry_in_halves,
        "smmuman-restart": plan.iommu and plan.smmuman_crash is not None,
        "client-death": plan.iommu and any(not cause.orderly for cause in causes),
        "callbacks": any(len(vm.quiesce) > 1 for vm in plan.vms),
        "signal": any(cause.signal for cause in causes),
        "killed": any(not cause.orderly for cause in causes),
        "watchdog": any("watchdog_period" in cause.path for cause in causes),
        "server": any(cause.stalls_server for cause in causes),
        "server-timeout": any(
            vm.block_timeout_ns is None and BY_NAME[end.cause].stalls_server
            for vm in plan.vms
            for end in vm.ends
        ),
        "host-down": any(cause.ends_host for cause in causes),
        "power-button": any(cause.asks_guest for cause in causes),
        "shutdown": any(cause.asks_guest or cause.guest == SHUTS_DOWN for cause in causes),
        "crash": any(cause.guest == CRASHES for cause in causes),
        "fault": plan.faults.resurrecting_agent or plan.faults.hidden_master,
        "shared-memory": any(one.region for vm in plan.vms for one in vm.factories),
        "user-back-end": bool(plan.back_ends),
        "reset": "function-level-reset" in steps,
        "restart": any(vm.restart for vm in plan.vms),
    }
    kinds = {str(type(device).__struct_config__.tag) for device in plan.devices}
    disks = {disk.kind for disk in plan.disks}
    if "sdmmc" in disks:
        disks.add("pl330")
    used = {part for part, is_used in uses.items() if is_used}
    return frozenset(used | _parts_of_ends(plan)) | kinds | disks


def _parts_of_ends(plan: SystemPlan) -> set[str]:
    """Return which questions about the end of a VM the plan's ends can meet."""
    ends = [(vm, BY_NAME[end.cause]) for vm in plan.vms for end in vm.ends]
    uses = {
        "vcpus-at-callbacks": any(
            cause.orderly and cause.reaches_qvm and cause.guest == RUNS_ON and bool(vm.quiesce)
            for vm, cause in ends
        ),
        "signal-during-callbacks": any(
            bool(cause.signal) and cause.orderly and bool(vm.quiesce) and len(vm.ends) > 1
            for vm, cause in ends
        ),
        "signal-status": any(cause.status_basis == "signal" for _, cause in ends),
        "watchdog-status": any(cause.status_basis == "watchdog" for _, cause in ends),
        "shutdown-handler": any(
            (cause.asks_guest or cause.guest == SHUTS_DOWN)
            and len(vm.shutdown_handlers) < len(vm.driven)
            for vm, cause in ends
        ),
    }
    used = {part for part, is_used in uses.items() if is_used}
    return used | {f"callbacks-after-{cause.name}" for vm, cause in ends if vm.quiesce}


def _devices(plan: SystemPlan) -> tuple[Assumption, ...]:
    rows = [(f"{nic.name}.gap", nic.gap, "nic_rx_gap_1g") for nic in plan.nics]
    rows += [(f"{disk.name}.service", disk.service, DISK_KINDS[disk.kind]) for disk in plan.disks]
    nets = [(vm.name, net) for vm in plan.vms for net in vm.nets]
    rows += [(f"{name}.{net.name}.gap", net.gap, "peer_frame_gap") for name, net in nets]
    rows += [(f"{one.name}.service", one.service, "sata_ssd_req") for one in plan.back_ends]
    rows += [
        (f"{one.name}.period", one.period, "nic_rx_gap_1g") for one in plan.back_ends if one.period
    ]
    consoles = [(vm.name, console) for vm in plan.vms for console in vm.consoles]
    rows += [(f"{name}.{one.name}.gap", one.gap, "console_input_gap") for name, one in consoles]
    spans = tuple(Assumption(name, str(span), _basis(key, span)) for name, span, key in rows)
    return (
        spans + _timeouts(plan) + (iommu_assumptions(plan) if plan.iommu and plan.passable else ())
    )


def _timeouts(plan: SystemPlan) -> tuple[Assumption, ...]:
    """Return how long messages to a stalled host server wait, where a configuration says so."""
    basis = "given by the configuration: message-block-timeout"
    return tuple(
        Assumption(f"{vm.name}.message_block_timeout", _waits(vm.block_timeout_ns), basis)
        for vm in plan.vms
        if vm.block_timeout_ns is not None
        and any(BY_NAME[end.cause].stalls_server for end in vm.ends)
    )


def _waits(ns: int) -> str:
    return format_ns(ns) if ns else "for ever"


def _basis(key: str, span: Span) -> str:
    """Return where a span comes from: the evidence of its key, or the scenario."""
    evidence = EVIDENCE[key]
    if span == getattr(_DEFAULTS, key):
        return f"{evidence.grade}: {evidence.meaning}; {evidence.source}"
    return f"given by the scenario: {evidence.meaning}"


@lru_cache(maxsize=64)
def _spans(timing: Timing, parts: frozenset[str]) -> tuple[Assumption, ...]:
    used = [key for key, evidence in EVIDENCE.items() if evidence.part in parts]
    spans = [(key, getattr(timing, key)) for key in used]
    return tuple(Assumption(key, str(span), _basis(key, span)) for key, span in spans)


@lru_cache(maxsize=64)
def _answers(pinned: tuple[tuple[str, str], ...], parts: frozenset[str]) -> tuple[Assumption, ...]:
    fixed = dict(pinned)
    found = []
    for question in QUESTIONS:
        if question.part not in parts:
            continue
        answer = fixed.get(question.label)
        if answer is None:
            value = " | ".join(question.answers)
            basis = f"left open: {question.meaning}; {question.basis}"
        else:
            value = answer
            basis = f"pinned by the scenario: {question.meaning}; {question.basis}"
        found.append(Assumption(question.label, value, basis))
    return tuple(found)
