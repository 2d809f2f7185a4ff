"""What the end of an observation leaves undecided for the properties of writes and interrupts.

A stimulus that was withheld, or a device that still holds something for a VM that is gone, would go
on if the observation did.  Where the IOMMU has shut the device out, or its line is masked and
belongs to nobody, that decides nothing; else a property that is not violated is undecided.
"""

from ..model.addresses import HOST_EPOCH
from .masters import Masters
from .monitor import Observation
from .ownership import Frames, Lines

__all__ = ["interrupt_owed", "write_owed"]


def write_owed(
    observation: Observation, frames: Frames, masters: Masters, *, is_reused: bool = False
) -> str:
    """Return what may still write memory that its VM has released, or an empty string.

    Args:
        observation: What the end left.
        frames: Who owns what.
        masters: Who is shut out.
        is_reused: Whether only memory counts that belongs to another VM by now.
    """
    for owed in observation.could("write"):
        is_dead = bool(frames.released_count.get(owed.epoch))
        if is_reused and not frames.are_reused(owed.epoch):
            continue
        if is_dead and not masters.is_shut_out(owed.component, owed.epoch):
            return (
                f"{owed.component} was never stopped for {frames.name(owed.epoch)}, which has "
                f"released memory: {owed.what} would go on"
            )
    return ""


def interrupt_owed(observation: Observation, lines: Lines, masters: Masters) -> str:
    """Return what may still interrupt for a VM that has detached, or an empty string."""
    for owed in observation.could("interrupt"):
        if owed.epoch == HOST_EPOCH:
            continue
        for intid in lines.open_for(owed.component, owed.epoch):
            is_message = lines.sends_messages(owed.component)
            if is_message and masters.is_shut_out(owed.component, owed.epoch):
                continue
            return (
                f"{owed.component} was never stopped for epoch {owed.epoch}, which has detached "
                f"from interrupt {intid}: {owed.what} would go on"
            )
    return ""
