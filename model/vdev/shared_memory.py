"""Shared memory between guests: the factory vdev, the regions, and their control pages.

A guest writes a name and then a size into the factory's page.  The write of the size creates the
region, or attaches to the existing region of that name.  The guest then reads from the factory the
address of its control page; the shared memory lies behind it.

    factory  0 signature   8 address   16 vector   20 status   24 size   28 name[32]
    control  0 status      4 index      8 notify   12 detach

The high half of the control page's status holds the bits of the attached clients.  The low half
holds those of the clients that have notified since the last read.  Reading it lowers the interrupt.
Writing bits of clients to `notify` interrupts these clients; all ones means all but the writer.

The regions belong to the host and outlive every VM.  A client that dies is detached.

Source:
    QNX 7.1 hypervisor guide, share_mem; layout and signature as in the header guest_shm.h of
    the guest drivers, which QNX publishes with its examples.
"""

from ..base.addresses import FRAME_SIZE
from ..host.shared_memory import SharedMemoryPool, SharedRegion
from ..plan.open_questions import SHARED_MEMORY_PENDING
from ..plan.virtio_plan import SharedMemoryPlan
from ..sim.component import Component
from ..sim.kernel import Steps
from ..trace.events import IrqInjected
from ..virtio.pci_function import QVM_SHARED_MEMORY_FACTORY, Bar, PciFunction, PciIdentity
from .control import VdevControl, emit_control_message
from .io_space import IoSpace
from .site import NO_LINE, VdevSite

SIGNATURE = 0x4D534732474D5651
NAME_LENGTH = 32

FACTORY_SIGNATURE = 0
FACTORY_ADDRESS = 8
FACTORY_VECTOR = 16
FACTORY_STATUS = 20
FACTORY_SIZE = 24
FACTORY_NAME = 28

CONTROL_STATUS = 0
CONTROL_INDEX = 4
CONTROL_NOTIFY = 8
CONTROL_DETACH = 12

STATUS_OK = 0
STATUS_FAILED = 1
STATUS_CLIENTS_MAX = 3
STATUS_ILLEGAL_NAME = 4

REGIONS_START = 0x2000_0000
"""Guest-physical address of the first control page; where qvm puts it is not documented."""

_REGION_ROOM = 1 << 24
_FACTORY_BAR = Bar(index=0, size=FRAME_SIZE)

STEPS: dict[str, str] = {"detach": "leave every region, so that no peer notifies this guest"}
"""What the TERMINATE callback of the factory can do."""


class RegionWindow:
    """A region as one guest sees it: its control page, and the shared memory behind it."""

    def __init__(self, factory: "SharedMemoryFactory", region: SharedRegion, index: int) -> None:
        self.factory = factory
        self.region = region
        self.index = index

    def read_register(self, offset: int, length: int, region: int = 0) -> int:  # noqa: ARG002
        """Return what a read of the control page or of the shared memory gives."""
        if offset >= FRAME_SIZE:
            addr = self.region.host_addr + offset - FRAME_SIZE
            return int.from_bytes(self.factory.pool.memory.read(addr, length), "little")
        if offset == CONTROL_STATUS:
            return self.region.read_status(self.index)
        return self.index if offset == CONTROL_INDEX else 0

    def write_register(
        self,
        offset: int,
        length: int,
        value: int,
        region: int = 0,  # noqa: ARG002
    ) -> None:
        """Carry out a write of the control page or of the shared memory."""
        if offset >= FRAME_SIZE:
            addr = self.region.host_addr + offset - FRAME_SIZE
            self.factory.pool.memory.write(addr, value.to_bytes(length, "little"))
        elif offset == CONTROL_NOTIFY:
            self.region.notify(self.index, value)
        elif offset == CONTROL_DETACH:
            self.factory.detach(self)


