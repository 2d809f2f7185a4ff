"""A vdev on the bench: registers and rings are driven by hand, the host behind it is real."""

from typing import TypeVar

from msgspec.structs import replace

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.bus.memory import GuestRam, StageTwo
from quiesce.model.host.host import Host
from quiesce.model.plan.system_plan import DiskPlan, RamPlan, SystemPlan, VmPlan
from quiesce.model.plan.virtio_plan import BlockPlan, ConsolePlan, EntropyPlan, NetPlan
from quiesce.model.sim.kernel import Kernel, Mailbox
from quiesce.model.trace.event_base import TraceEvent
from quiesce.model.vdev.assembly import Vdevs
from quiesce.model.vdev.site import GuestPic, VdevSite
from quiesce.model.vdev.virtio_vdev import VirtioVdev
from quiesce.model.virtio import mmio_transport as mmio
from quiesce.model.virtio.queues import driver_queue, layout_at
from quiesce.model.virtio.virtqueue import DriverQueue, UsedBuffer

E = TypeVar("E", bound=TraceEvent)

RAM = 0x8000_0000
RAM_LENGTH = 1 << 20
HOST_RAM = 0x100_0000
LINE = 41
RINGS = RAM
BUFFERS = RAM + (1 << 16)


class Bench:
    """One direct-mapped vdev of a VM, with its guest's memory.

    Attributes:
        line: What has been injected into the guest.
    """

    def __init__(self, plan: BlockPlan | NetPlan | ConsolePlan | EntropyPlan) -> None:
        plan = replace(plan, transport="mmio", intr=LINE, queue_size=min(plan.queue_size, 16))
        kinds = {BlockPlan: "blocks", NetPlan: "nets", ConsolePlan: "consoles"}
        field = kinds.get(type(plan), "entropies")
        vm = replace(VmPlan("vm", (RamPlan(RAM, RAM_LENGTH),)), **{field: (plan,)})
        system = SystemPlan("bench", (vm,), disks=(DiskPlan("ahci0", "devb", 33),), detail="virtio")
        self.kernel = Kernel(Nominal())
        self.host = Host(self.kernel, system)
        self.host.memory.grant("vm", 1, HOST_RAM >> 12, RAM_LENGTH >> 12)
        stage_two = StageTwo(((RAM, HOST_RAM, RAM_LENGTH),))
        pic = GuestPic()
        self.line: Mailbox[int] = Mailbox(self.kernel)
        pic.attach(LINE, self.line)
        memory = self.host.memory
        site = VdevSite(self.kernel, system.timing, "vm", 1, memory, stage_two, pic, True)
        vdev = Vdevs(site, vm, self.host, 64).by_name[plan.name]
        assert isinstance(vdev, VirtioVdev)
        self.vdev = vdev
        self.ram = GuestRam(memory, stage_two)
        self.queues: dict[int, DriverQueue] = {}
        self.negotiated = 0

    # Registers.

    def read(self, offset: int, length: int = 4) -> int:
        return self.vdev.read_register(offset, length)

    def write(self, offset: int, value: int, length: int = 4) -> None:
        self.vdev.write_register(offset, length, value)

    @property
    def status(self) -> int:
        return self.read(mmio.VIRTIO_MMIO_STATUS)

    def go_live(self, *queues: int, refuse: int = 0) -> None:
        """Negotiate everything offered but `refuse`, set the queues up, and set DRIVER_OK."""
        self.write(mmio.VIRTIO_MMIO_STATUS, 0)
        self.write(mmio.VIRTIO_MMIO_STATUS, 3)
        self.negotiated = self.vdev.registers.machine.offered & ~refuse
        for word in range(2):
            self.write(mmio.VIRTIO_MMIO_DRIVER_FEATURES_SEL, word)
            self.write(mmio.VIRTIO_MMIO_DRIVER_FEATURES, self.negotiated >> 32 * word & 0xFFFFFFFF)
        self.write(mmio.VIRTIO_MMIO_STATUS, 11)
        for index in queues:
            self.set_up(index)
        self.write(mmio.VIRTIO_MMIO_STATUS, 15)

    def set_up(self, index: int) -> DriverQueue:
        layout = layout_at(RINGS + 0x2000 * index, 16, self.negotiated)
        queue = driver_queue(self.ram, layout, self.negotiated)
        queue.initialise()
        self.queues[index] = queue
        self.write(mmio.VIRTIO_MMIO_QUEUE_SEL, index)
        self.write(mmio.VIRTIO_MMIO_QUEUE_NUM, 16)
        for start, addr in zip((0x80, 0x90, 0xA0), layout.areas(), strict=True):
            self.write(start, addr & 0xFFFFFFFF)
            self.write(start + 4, addr >> 32)
        self.write(mmio.VIRTIO_MMIO_QUEUE_READY, 1)
        return queue

    # Requests.

    def offer(
        self,
        index: int,
        readable: list[tuple[int, int]],
        writable: list[tuple[int, int]],
        *,
        kick: bool = True,
    ) -> int:
        head = self.queues[index].add(readable, writable)
        assert head is not None
        self.queues[index].publish()
        if kick:
            self.write(mmio.VIRTIO_MMIO_QUEUE_NOTIFY, index)
        return head

    def used(self, index: int = 0) -> list[UsedBuffer]:
        found = []
        while isinstance(one := self.queues[index].pop_used(), UsedBuffer):
            found.append(one)
        return found

    def wait(self, ns: int = 5_000_000) -> None:
        """Let time pass."""
        self.kernel.execute(self.kernel.delay(exactly(ns), "bench"))

    def events_of(self, kind: type[E]) -> list[E]:
        return [r.event for r in self.kernel.records if isinstance(r.event, kind)]


def block_request(
    bench: Bench,
    kind: int,
    sector: int,
    data: bytes | int = b"",
    *,
    at: int = BUFFERS,
    kick: bool = True,
) -> tuple[int, int]:
    """Offer a request; `data` is what is written, or how many bytes are read.

    Returns:
        The head, and the address of the status byte.
    """
    bench.ram.write(at, kind.to_bytes(4, "little") + bytes(4) + sector.to_bytes(8, "little"))
    status = at + 16
    bench.ram.write(status, b"\xff")
    readable, writable = [(at, 16)], [(status, 1)]
    place = at + 0x1000
    if isinstance(data, int):
        if data:
            writable.insert(0, (place, data))
    elif data:
        bench.ram.write(place, data)
        readable.append((place, len(data)))
    return bench.offer(0, readable, writable, kick=kick), status
