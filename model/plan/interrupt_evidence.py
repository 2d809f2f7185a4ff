"""The evidence behind the spans of message routes and of the LPI pending table."""

from ..base.clock import MS
from .evidence_marks import Evidence

INTERRUPT_EVIDENCE: dict[str, Evidence] = {
    "route_command": Evidence(
        "routes",
        "a command that makes or removes a message route, from the queue to its effect",
        "assumed",
        "no figure published; a few accesses to tables in memory",
    ),
    "route_delivery": Evidence(
        "routes",
        "a translated message from the ITS to the redistributor, or from the remapping unit to "
        "the local APIC",
        "assumed",
        "no figure published; as the posted write that brought the message",
    ),
    "lpi_write_back": Evidence(
        "lpis",
        "from a change of an LPI's pending state to its byte leaving for the table in memory",
        "assumed",
        "the architecture sets no limit to how long it is cached; Arm IHI 0069, GICR_PENDBASER",
        tail_ns=10 * MS,
    ),
    "its_sync": Evidence(
        "routes",
        "the command after which no message is on its way by the old route, from begin to end",
        "assumed",
        "no figure published; bounds of Xen, gic-v3-its.c: 1 ms a batch, 100 ms to drain",
        tail_ns=1 * MS,
        bound_ns=100 * MS,
    ),
}
"""The evidence by key of `Timing`."""
