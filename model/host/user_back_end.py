"""A back end in another process, as vhost-user has it.

qvm gives it the guest's memory to map, and the places of the ring.  From then on its worker writes
guest memory by CPU, past every gate, reset and IOMMU.  The back end outlives qvm.  The protocol
ends its work:

- GET_VRING_BASE stops a ring; the answer says that the ring is stopped.
- DMA_UNMAP takes memory away; the answer says that the back end uses the memory no more.
- The end of the socket means that qvm has exited.

How a back end reacts to each differs, and is a parameter.

Source:
    vhost-user protocol (QEMU docs/interop/vhost-user.rst): ring states, VHOST_USER_SET_MEM_TABLE,
    VHOST_USER_GET_VRING_BASE; vfio-user protocol (libvfio-user docs/vfio-user.rst):
    VFIO_USER_DMA_UNMAP.  For back ends that answer early or go on: cloud-hypervisor
    7e2e7a164baa, dpdk-vhost-vfe 89 and 105, SPDK 2074 and 2100.

Choice points: `NAME.service`, `NAME.period`, `NAME.copy`, `NAME.message`.
"""

from typing import NamedTuple

from ..base.addresses import pages_of
from ..bus.memory import GuestRam, PhysicalMemory
from ..plan.device_plans import UserBackEndPlan
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Mailbox, Signal, Steps
from ..sim.outside import Withheld
from ..trace.events import BackendRequestBegun, BackendRequestEnded, DmaRequested

_DATA_BYTE = b"\x99"
USED_RING_HEADER = 4
USED_ELEMENT = 8
USED_INDEX_OFFSET = 2


class MappedMemory(NamedTuple):
    """The guest memory that a back end has mapped, and the epoch that it belongs to.

    Attributes:
        epoch: The VM instance.
        ram: The map of its memory.
        used_addr: Guest address of the used ring.
        queue_size: Entries of it.
    """

    epoch: int
    ram: GuestRam
    used_addr: int
    queue_size: int


class TakenBuffer:
    """A buffer that the worker has taken from the ring.

    Attributes:
        is_dropped: A stop has dropped it; the worker writes nothing more for it.
    """

    def __init__(self, mapped: MappedMemory, addr: int) -> None:
        self.mapped = mapped
        self.addr = addr
        self.is_dropped = False