class SharedMemoryFactory(Component):
    """The vdev.

    Args:
        site: What it gets from its qvm.
        plan: Where it is.
        pool: The regions of the host.
        io: Where the factory maps regions.

    Attributes:
        requested_name: The name that the guest has written.
        status: Of the last attempt.
        windows: Guest-physical address to the region that the guest has there.
    """

    def __init__(
        self, site: VdevSite, plan: SharedMemoryPlan, pool: SharedMemoryPool, io: IoSpace
    ) -> None:
        super().__init__(site.kernel, f"{site.vm}.{plan.name}", site.timing)
        self.site = site
        self.plan = plan
        self.pool = pool
        self.io = io
        self.intr = plan.intr
        identity = QVM_SHARED_MEMORY_FACTORY
        bridge = PciIdentity(
            identity.vendor_id, identity.device_id, identity.class_code, interrupt_pin=1
        )
        self.function = PciFunction(bridge, (_FACTORY_BAR,))
        self.requested_name = bytearray(NAME_LENGTH)
        self.status = STATUS_OK
        self.size = 0
        self.windows: dict[int, RegionWindow] = {}

    def control(self, message: VdevControl) -> None:
        """Take a message from qvm; it has no threads to start."""
        emit_control_message(self, self.site, message)

    # Register accesses of the guest.

    def config_read(self, offset: int, length: int) -> int:
        """Return what a PCI configuration read gives."""
        return self.function.read(offset, length)

    def config_write(self, offset: int, length: int, value: int) -> None:
        """Carry out a PCI configuration write."""
        self.function.write(offset, length, value)

    def read_register(self, offset: int, length: int, region: int = 0) -> int:  # noqa: ARG002
        """Return what a read of the factory's page gives."""
        page = SIGNATURE.to_bytes(8, "little")
        page += max(self.windows, default=0).to_bytes(8, "little")
        for field in (self.intr, self.status, self.size):
            page += field.to_bytes(4, "little")
        page += bytes(self.requested_name)
        return int.from_bytes(page[offset : offset + length], "little")

    def write_register(
        self,
        offset: int,
        length: int,
        value: int,
        region: int = 0,  # noqa: ARG002
    ) -> None:
        """Carry out a write of the factory's page; that of the size makes the region."""
        place = offset - FACTORY_NAME
        if place >= 0 and place + length <= NAME_LENGTH:
            self.requested_name[place : place + length] = value.to_bytes(length, "little")
        elif offset == FACTORY_SIZE and length == 4:
            self._create(value)

    @property
    def epoch(self) -> int:
        """The VM instance that it belongs to."""
        return self.site.epoch

    def interrupt(self, requested_epoch: int) -> None:
        """Interrupt the guest for a notification that was meant for an epoch."""
        site = self.site
        self.emit(IrqInjected(NO_LINE, site.vm, site.epoch, requested_epoch, self.name))
        site.pic.inject(self.intr)

    # Regions.

    def detach(self, window: RegionWindow, *, keeps_pending: bool = False) -> None:
        """Leave a region."""
        for start, one in list(self.windows.items()):
            if one is window:
                window.region.detach(window.index, keeps_pending=keeps_pending)
                self.io.remove_direct(start)
                del self.windows[start]

    def disconnect(self) -> None:
        """Leave all regions, as the death of the process does."""
        for window in list(self.windows.values()):
            has_pending = bool(window.region.pending[window.index])
            keeps = has_pending and self.kernel.choose(SHARED_MEMORY_PENDING) == "kept"
            self.detach(window, keeps_pending=keeps)

    def carry_out(self, step: str, bound_ns: int) -> Steps:  # noqa: ARG002
        """Do one step of quiescing; gives whether it was done."""
        assert step == "detach", f"no step {step} for a shared memory factory"
        yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.detach")
        for window in list(self.windows.values()):
            self.detach(window)
        return True

    def _create(self, pages: int) -> None:
        """Create the region of the requested name or attach to it, and map it in this guest."""
        name = bytes(self.requested_name).split(b"\0", maxsplit=1)[0].decode("ascii", "replace")
        self.size = pages
        if not name or len(name) == NAME_LENGTH or not 0 < pages * FRAME_SIZE < _REGION_ROOM:
            self.status = STATUS_ILLEGAL_NAME if pages else STATUS_FAILED
            return
        region = self.pool.get(name, pages * FRAME_SIZE)
        index = region.attach(self)
        if index is None:
            self.status = STATUS_CLIENTS_MAX
            return
        start = REGIONS_START + len(self.windows) * _REGION_ROOM
        window = RegionWindow(self, region, index)
        self.windows[start] = window
        self.io.add_direct(start, FRAME_SIZE + region.length, window)
        self.status = STATUS_OK
