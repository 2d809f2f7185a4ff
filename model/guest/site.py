"""What the drivers of one guest share: its memory, its buses, its interrupts, its PCI server."""

from typing import TYPE_CHECKING, NamedTuple

from ..plan.timing import Timing
from ..sim.kernel import Kernel
from ..vdev.io_space import IoSpace
from ..vdev.site import GuestPic
from .layout import GuestAllocator

if TYPE_CHECKING:
    from .pci_server import PciServer


class DriverSite(NamedTuple):
    """The surroundings of a driver.

    Attributes:
        vm: Name of the VM, for the trace.
        epoch: Number of the instance, for the trace.
        allocator: The source of its memory.
        io: The registers that it reaches.
        pic: The source of its interrupts.
        pci: The guest's PCI server.
        is_detailed: Whether the events of `virtio_events` are emitted.
    """

    kernel: Kernel
    timing: Timing
    vm: str
    epoch: int
    allocator: GuestAllocator
    io: IoSpace
    pic: GuestPic
    pci: "PciServer"
    is_detailed: bool
