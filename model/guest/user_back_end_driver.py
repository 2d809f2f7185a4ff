"""The guest's driver of a back end in another process: it gives buffers and takes them back."""

from ..host.user_back_end import USED_ELEMENT, USED_RING_HEADER, MappedMemory, UserBackEnd
from ..host.user_back_end_procedure import PROCEDURE
from ..sim.kernel import Steps
from .device_driver import GuestDriver, GuestSite


class UserBackEndDriver(GuestDriver[UserBackEnd]):
    """The driver, and the part of qvm that connects it."""

    procedure = PROCEDURE

    def __init__(self, site: GuestSite, device: UserBackEnd) -> None:
        super().__init__(site, device)
        allocator = site.allocator
        count = device.plan.buffers
        self.used_addr = allocator.allocate(USED_RING_HEADER + USED_ELEMENT * count, 4096)
        self.buffers = [allocator.allocate(device.plan.length, 64) for _ in range(count)]
        self.next_buffer = 0

    def run(self) -> Steps:
        """Connect, give all buffers, and give each again when it has been used."""
        mapped = MappedMemory(self.epoch, self.ram, self.used_addr, len(self.buffers))
        self.device.connect(mapped, self.interrupts)
        for addr in self.buffers:
            self.device.kick(addr)
        self.is_set_up, self.is_stopping = True, self.is_alone
        while True:
            while not self.interrupts:
                yield self.interrupts.wait()
            intid = self.interrupts.take()
            yield self.kernel.delay(self.timing.irq_to_guest, f"{self.name}.irq")
            if not self.is_stopping:
                self.device.kick(self.buffers[self.next_buffer])
                self.next_buffer = (self.next_buffer + 1) % len(self.buffers)
            self.handled.put(intid)
