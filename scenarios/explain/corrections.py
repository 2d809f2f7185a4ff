"""What to do about each fault and peculiarity that a plan can have, in words."""

from msgspec.structs import replace

from ...model.plan.system_plan import SystemPlan

__all__ = ["DEVICES", "FAULTS", "TRAITS", "without_fault"]

FAULTS: dict[str, str] = {
    "memory_before_callbacks": "let qvm return guest memory only after its vdevs' callbacks",
    "no_invalidate": "let smmuman invalidate the cached translations when it removes maps",
    "no_sync": "let smmuman wait for what was translated before, when it removes maps",
    "no_atc_invalidate": "let smmuman tell the device to forget the translations that it keeps",
    "atc_timeout_is_success": "let smmuman cut a device off that does not forget its translations",
    "no_drain": "let smmuman wait for the writes that are on their way when it removes maps",
    "entry_in_halves": "let smmuman make a stream's entry invalid before it changes it",
    "unmap_stops_early": "let smmuman remove every map, and report it if it could not",
    "bypass_after_unmap": "let smmuman block a device without maps, and not hand it to the host",
    "detach_before_masked": "let the kernel wait until the mask is in force before it detaches",
    "unmask_after_detach": "let no thread of qvm unmask a line that qvm has detached from",
    "reference_kept": "drop the last reference to guest memory when qvm ends",
    "resurrecting_agent": "stop the agent that starts stopped devices again before the teardown",
    "route_kept": "let the kernel remove the route of a device's messages when its owner detaches",
    "route_cache_kept": "let the kernel have the cached route invalidated when it removes one",
    "no_route_sync": "let the kernel wait until the removal of a route has taken effect",
    "pending_not_discarded": "let the kernel discard what is pending behind a route it removes",
    "list_registers_kept": "let a virtual CPU that goes clear its list registers",
    "hidden_master": "keep the interrupt controller's tables out of guest memory",
}
"""By name of the fault, as an instruction."""

TRAITS: dict[str, str] = {
    "reset": "whose reset cancels what is under way",
    "ignores_reset": "whose reset resets it",
    "bus_master_gate_effective": "that heeds its bus-master bit",
    "reset_clears_gate": "whose reset leaves bus mastering off",
    "translates_at_start": "that has each address translated when it writes",
    "says_stopped_early": "that reads as idle only when its writes have left",
    "keeps_interrupt": "whose reset clears pending interrupts",
    "keeps_side_state": "whose reset clears all addresses that it was given",
    "never_idle": "that says when it is idle",
    "forgets_running": "that reads as idle only when nothing runs",
    "keeps_input": "whose reset throws received input away",
    "falls_back_to_line": "that does not use its line when messages are off",
}
"""By name of the trait: how a device behaves that does not have it."""

DEVICES: dict[str, str] = {
    "hangs_at": "that answers every command",
    "keeps_shadow": "whose reset forgets the shadow doorbells",
    "keeps_event_requests": "whose reset forgets outstanding event requests",
    "stops_early": "that ends Stop Endpoint only when its transfers are accounted for",
    "halts": "that halts when its driver asks",
    "killable": "that takes the debug command",
}
"""The same for fields of the plans of single kinds of device."""


def without_fault(plan: SystemPlan, name: str) -> SystemPlan:
    """Return the plan without one of its faults."""
    return replace(plan, faults=replace(plan.faults, **{name: False}))
