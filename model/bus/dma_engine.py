"""The DMA engine of a device: cuts transfers into bursts and lets them out.

A burst does not cross a frame.  Before each burst, and before each read, the engine looks at its
gate, the bus-master permission.  A gate has a register state and an effective state, and they may
differ.
"""

from ..base.addresses import FRAME_SIZE, pages_of
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Steps
from ..trace.events import DmaDropped, DmaIssued
from .fabric import LINE, MESSAGE, BusWrite, Port
from .iommu import MESSAGE_LENGTH
from .memory import DESCRIPTOR

_OFFSET_MASK = FRAME_SIZE - 1
_MESSAGE_DATA = bytes(MESSAGE_LENGTH)


class DmaEngine(Component):
    """Writes and reads memory for one device.

    Args:
        port: The way out.
        outstanding_max: Bursts that may have left and not reached the root complex.
        gate_effective: Whether taking bus mastering away stops anything at all.

    Attributes:
        bus_master: The bus-master bit as it reads.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        port: Port,
        *,
        outstanding_max: int = 4,
        gate_effective: bool = True,
    ) -> None:
        super().__init__(kernel, f"{port.master}.dma", timing)
        self.port = port
        self.outstanding_max = outstanding_max
        self.gate_effective = gate_effective
        self.bus_master = True

    @property
    def is_open(self) -> bool:
        """Whether writes are let out."""
        return self.bus_master or not self.gate_effective

    def write(
        self,
        epoch: int,
        addr: int,
        data: bytes,
        content: str,
        ahead: dict[int, int | None] | None = None,
    ) -> Steps:
        """Write bytes to memory; returns when the last burst has left or was dropped.

        Args:
            epoch: For which it is done.
            addr: As the device sees it.
            data: The bytes.
            content: See `DmaIssued`.
            ahead: Burst address to host address, None where refused, if all were translated
                beforehand.
        """
        start = 0
        port, total = self.port, len(data)
        fits = (addr & _OFFSET_MASK) + total <= FRAME_SIZE
        for burst_addr, length in ((addr, total),) if fits else pages_of(addr, total):
            # The gate is not asked here but in `_let_out`: it may close during this wait.
            while port.outstanding >= self.outstanding_max:
                yield port.moved.wait()
            # Invariant: `start` is the offset in `data` of the burst at `burst_addr`.
            piece = data if fits else data[start : start + length]
            if ahead is None:
                if port.cache is None:
                    self._let_out(BusWrite(epoch, burst_addr, piece, content))
                else:
                    yield from self._write_translated(epoch, burst_addr, piece, content)
            elif (host_addr := ahead[burst_addr]) is not None:
                self._let_out(BusWrite(epoch, burst_addr, piece, content, host_addr))
            start += length

    def _write_translated(self, epoch: int, addr: int, piece: bytes, content: str) -> Steps:
        """Let a burst out with the address that the device's own cache has for it.

        A device that gets no translation tries without, and the IOMMU judges that.
        """
        cache = self.port.cache
        assert cache is not None
        host_addr = cache.find(addr)
        if host_addr is None:
            host_addr = yield from self.port.ask_translation(addr, len(piece))
        write = BusWrite(epoch, addr, piece, content, host_addr, from_cache=host_addr is not None)
        self._let_out(write)

    def read(self, epoch: int, addr: int, length: int, content: str = DESCRIPTOR) -> Steps:
        """Read memory; gives the bytes, or None if the IOMMU refuses or the gate is closed.

        Without permission to master the bus a device starts no request, neither write nor read.
        Reads that it has started before are still answered.
        """
        may_start = self.is_open
        return (yield from self.port.read_memory(epoch, addr, length, content, starts=may_start))

    def send_message(self, epoch: int, intid: int) -> None:
        """Send an interrupt message; it stays behind the writes that have left before."""
        self._let_out(BusWrite(epoch, intid, _MESSAGE_DATA, MESSAGE))

    def send_line(self, epoch: int, intid: int) -> None:
        """Send the message that asserts the line; bus mastering does not gate it."""
        self.port.issue(BusWrite(epoch, intid, b"", LINE))

    def _let_out(self, write: BusWrite) -> None:
        master, length = self.port.master, len(write.data)
        if not self.is_open:
            self.emit(DmaDropped(master, write.epoch, length, "bus_master_off"))
        else:
            self.emit(DmaIssued(master, write.epoch, write.addr, length, write.content))
            self.port.issue(write)
