"""The procedures that drawn devices are made quiet by: the documented ones.

The model carries them out, and tests hold them against the orders that it documents.  Spans of
drawn systems are short, so waits are cut short as well: see `BOUND_NS_MAX`.
"""

from ...model.plan.system_plan import QuiescePlan, StepPlan

__all__ = ["BOUND_NS_MAX", "NIC_PROCEDURES", "PROCEDURES", "VDEV_PROCEDURES", "Steps", "callback"]

Steps = tuple[tuple[str, int], ...]

BOUND_NS_MAX = 2_000_000
"""No wait of a drawn procedure is longer: ten times the longest span that a device takes to stop.

A wait that is in vain, for a controller that the guest had not set up, then costs the run 2 ms
in place of 5 or 10 s.
"""

NIC_PROCEDURES: tuple[Steps, ...] = (
    (
        ("disable-receive", 0),
        ("mask-interrupts", 0),
        ("settle", 0),
        ("disable-bus-master", 0),
        ("await-idle", 80_000_000),
        ("reset", 0),
        ("read-back", 0),
    ),
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

VDEV_PROCEDURES: tuple[Steps, ...] = (
    (("stop-queue", 0), ("join-worker", 0), ("cancel", 0), ("drain", 1_000_000_000)),
    (("stop-queue", 0), ("join-worker", 0), ("drain", 1_000_000_000)),
)
"""Ways to make a virtio vdev quiet.

The worker is joined before the drain: until then it may have a chain in its hands that it took
before the queue was stopped, and submit it after the drain has seen nothing outstanding.
"""

PROCEDURES: dict[str, Steps] = {
    "ahci": (
        ("mask-interrupts", 0),
        ("stop-engine", 0),
        ("await-engine", 500_000_000),
        ("stop-fis-receive", 0),
        ("await-fis-receive", 1_000_000_000),
        ("confirm", 1_000_000),
    ),
    "nvme": (
        ("mask-interrupts", 0),
        ("delete-submission-queue", 60_000_000_000),
        ("delete-completion-queue", 60_000_000_000),
        ("shutdown", 0),
        ("await-shutdown", 5_000_000_000),
        ("disable", 0),
        ("await-disabled", 10_000_000_000),
        ("clear-bus-master", 0),
        ("confirm", 1_000_000),
    ),
    "xhci": (
        ("mask-interrupts", 0),
        ("stop-endpoint", 5_000_000_000),
        ("stop", 0),
        ("await-halted", 32_000_000),
        ("reset", 0),
        ("await-reset", 10_000_000_000),
        ("confirm", 1_000_000),
    ),
    "pl330": (
        ("disable-events", 0),
        ("await-debug-idle", 4_000_000),
        ("kill", 0),
        ("await-debug-idle", 4_000_000),
        ("await-stopped", 4_000_000),
        ("clear-events", 0),
        ("confirm", 1_000_000),
    ),
    "can": (
        ("disable-interrupts", 0),
        ("enter-initialization", 0),
        ("await-initialization", 10_000_000),
        ("clear-interrupts", 0),
        ("empty-buffer", 0),
        ("confirm", 1_000_000),
    ),
    "edu": (
        ("clear-bus-master", 0),
        ("await-transfer", 200_000_000),
        ("acknowledge", 0),
        ("confirm", 1_000_000),
    ),
    "policy": (
        ("mask-interrupts", 0),
        ("stop", 0),
        ("await-idle", 1_000_000_000),
        ("reset", 0),
        ("await-reset", 1_000_000_000),
        ("confirm", 1_000_000),
    ),
}
"""The documented procedures of the other kinds of devices that are passed through."""


def callback(vdev: str, device: str, steps: Steps) -> QuiescePlan:
    """Return what a vdev does about a device, its waits cut short."""
    short = tuple(StepPlan(name, min(bound_ns, BOUND_NS_MAX)) for name, bound_ns in steps)
    return QuiescePlan(vdev, device, short)
