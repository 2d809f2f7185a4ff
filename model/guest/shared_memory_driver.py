"""The guest's side of shared memory: it finds the factory, attaches to a region, and notifies.

Source:
    QNX 7.1 hypervisor guide, share_mem, and its header guest_shm.h.
"""

from simpy.events import Event

from ..host.shared_memory import NOTIFY_ALL
from ..plan.virtio_plan import SharedMemoryPlan
from ..sim.component import Component
from ..sim.kernel import Mailbox, Steps
from ..trace.events import MilestoneReached
from ..vdev import shared_memory as shm
from ..vdev.io_space import IoWindow
from ..virtio.pci_function import QVM_SHARED_MEMORY_FACTORY
from .pci_server import burst_span
from .site import DriverSite

_WORD = 4


class SharedMemoryDriver(Component):
    """The driver.

    Attributes:
        control: The control page of the region; `None` as long as it is not attached.
        index: Its number among the clients.
        seen: The last value of the control page's status.
    """

    def __init__(self, site: DriverSite, plan: SharedMemoryPlan, index: int = 0) -> None:
        super().__init__(site.kernel, f"{site.vm}.{plan.name}.driver", site.timing)
        self.site = site
        self.plan = plan
        self.which = index
        self.interrupts: Mailbox[int] = Mailbox(site.kernel)
        self.control: IoWindow | None = None
        self.index = -1
        self.seen = 0

    def run(self) -> Steps:
        """Attach, notify the other clients, and wait for their notifications."""
        if not self.plan.region:
            return
        factory = yield from self._find()
        if factory.read(shm.FACTORY_SIGNATURE, 8) != shm.SIGNATURE:
            return
        self._emit_milestone("device-found")
        self._emit_milestone("driver-started")
        yield from self._attach(factory)
        if self.control is None:
            return
        self._notify(self.control)
        yield self._burst(2)
        while True:
            while not self.interrupts:
                yield self.interrupts.wait()
            self.interrupts.take()
            yield self.kernel.delay(self.timing.irq_to_guest, f"{self.name}.irq")
            yield self._burst(1)
            self.seen = self.control.read(shm.CONTROL_STATUS, 4)

    def stop_requests_after_set_up(self) -> None:
        """Do nothing: this driver makes requests only at its start."""

    def shut_down(self) -> Steps:
        """Leave the region."""
        if self.control is not None:
            yield self._burst(1)
            self.control.write(shm.CONTROL_DETACH, 4, 1)
            self.control = None

    def _find(self) -> Steps:
        site, line = self.site, self.plan.intr
        if self.plan.transport == "mmio":
            window = site.io.map(self.plan.loc)
        else:
            while not site.pci.is_done:
                yield site.pci.done.wait()
            identity = QVM_SHARED_MEMORY_FACTORY
            found = site.pci.nth(identity.vendor_id, identity.device_id, self.which)
            window = IoWindow(None, 0, 0) if found is None else site.io.map(found.bars[0])
            line = window.read(shm.FACTORY_VECTOR, 4)
        yield self._burst(2)
        site.pic.attach(line, self.interrupts)
        return window

    def _attach(self, factory: IoWindow) -> Steps:
        name = self.plan.region.encode()[: shm.NAME_LENGTH - 1].ljust(shm.NAME_LENGTH, b"\0")
        for place in range(0, shm.NAME_LENGTH, _WORD):
            word = int.from_bytes(name[place : place + _WORD], "little")
            factory.write(shm.FACTORY_NAME + place, _WORD, word)
        yield self._burst(shm.NAME_LENGTH // _WORD)
        factory.write(shm.FACTORY_SIZE, 4, self.plan.length // 4096)
        status = factory.read(shm.FACTORY_STATUS, 4)
        if status == shm.STATUS_OK:
            self.control = self.site.io.map(factory.read(shm.FACTORY_ADDRESS, 8))
        yield self._burst(3)

    def _notify(self, control: IoWindow) -> None:
        self.index = control.read(shm.CONTROL_INDEX, 4)
        control.write(4096 + _WORD * self.index, _WORD, self.site.epoch)
        control.write(shm.CONTROL_NOTIFY, 4, NOTIFY_ALL)

    def _emit_milestone(self, milestone: str) -> None:
        self.emit(MilestoneReached(self.site.vm, self.site.epoch, milestone))

    def _burst(self, accesses: int) -> Event:
        span = burst_span(self.timing.vm_exit, accesses)
        return self.kernel.delay(span, f"{self.name}.registers")