class UserBackEnd(Component):
    """The process.

    Attributes:
        mapped: What it has mapped; None if nothing.
        connected: Whether its socket has another end.
        ring_running: Whether it takes buffers.
        available: Guest addresses of the buffers that it has not taken.
        taken: Buffers that it works on.
        used_index: Of the used ring.
        calls: Where it puts the interrupt number when a buffer is used (vhost's call).
    """

    def __init__(
        self, kernel: Kernel, timing: Timing, plan: UserBackEndPlan, memory: PhysicalMemory
    ) -> None:
        super().__init__(kernel, plan.name, timing)
        self.plan = plan
        self.memory = memory
        self.mapped: MappedMemory | None = None
        self.connected = self.ring_running = False
        self.available: Mailbox[int] = Mailbox(kernel)
        self.taken: list[TakenBuffer] = []
        self.used_index = 0
        self.calls: Mailbox[int] | None = None
        self.changed = Signal(kernel)
        self.worker = self.start(self._work)
        if plan.period is not None:
            kernel.outside.add(self.worker, f"{self.name}.period", self._withheld)

    # For qvm and the guest.

    def connect(self, mapped: MappedMemory, calls: Mailbox[int]) -> None:
        """Map a guest's memory, start its ring, and call it through `calls`."""
        self.mapped, self.calls = mapped, calls
        self.connected = self.ring_running = True
        self.available.clear()
        self.used_index = 0
        self.changed.notify()

    def kick(self, addr: int) -> None:
        """Make a buffer available."""
        if self.mapped is not None and self.connected:
            length = self.plan.length
            host_addr = self.mapped.ram.host_addr(addr, length)
            self.emit(DmaRequested(self.name, self.mapped.epoch, host_addr, length))
            self.available.put(addr)
            self.changed.notify()

    @property
    def is_busy(self) -> bool:
        """Whether the worker still has buffers that it will write."""
        return any(not buffer.is_dropped for buffer in self.taken)

    def stop_ring(self) -> Steps:
        """GET_VRING_BASE: returns with the answer."""
        yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.message")
        self.ring_running = False
        if self.plan.on_stop == "drop":
            self._drop_taken()
        while self.plan.on_stop == "drain" and self.is_busy:
            yield self.changed.wait()
        yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.message")

    def unmap(self) -> Steps:
        """DMA_UNMAP of all guest memory: returns with the answer.

        The back end takes no further buffer.  Buffers that it has taken it still writes, before or
        after the answer.
        """
        yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.message")
        self.ring_running = False
        while self.plan.on_unmap == "drain" and self.is_busy:
            yield self.changed.wait()
        if not self.is_busy:
            self.mapped = None
        yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.message")

    def disconnect(self) -> None:
        """Close the socket, as at the end of qvm; the back end learns of it later."""
        if self.connected:
            self.connected = False
            self.start(self._on_disconnect)

    def stop_threads(self) -> None:
        """Stop the worker and drop its buffers, as at the end of the host."""
        self._drop_taken()
        self.kernel.kill(self.worker)

    # Processes.

    def _on_disconnect(self) -> Steps:
        yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.message")
        if self.connected or self.plan.on_disconnect == "ignore":
            return
        self.ring_running = False
        if self.plan.on_disconnect == "drop":
            self._drop_taken()
        while self.is_busy:
            yield self.changed.wait()
        if self.plan.unmaps and not self.connected:
            self.mapped = None

    def _drop_taken(self) -> None:
        for buffer in self.taken:
            buffer.is_dropped = True

    def _withheld(self) -> Withheld | None:
        """Return for which epoch the next unsolicited buffer would be filled; None for none."""
        if self.mapped is None or not (self.available and self.ring_running):
            return None
        return Withheld(self.name, self.mapped.epoch, "write", "unsolicited buffers")

    def _work(self) -> Steps:
        while self.plan.period is None or not self.is_alone:
            if self.plan.period is not None:
                yield self.kernel.delay(self.plan.period, f"{self.name}.period")
                self.kernel.begin_story()
            while not (self.available and self.ring_running):
                yield self.changed.wait()
            mapped = self.mapped
            addr = self.available.take()
            if mapped is None:
                continue
            buffer = TakenBuffer(mapped, addr)
            self.taken.append(buffer)
            self.emit(BackendRequestBegun(self.name, mapped.epoch, "read", self.plan.length))
            if self.plan.period is not None:
                yield from self._fill_buffer(buffer)
            else:
                self.start(lambda buffer=buffer: self._serve(buffer))  # type: ignore[misc]

    def _serve(self, buffer: TakenBuffer) -> Steps:
        yield self.kernel.delay(self.plan.service, f"{self.name}.service")
        yield from self._fill_buffer(buffer)

    def _fill_buffer(self, buffer: TakenBuffer) -> Steps:
        """Write data, used element and used index; stop writing when the buffer is dropped."""
        length = self.plan.length
        for addr, size in pages_of(buffer.addr, length):
            yield from self._copy(buffer, addr, _DATA_BYTE * size, "data")
        mapped = buffer.mapped
        place = USED_RING_HEADER + USED_ELEMENT * (self.used_index % mapped.queue_size)
        element = (buffer.addr & 0xFFFF).to_bytes(4, "little") + length.to_bytes(4, "little")
        yield from self._copy(buffer, mapped.used_addr + place, element, "used_element")
        if not buffer.is_dropped:
            self.used_index = (self.used_index + 1) & 0xFFFF
        index = self.used_index.to_bytes(2, "little")
        yield from self._copy(buffer, mapped.used_addr + USED_INDEX_OFFSET, index, "used_idx")
        self.taken.remove(buffer)
        outcome = "cancelled" if buffer.is_dropped else "done"
        self.emit(BackendRequestEnded(self.name, mapped.epoch, "read", outcome))
        if not buffer.is_dropped and self.calls is not None and self.connected:
            self.calls.put(self.plan.intid)
        self.changed.notify()

    def _copy(self, buffer: TakenBuffer, addr: int, data: bytes, content: str) -> Steps:
        if buffer.is_dropped:
            return
        # Invariant: no copy starts for a dropped buffer, and none lands.  A stop that drops takes
        # effect between two copies.
        yield self.kernel.delay(self.timing.user_copy, f"{self.name}.copy")
        if not buffer.is_dropped:
            mapped = buffer.mapped
            host_addr = mapped.ram.host_addr(addr, len(data))
            self.memory.land_from_cpu(self.name, mapped.epoch, host_addr, data, content)
