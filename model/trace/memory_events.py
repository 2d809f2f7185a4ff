"""Events of frames of host memory, and of host threads that write or read guest memory."""

from .event_base import TraceEvent


class FramesGranted(TraceEvent, frozen=True):
    """Frames of host memory become the property of an epoch, cleared to zero."""

    vm: str
    epoch: int
    first_frame: int
    count: int


class FramesReleased(TraceEvent, frozen=True):
    """Frames return to the host: this instant is their teardown point."""

    vm: str
    epoch: int
    first_frame: int
    count: int


class FramesQuarantined(TraceEvent, frozen=True):
    """Frames are never granted again, because a device may still write them."""

    vm: str
    epoch: int
    first_frame: int
    count: int


class CpuWriteLanded(TraceEvent, frozen=True):
    """A host thread has written guest memory on the guest's behalf.

    Attributes:
        writer: The component whose thread it is.
        epoch: The epoch for which it acts.
        addr: Host-physical address.
        length: Bytes; the range does not cross a frame.
        content: What was written: `data`, `status`, `used_element`, `used_idx` or `suppression`.
    """

    writer: str
    epoch: int
    addr: int
    length: int
    content: str


class CpuRead(TraceEvent, frozen=True):
    """A host thread has read guest memory on the guest's behalf.

    Attributes:
        reader: The component whose thread it is.
        epoch: The epoch for which it acts.
        addr: Host-physical address.
        length: Bytes; the range does not cross a frame.
        content: `data` (what a disk or a peer gets, or a request says), or `descriptor` (entries of
            a ring: all that a thread reads in one frame at one instant is one event).
    """

    reader: str
    epoch: int
    addr: int
    length: int
    content: str
