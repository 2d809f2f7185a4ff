"""The plans of physical devices: their names, their particular behaviour and their workload.

As every plan they are plain, resolved data.  The workload of a device stands with it, because it
decides how much traffic there is when the owner dies.
"""

import msgspec

from ..base.addresses import FRAME_SIZE
from ..base.clock import Span, exactly
from .timing import Timing
from .traits import POST, ResetPolicy, Traits

_DEFAULTS = Timing()

NVME_TRAITS = Traits(reset=ResetPolicy(data=POST))
"""What an NVMe controller does unless a scenario says otherwise.  After CC.EN=0 it posts no
completion (NVM Express 2.0, 3.1.3.5), but the data of commands under way comes until CSTS.RDY reads
0: QEMU drains its namespaces there (hw/nvme/ctrl.c, `nvme_ctrl_reset`)."""


class AhciPlan(msgspec.Struct, frozen=True, tag="ahci", tag_field="kind"):
    """An AHCI controller with one port and one disk, passed through to a guest.

    Attributes:
        name: Unique in the system.
        intid: Line or vector number.
        trigger: `level`, `edge` or `message`.
        slots: Commands that it works on at a time, 1 to 32; later ones wait unfetched.
        service: Duration of a request.
        requests: How many the guest makes; 0 for without end.
        depth: How many of them the guest keeps in flight, at most 32.
        operation: `read` or `write`.
        length: Bytes of a request, a multiple of 512.
        hangs_at: The command, from 1, that the disk never answers; 0 for none.
        hang_ends_with: What frees a port that hangs: `clo`, `comreset` or `hba-reset`.
        own_registers_at: The request, from 1, whose buffer the guest puts on the controller's own
            registers; 0 for none.
        traits: What is particular to it.
    """

    name: str
    intid: int
    trigger: str = "level"
    slots: int = 4
    service: Span = _DEFAULTS.sata_ssd_req
    requests: int = 0
    depth: int = 4
    operation: str = "read"
    length: int = 4 * FRAME_SIZE
    hangs_at: int = 0
    hang_ends_with: str = "comreset"
    own_registers_at: int = 0
    traits: Traits = Traits()

    def __post_init__(self) -> None:
        assert self.hang_ends_with in {"clo", "comreset", "hba-reset"}, self.hang_ends_with
        assert 1 <= self.slots <= 32, self.slots
        assert 1 <= self.depth <= 32, self.depth


class NvmePlan(msgspec.Struct, frozen=True, tag="nvme", tag_field="kind"):
    """An NVMe controller with one I/O queue pair.

    Attributes:
        name: Unique in the system.
        intid: Line or vector number.
        trigger: `level`, `edge` or `message`.
        service: Duration of a request.
        queue_size: Entries of the I/O queues.
        depth: Commands that it works on at a time; later ones wait unfetched.
        requests: How many the guest makes; 0 for without end.
        in_flight: How many of them the guest keeps in flight.
        operation: `read` or `write`.
        length: Bytes of a request, a multiple of 512.
        events: Time between two asynchronous events, which are unsolicited; none for no events.
        shadow_doorbells: Whether the guest sets up shadow doorbells (DBBUF).
        keeps_shadow: Whether the shadow doorbell pages survive a controller reset (openvmm 3915).
        keeps_event_requests: Whether outstanding event requests survive it (Linux CVE-2022-48790).
        hangs_at: The I/O command, from 1, that never ends; 0 for none.
        completes_on_registers: Whether the guest gives the controller's own registers as the place
            of the I/O completion queue, whose second entry then clears CC.
        traits: What is particular to it.
    """

    name: str
    intid: int
    trigger: str = "message"
    service: Span = _DEFAULTS.nvme_req
    queue_size: int = 32
    depth: int = 8
    requests: int = 0
    in_flight: int = 4
    operation: str = "read"
    length: int = 2 * FRAME_SIZE
    events: Span | None = None
    shadow_doorbells: bool = False
    keeps_shadow: bool = False
    keeps_event_requests: bool = False
    hangs_at: int = 0
    completes_on_registers: bool = False
    traits: Traits = NVME_TRAITS


class XhciPlan(msgspec.Struct, frozen=True, tag="xhci", tag_field="kind"):
    """An xHCI controller with one USB device that has one interrupt endpoint.

    Attributes:
        name: Unique in the system.
        intid: Line or vector number.
        trigger: `level`, `edge` or `message`.
        interval: Time between two reports of the USB device, which the driver requests once.
        report_length: Bytes of a report.
        ring_size: TRBs of each ring.
        prefetch: Transfers that it reads ahead and then carries out.
        port_events: Time between two port status changes, which are unsolicited; none for none.
        stops_early: Whether Stop Endpoint completes before transfers in flight are accounted for
            (crosvm bad3f03fa385).
        halts: Whether it halts at all after USBCMD.RS=0.
        traits: What is particular to it.
    """

    name: str
    intid: int
    trigger: str = "message"
    interval: Span = Span(125_000, 1_000_000)
    report_length: int = 64
    ring_size: int = 16
    prefetch: int = 2
    port_events: Span | None = None
    stops_early: bool = False
    halts: bool = True
    traits: Traits = Traits()


class Pl330Plan(msgspec.Struct, frozen=True, tag="pl330", tag_field="kind"):
    """A DMA controller of the PL330 kind, of which a guest owns one channel.

    Attributes:
        name: Unique in the system.
        intid: Line number.
        trigger: `level`; it has no messages.
        burst_length: Bytes of a burst.
        bursts: Bursts of a block, 1 to 256; at the end of each block comes an event.
        buffer_bursts: Bursts that its write buffer holds.
        pace: Time between two bursts, as the peripheral asks for them.
        killable: Whether it takes the debug command at all.
        traits: What is particular to it; `says_stopped_early` lets a channel read as stopped while
            its write buffer drains.
    """

    name: str
    intid: int
    trigger: str = "level"
    burst_length: int = 64
    bursts: int = 16
    buffer_bursts: int = 4
    pace: Span = Span(20_000, 40_000)
    killable: bool = True
    traits: Traits = Traits()


