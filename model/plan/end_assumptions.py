"""The assumptions of a run about the ends of its VMs, beyond spans and open questions."""

from ..trace.events import Assumption
from .system_plan import SystemPlan, VmPlan
from .termination import BY_NAME, SHUTS_DOWN, TerminationCause


def end_assumptions(plan: SystemPlan) -> tuple[Assumption, ...]:
    """Return what is assumed of drivers, callbacks and exit statuses, VM by VM."""
    rows: dict[Assumption, None] = {}
    for vm in plan.vms:
        for end in vm.ends:
            rows |= dict.fromkeys(_of_end(vm, BY_NAME[end.cause]))
    return tuple(rows)


def _of_end(vm: VmPlan, cause: TerminationCause) -> list[Assumption]:
    rows = _handlers(vm) if cause.asks_guest or cause.guest == SHUTS_DOWN else []
    if vm.quiesce and not cause.orderly and cause.basis == "inferred":
        basis = f"assumed, as no page says it: {cause.meaning}; {cause.source}"
        rows.append(Assumption(f"{vm.name}.callbacks-after-{cause.name}", "not run", basis))
    if cause.status_basis == "assumed":
        basis = f"assumed: the code that fits, of those that are documented; {cause.source}"
        status = str(cause.exit_status)
        rows.append(Assumption(f"{vm.name}.exit-status-after-{cause.name}", status, basis))
    return rows


def _handlers(vm: VmPlan) -> list[Assumption]:
    basis = (
        "pinned by the scenario: what the guest's driver does about its device when the guest "
        "shuts down; QNX 7.1 hypervisor guide, quiescing: the host must not rely on it"
    )
    return [
        Assumption(
            f"{vm.name}.{one.device}.shutdown-handler",
            "stops-device" if one.stops else "absent",
            basis,
        )
        for one in vm.shutdown_handlers
    ]
