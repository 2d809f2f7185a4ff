"""The virtio devices of a planned VM: how each is reached, what it offers, what its guest does.

Common to all is `VirtioPlan`.  With `transport` `mmio` a vdev stands at `loc` in guest memory and
has the interrupt `intr`; with `pci` it is device `slot` of the guest's bus 0 and gets its
addresses from the guest.
"""

import msgspec

from ..base.addresses import FRAME_SIZE
from ..base.clock import Span, exactly
from .timing import Timing

RESET_POLICIES: dict[str, str] = {
    "drain-and-post": "wait for what is in flight and give it back before 0 can be read",
    "drain-and-drop": "wait for what is in flight, give nothing back",
    "cancel": "have the back end drop what it has not begun, wait for the rest, give nothing back",
    "nothing": "let 0 be read at once; what is in flight is given back whenever it is done",
}
"""What a vdev does with requests in flight when the driver resets it."""

WRITE_CACHES: dict[str, str] = {
    "write-back": "VIRTIO_BLK_F_FLUSH: a write is durable after a flush",
    "write-through": "no flush is offered: a write is durable when it completes",
    "configurable": "VIRTIO_BLK_F_CONFIG_WCE: the guest chooses, and starts with write-back",
}
"""How a virtio-blk vdev treats writes (VIRTIO 1.2, 5.2.6.2)."""


DEVICE_RESETS: dict[str, str] = {
    "after-requests": "the driver waits for its requests, resets the device and waits for 0",
    "at-once": "the driver resets the device with requests in flight, and waits for 0",
    "not-awaited": "the driver resets the device, and takes its memory back without reading 0",
}
"""How a guest's driver takes a virtio device down when the guest shuts down."""


class VirtioPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan that all virtio vdevs have in common.

    Attributes:
        transport: `mmio` (direct-mapped) or `pci`.
        loc: Direct-mapped: guest-physical address of the registers.
        intr: Direct-mapped: the guest's interrupt number.
        slot: PCI: device number on bus 0; 0 for the lowest that is free.
        msix: PCI: whether the function has MSI-X, or INTx only.
        format: `split` or `packed`.
        event_index: Whether VIRTIO_F_EVENT_IDX is offered.
        indirect: Whether VIRTIO_F_INDIRECT_DESC is offered.
        in_order: Whether VIRTIO_F_IN_ORDER is offered.
        notification_data: Whether VIRTIO_F_NOTIFICATION_DATA is offered.
        ring_reset: Whether VIRTIO_F_RING_RESET is offered.
        suspend: Whether VIRTIO_F_SUSPEND is offered (VIRTIO 1.4).
        queue_size: Descriptors of each queue; a power of two if the format is `split`.
        reset_policy: One of `RESET_POLICIES`.
        device_reset: How the guest's driver takes the vdev down; one of `DEVICE_RESETS`.
    """

    transport: str = "mmio"
    loc: int = 0x1C0D_0000
    intr: int = 41
    slot: int = 0
    msix: bool = True
    format: str = "split"
    event_index: bool = False
    indirect: bool = False
    in_order: bool = False
    notification_data: bool = False
    ring_reset: bool = False
    suspend: bool = False
    queue_size: int = 256
    reset_policy: str = "drain-and-post"
    device_reset: str = "after-requests"

    def __post_init__(self) -> None:
        assert self.transport in {"mmio", "pci"}, self.transport
        assert self.format in {"split", "packed"}, self.format
        assert self.reset_policy in RESET_POLICIES, self.reset_policy
        assert self.device_reset in DEVICE_RESETS, self.device_reset


class BlockPlan(VirtioPlan, frozen=True):
    """A virtio-blk vdev and what its guest does with it.

    Attributes:
        name: Unique in the VM.
        disk: Name of the `DiskPlan` that stands behind it.
        zero_copy: Whether the host driver's hardware writes guest memory itself, or a bounce
            buffer that the vdev copies.
        read_only: Whether VIRTIO_BLK_F_RO is offered.
        write_cache: One of `WRITE_CACHES`.
        capacity: Sectors of 512 bytes.
        mount: Whether the guest reads the identifier and a file system's tables first.
        requests: How many the guest makes after that.
        depth: How many of them it keeps in flight.
        operation: `read` or `write`.
        length: Bytes of a request, a multiple of 512.
        think: Time between a completion and the next request.
        flush_every: After how many writes the guest flushes; 0 for never.
        bus_reset: How long after its start the guest's driver takes the disk for hung, once; none
            for never.  It resets the device, takes all requests back and sets the device up again.
        gives_back_first: Whether that driver takes the requests back before it resets the device.
            The guest then uses their memory while the disk still does (virtio-win 1370, 1493).
    """

    name: str
    disk: str
    zero_copy: bool = True
    read_only: bool = False
    write_cache: str = "write-back"
    capacity: int = 1 << 21
    mount: bool = False
    requests: int = 16
    depth: int = 4
    operation: str = "read"
    length: int = 4 * FRAME_SIZE
    think: Span = exactly(0)
    flush_every: int = 0
    bus_reset: Span | None = None
    gives_back_first: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.write_cache in WRITE_CACHES, self.write_cache


class NetPlan(VirtioPlan, frozen=True):
    """A virtio-net vdev, the peer on its other side, and what its guest sends.

    Attributes:
        name: Unique in the VM.
        peer: The path under which the peer is known.
        queue_pairs: Pairs of receive and transmit queues; more than one need the control queue.
        buffers: Receive buffers that the guest keeps in each receive queue.
        buffer_length: Bytes of a receive buffer, the header included.
        frames: How many unsolicited frames the peer sends; 0 for without end.
        frame_length: Bytes of each, of those that the guest sends as well.
        gap: Between two frames of the peer.
        sends: How many frames the guest sends.
    """

    name: str
    peer: str = ""
    queue_pairs: int = 1
    buffers: int = 16
    buffer_length: int = 2048
    frames: int = 0
    frame_length: int = 1024
    gap: Span = Timing().peer_frame_gap
    sends: int = 4


class ConsolePlan(VirtioPlan, frozen=True):
    """A virtio-console vdev, the terminal behind it, and what its guest prints.

    Attributes:
        name: Unique in the VM.
        buffers: Receive buffers of the guest.
        buffer_length: Bytes of each.
        inputs: How many unsolicited pieces of input come; 0 for without end.
        input_length: Bytes of each piece, and of each that the guest prints.
        gap: Between two pieces of input.
        prints: How many pieces the guest prints.
        has_input: Whether the other side can send input at all; a log file cannot.
    """

    name: str
    buffers: int = 8
    buffer_length: int = 64
    inputs: int = 0
    input_length: int = 16
    gap: Span = Timing().console_input_gap
    prints: int = 2
    has_input: bool = True


class EntropyPlan(VirtioPlan, frozen=True):
    """A virtio-entropy vdev and how much its guest asks of it.

    Attributes:
        name: Unique in the VM.
        requests: How many the guest makes, one after the other.
        length: Bytes of each.
    """

    name: str
    requests: int = 4
    length: int = 64


class SharedMemoryPlan(msgspec.Struct, frozen=True):
    """The factory of guest shared memory, and the region that the guest attaches to.

    Attributes:
        name: Unique in the VM.
        transport: `mmio` or `pci`; `loc`, `intr` and `slot` as in `VirtioPlan`.
        region: Name of the shared memory that the guest asks for; empty if it asks for none.
        length: Bytes of it, whole frames, the control page not counted.
    """

    name: str
    transport: str = "pci"
    loc: int = 0x1C05_0000
    intr: int = 42
    slot: int = 0
    region: str = ""
    length: int = FRAME_SIZE


AnyVdevPlan = BlockPlan | NetPlan | ConsolePlan | EntropyPlan | SharedMemoryPlan
"""The plan of any vdev whose queues and registers the model has."""
