"""The procedures that drawn devices are made quiet by: the documented ones.

The model carries the same orders out.  Spans of drawn systems are short, so waits are cut short
as well: see `BOUND_NS_MAX`.
"""

from ...model.plan.procedures import DOCUMENTED, Order
from ...model.plan.system_plan import QuiescePlan, StepPlan

__all__ = ["BOUND_NS_MAX", "NIC_PROCEDURES", "PROCEDURES", "VDEV_PROCEDURES", "callback"]

BOUND_NS_MAX = 2_000_000
"""No wait of a drawn procedure is longer: ten times the longest span that a device takes to stop.

A wait that is in vain, for a controller that the guest had not set up, then costs the run 2 ms
in place of 5 or 10 s.
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
"""Ways to make an e1000-class controller quiet: that of Linux's e1000e first, then tighter ones."""

VDEV_PROCEDURES: tuple[Order, ...] = (
    (("stop-queue", 0), ("join-worker", 0), ("cancel", 0), ("drain", 1_000_000_000)),
    (("stop-queue", 0), ("join-worker", 0), ("drain", 1_000_000_000)),
)
"""Ways to make a virtio vdev quiet.

The worker is joined before the drain: until then it may have a chain in its hands that it took
before the queue was stopped, and submit it after the drain has seen nothing outstanding.
"""

PROCEDURES: dict[str, Order] = {
    kind: DOCUMENTED[kind].order
    for kind in ("ahci", "nvme", "xhci", "pl330", "can", "edu", "policy")
}
"""The documented procedures of the other kinds of devices that are passed through."""


def callback(vdev: str, device: str, steps: Order) -> QuiescePlan:
    """Return what a vdev does about a device, its waits cut short."""
    short = tuple(StepPlan(name, min(bound_ns, BOUND_NS_MAX)) for name, bound_ns in steps)
    return QuiescePlan(vdev, device, short)
