"""The documented procedures that quiesce drawn devices.

The model carries out the same orders of steps. Spans of drawn systems are short, so the waits of
their procedures are cut short as well: see `BOUND_NS_MAX`.
"""

from ...model.plan.procedures import DOCUMENTED, Order
from ...model.plan.system_plan import QuiescePlan, StepPlan

__all__ = ["BOUND_NS_MAX", "NIC_PROCEDURES", "PROCEDURES", "VDEV_PROCEDURES", "callback"]

BOUND_NS_MAX = 2_000_000
"""The longest wait of a drawn procedure: ten times the longest span that a device takes to stop.

A controller that the guest had not set up never answers. The wait for it then costs the run 2 ms in
place of 5 or 10 s.
"""

NIC_PROCEDURES: tuple[Order, ...] = (
    DOCUMENTED["nic"].order,
    (
        ("disable-receive", 0),
        ("mask-interrupts", 0),
        ("disable-bus-master", 0),
        ("await-idle", 80_000_000),
        ("read-back", 0),
    ),
    (
        ("mask-interrupts", 0),
        ("disable-receive", 0),
        ("disable-bus-master", 0),
        ("await-idle", 80_000_000),
    ),
)
"""Procedures that quiesce an e1000-class NIC: that of Linux's e1000e first, then tighter ones."""

VDEV_PROCEDURES: tuple[Order, ...] = (
    (("stop-queue", 0), ("join-worker", 0), ("cancel", 0), ("drain", 1_000_000_000)),
    (("stop-queue", 0), ("join-worker", 0), ("drain", 1_000_000_000)),
)
"""Procedures that quiesce a virtio vdev.

`join-worker` comes before `drain`. Until then the worker may hold a chain that it took before the
queue was stopped. It could submit that chain after the drain has seen nothing outstanding.
"""

PROCEDURES: dict[str, Order] = {
    kind: DOCUMENTED[kind].order
    for kind in ("ahci", "nvme", "xhci", "pl330", "can", "edu", "policy")
}
"""The documented procedures of the other kinds of devices that are passed through."""


def callback(vdev: str, device: str, steps: Order) -> QuiescePlan:
    """Return the procedure of a vdev for a device, with its waits cut short."""
    short = tuple(StepPlan(name, min(bound_ns, BOUND_NS_MAX)) for name, bound_ns in steps)
    return QuiescePlan(vdev, device, short)
