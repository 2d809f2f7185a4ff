"""Finds what the end of an observation leaves undecided for writes and interrupts.

The run withheld a stimulus, or a device still holds work for a VM that is gone: both would go on if
the observation did. This decides nothing where the IOMMU has shut the device out, or where its line
is masked and has no owner. Elsewhere a property that is not violated is undecided.
"""

from ...model.base.addresses import HOST_EPOCH
from ...model.trace.events import StillUnderWay
from .bus_masters import BusMasters
from .interrupt_lines import Lines
from .ownership import Frames

__all__ = ["interrupt_owed", "write_owed"]


def write_owed(rest: StillUnderWay, frames: Frames, bus_masters: BusMasters) -> str:
    """Return what would still write memory that its VM has released, or an empty string."""
    if rest.effect == "interrupt" or not frames.released_count.get(rest.epoch):
        return ""
    if bus_masters.is_shut_out(rest.component, rest.epoch):
        return ""
    who = frames.name(rest.epoch)
    return f"{rest.component} was never stopped for {who}, which is gone: {rest.what} would go on"


def interrupt_owed(rest: StillUnderWay, lines: Lines, bus_masters: BusMasters) -> str:
    """Return what would still interrupt for a VM that has detached, or an empty string."""
    if rest.effect == "write" or rest.epoch == HOST_EPOCH:
        return ""
    is_message = lines.sends_messages(rest.component)
    if is_message and bus_masters.is_shut_out(rest.component, rest.epoch):
        return ""
    for intid in lines.open_for(rest.component, rest.epoch):
        return (
            f"{rest.component} was never stopped for epoch {rest.epoch}, which has detached from "
            f"interrupt {intid}: {rest.what} would go on"
        )
    return ""
