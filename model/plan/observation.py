"""How long the outside goes on where a scenario does not say.

A run shall show what the outside does to a VM that is gone and to the next owner.  So every source
acts at least twice after the last end or restart.  A VM that was started again has the time to
boot.  Then the outside starts nothing new, and the run goes on until all is quiet.
"""

from ..base.clock import Span, exactly
from .system_plan import SystemPlan

__all__ = ["LEAST_NS", "until_all_have_acted"]

LEAST_NS = 1_000_000
"""Least length of such an observation, in nanoseconds."""


def until_all_have_acted(plan: SystemPlan) -> Span:
    """Return how long the outside goes on so that every source acts twice.

    Args:
        plan: The plan of the system; its own `observe` is not used.
    """
    periods = [nic.gap for nic in plan.nics]
    for device in (*plan.devices, *plan.back_ends):
        named = (getattr(device, name, None) for name in _PERIODS)
        periods += [span for span in named if isinstance(span, Span)]
    periods += [vdev.gap for vm in plan.vms for vdev in vm.peered]
    longest_ns = max((span.hi_ns for span in periods), default=0)
    boot_ns = plan.timing.guest_boot.hi_ns if any(vm.restart for vm in plan.vms) else 0
    return exactly(max(LEAST_NS, boot_ns + 2 * longest_ns))


_PERIODS = ("gap", "interval", "period", "events", "port_events", "pace")
"""The fields of plans that give the time between two acts of the outside."""