class CanPlan(msgspec.Struct, frozen=True, tag="can", tag_field="kind"):
    """A CAN controller with a receive buffer of its own: interrupts, and no DMA.

    Attributes:
        name: Unique in the system.
        intid: Line number.
        trigger: `level`; it has no messages.
        gap: Time between two frames on the bus.
        frames: How many unsolicited frames arrive in the run; 0 for without end.
        fifo_size: Frames that it holds before it loses the next one.
        frame_length: Bytes of a frame.
        traits: What is particular to it.
    """

    name: str
    intid: int
    trigger: str = "level"
    gap: Span = _DEFAULTS.can_frame_gap
    frames: int = 0
    fifo_size: int = 8
    frame_length: int = 8
    traits: Traits = Traits()


class EduPlan(msgspec.Struct, frozen=True, tag="edu", tag_field="kind"):
    """QEMU's teaching device: one transfer, a fixed time after its request.

    Attributes:
        name: Unique in the system.
        intid: Line or vector number.
        trigger: `level` or `message`.
        dma_delay: Time from the command to the transfer.
        dma_mask: Address bits that leave the device; a guest needs as many as its memory has.
        length: Bytes of a transfer, at most those of the device's own buffer.
        traits: The usual ones; nothing about it varies.
    """

    name: str
    intid: int
    trigger: str = "message"
    dma_delay: Span = exactly(100_000_000)
    dma_mask: int = (1 << 40) - 1
    length: int = 1024
    traits: Traits = Traits()

    def __post_init__(self) -> None:
        assert 0 < self.length <= FRAME_SIZE, self.length
        assert self.traits == Traits(), self.traits


class GenericPlan(msgspec.Struct, frozen=True, tag="policy", tag_field="kind"):
    """A generic device, described by its plan alone.

    Attributes:
        name: Unique in the system.
        intid: Line or vector number.
        trigger: `level`, `edge` or `message`.
        period: Time between two operations of its own accord; none if it works on request.
        service: Duration of an operation.
        lengths: Bytes of each piece of data that an operation writes; empty for none.
        reads: Bytes that it reads before.
        completion_length: Bytes of the completion entry; 0 for none.
        interrupts: Whether the end of an operation interrupts.
        depth: Operations that it works on at a time.
        jobs: How many operations the guest requests, if it works on request; 0 for without end.
        in_flight: How many of them the guest keeps in flight.
        stop: What its stop does to accepted operations: `after-current` finishes those that run,
            `after-queued` finishes all, `at-once` breaks off those that run.
        is_pcie: Whether it is a PCIe function, or a device of the SoC.
        own_registers_at: The operation, from 1, whose buffer the guest puts on the device's own
            registers, if it works on request; 0 for none.
        traits: What is particular to it.
    """

    name: str
    intid: int
    trigger: str = "level"
    period: Span | None = None
    service: Span = Span(1_000, 10_000)
    lengths: tuple[int, ...] = (512,)
    reads: int = 0
    completion_length: int = 16
    interrupts: bool = True
    depth: int = 4
    jobs: int = 0
    in_flight: int = 4
    stop: str = "after-current"
    is_pcie: bool = True
    own_registers_at: int = 0
    traits: Traits = Traits()

    def __post_init__(self) -> None:
        assert self.stop in {"after-current", "after-queued", "at-once"}, self.stop
        assert all(length > 0 for length in self.lengths), self.lengths


class UserBackEndPlan(msgspec.Struct, frozen=True):
    """A back end in another process that maps guest memory and writes it by CPU.

    Attributes:
        name: Name of the process, unique in the system.
        intid: The interrupt that qvm injects when a buffer is used.
        period: Time between two buffers that it fills unsolicited, as a network back end does; none
            if it answers requests.
        service: Duration of a request.
        length: Bytes of a buffer.
        buffers: How many the guest gives it at a time.
        on_stop: What GET_VRING_BASE does: `drain` answers when all taken requests are done; `drop`
            answers at once and drops them; `early` answers at once and goes on with them.
        on_unmap: What DMA_UNMAP does: `early` answers at once and goes on (SPDK 2074).  `drain`
            answers when the controller has stopped and holds no buffer, then gives up the memory.
        on_disconnect: What the end of its socket does: `drain`, `drop`, or `ignore`: go on as if
            nothing had happened.
        unmaps: Whether it gives up guest memory after a disconnect.
    """

    name: str
    intid: int
    period: Span | None = None
    service: Span = _DEFAULTS.sata_ssd_req
    length: int = 1024
    buffers: int = 8
    on_stop: str = "drain"
    on_unmap: str = "drain"
    on_disconnect: str = "ignore"
    unmaps: bool = False

    def __post_init__(self) -> None:
        assert self.on_stop in {"drain", "drop", "early"}, self.on_stop
        assert self.on_unmap in {"drain", "early"}, self.on_unmap
        assert self.on_disconnect in {"drain", "drop", "ignore"}, self.on_disconnect


AnyDevicePlan = AhciPlan | NvmePlan | XhciPlan | Pl330Plan | CanPlan | EduPlan | GenericPlan
"""The plan of a device that is passed through, NICs apart."""


def is_on_soc(plan: object) -> bool:
    """Return whether a device sits on the interconnect of the SoC and is no PCIe function."""
    if isinstance(plan, GenericPlan):
        return not plan.is_pcie
    return isinstance(plan, Pl330Plan | CanPlan)
