"""What a scenario file may say of each physical device.

A field that is left out takes the default of the device's plan in the model.
"""

from typing import Annotated, Literal

from msgspec import Meta

from .schema_types import Closed, SpanText

Fate = Literal["drain-and-post", "drain-and-drop", "cancel", "nothing"]


class ResetEntry(Closed, frozen=True):
    """What a reset does to each effect of the operations that are under way."""

    data: Annotated[Fate, Meta(description="What the reset does to their data.")] = "cancel"
    completion: Annotated[
        Fate, Meta(description="What the reset does to their status or ring entry.")
    ] = "cancel"
    interrupt: Annotated[Fate, Meta(description="What the reset does to their interrupt.")] = (
        "cancel"
    )


class TraitsEntry(Closed, frozen=True):
    """The ways in which a device differs from others of its kind."""

    reset: Annotated[
        ResetEntry | None,
        Meta(description="Its reset policy; if left out, that of most devices of its kind."),
    ] = None
    ignores_reset: Annotated[
        bool, Meta(description="A reset reads as done, but the device does nothing.")
    ] = False
    bus_master_gate_effective: Annotated[
        bool, Meta(description="Whether clearing the bus-master bit stops its writes.")
    ] = True
    reset_clears_gate: Annotated[
        bool, Meta(description="After a reset it writes although the bit reads as cleared.")
    ] = False
    translates_at_start: Annotated[
        bool, Meta(description="Addresses are translated when an operation starts, not at the end.")
    ] = False
    ats: Annotated[bool, Meta(description="It keeps address translations itself (ATS).")] = False
    atc_answer: Annotated[
        Literal["clears", "late", "never", "keeps"],
        Meta(
            description="What it does at an invalidation of them: clears them, does so late, never "
            "answers, or keeps them and says that they are gone."
        ),
    ] = "clears"
    says_stopped_early: Annotated[
        bool, Meta(description="It reads as idle while writes are on their way.")
    ] = False
    keeps_side_state: Annotated[
        bool, Meta(description="Rings and descriptors read ahead survive a reset.")
    ] = False
    never_idle: Annotated[bool, Meta(description="Its idle bit is never set.")] = False
    forgets_running: Annotated[
        bool, Meta(description="After a reset it reads as idle although operations go on.")
    ] = False
    keeps_interrupt: Annotated[bool, Meta(description="A pending interrupt survives a reset.")] = (
        False
    )
    keeps_input: Annotated[
        bool, Meta(description="What it received before a reset is delivered after it.")
    ] = False
    falls_back_to_line: Annotated[
        bool, Meta(description="With messages disabled it uses its line.")
    ] = True
    takes_bus_writes: Annotated[
        bool, Meta(description="Bus masters can write its registers, itself in a request included.")
    ] = False


class MatchedEntry(Closed, frozen=True, rename={"pass_": "pass"}):
    """A device that a `pass` entry of a configuration hands to a guest."""

    name: Annotated[str, Meta(description="Its name in this scenario, `eth0` for example.")]
    pass_: Annotated[
        str | int,
        Meta(
            description="Which `pass` entry: its host address, PCI function or identifiers, or "
            "the host vector; may be left out where only one is possible."
        ),
    ] = ""
    interrupt: Annotated[
        Annotated[int, Meta(ge=0, le=16_777_215)] | None,
        Meta(description="Host line or vector; needed where the configuration names none."),
    ] = None
    trigger: Annotated[
        Literal["level", "edge", "message"] | None,
        Meta(description="A wire (level or edge) or MSI; a PCI function has MSI if left out."),
    ] = None


class PassedEntry(MatchedEntry, frozen=True):
    """A passed-through device whose standard leaves room for differences."""

    traits: Annotated[
        TraitsEntry,
        Meta(description="How it differs from others of its kind, where the standard leaves room."),
    ] = TraitsEntry()


class NicEntry(PassedEntry, frozen=True, tag="nic", tag_field="kind"):
    """A network controller of the e1000 class."""

    ring_size: Annotated[
        Annotated[int, Meta(ge=8, le=4_096, multiple_of=8)] | None,
        Meta(description="Receive descriptors, a multiple of 8."),
    ] = None
    prefetch: Annotated[
        Annotated[int, Meta(ge=1, le=4_096)] | None,
        Meta(description="Descriptors that it reads ahead and then owns."),
    ] = None
    buffer_length: Annotated[
        Annotated[int, Meta(ge=64, le=16_384)] | None,
        Meta(description="Bytes of a receive buffer."),
    ] = None


class SataEntry(PassedEntry, frozen=True, tag="sata", tag_field="kind"):
    """An AHCI controller with one disk, which the guest drives itself."""

    slots: Annotated[
        Annotated[int, Meta(ge=1, le=32)] | None,
        Meta(description="Commands that it works on at a time."),
    ] = None
    service: Annotated[SpanText | None, Meta(description="Duration of a request.")] = None
    requests: Annotated[
        Annotated[int, Meta(ge=0, le=1000000)] | None,
        Meta(description="How many the guest makes; 0 for without end."),
    ] = None
    depth: Annotated[
        Annotated[int, Meta(ge=1, le=32)] | None,
        Meta(description="How many of them are in flight."),
    ] = None
    operation: Annotated[
        Literal["read", "write"] | None, Meta(description="Reads make it write memory.")
    ] = None
    length: Annotated[
        Annotated[int, Meta(ge=512, le=1048576)] | None,
        Meta(description="Bytes of a request, a multiple of 512."),
    ] = None
    hangs_at: Annotated[
        Annotated[int, Meta(ge=0, le=1000000)] | None,
        Meta(description="The command, from 1, that is never answered; 0 for none."),
    ] = None
    hang_ends_with: Annotated[
        Literal["clo", "comreset", "hba-reset"] | None,
        Meta(description="What ends the hang of a port."),
    ] = None
    own_registers_at: Annotated[
        Annotated[int, Meta(ge=0, le=1000000)] | None,
        Meta(
            description="The request, from 1, whose buffer lies on the controller's own "
            "registers; 0 for none."
        ),
    ] = None


class NvmeEntry(PassedEntry, frozen=True, tag="nvme", tag_field="kind"):
    """An NVMe controller with one I/O queue pair."""

    service: Annotated[SpanText | None, Meta(description="Duration of a request.")] = None
    queue_size: Annotated[
        Annotated[int, Meta(ge=2, le=4096)] | None, Meta(description="Entries of the I/O queues.")
    ] = None
    depth: Annotated[
        Annotated[int, Meta(ge=1, le=4096)] | None,
        Meta(description="Commands that it works on at a time."),
    ] = None
    requests: Annotated[
        Annotated[int, Meta(ge=0, le=1000000)] | None,
        Meta(description="How many the guest makes; 0 for without end."),
    ] = None
    in_flight: Annotated[
        Annotated[int, Meta(ge=1, le=4096)] | None,
        Meta(description="How many of them are in flight."),
    ] = None
    operation: Annotated[
        Literal["read", "write"] | None, Meta(description="Reads make it write memory.")
    ] = None
    length: Annotated[
        Annotated[int, Meta(ge=512, le=1048576)] | None,
        Meta(description="Bytes of a request, a multiple of 512."),
    ] = None
    events: Annotated[
        SpanText | None, Meta(description="Time between two unasked asynchronous events.")
    ] = None
    shadow_doorbells: Annotated[
        bool | None, Meta(description="The guest sets up shadow doorbells.")
    ] = None
    keeps_shadow: Annotated[
        bool | None, Meta(description="Shadow doorbell pages survive a controller reset.")
    ] = None
    keeps_event_requests: Annotated[
        bool | None, Meta(description="Outstanding event requests survive it.")
    ] = None
    hangs_at: Annotated[
        Annotated[int, Meta(ge=0, le=1000000)] | None,
        Meta(description="The I/O command, from 1, that never ends; 0 for none."),
    ] = None
    completes_on_registers: Annotated[
        bool | None,
        Meta(description="The I/O completion queue lies on the controller's own registers."),
    ] = None


class XhciEntry(PassedEntry, frozen=True, tag="xhci", tag_field="kind"):
    """An xHCI controller with one USB device that reports."""

    interval: Annotated[SpanText | None, Meta(description="Time between two reports.")] = None
    report_length: Annotated[
        Annotated[int, Meta(ge=1, le=4096)] | None, Meta(description="Bytes of a report.")
    ] = None
    ring_size: Annotated[
        Annotated[int, Meta(ge=4, le=4096)] | None, Meta(description="TRBs of each ring.")
    ] = None
    prefetch: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(description="Transfers that the controller reads ahead."),
    ] = None
    port_events: Annotated[
        SpanText | None, Meta(description="Time between two port status changes.")
    ] = None
    stops_early: Annotated[
        bool | None,
        Meta(description="The Stop Endpoint command completes before its transfers have ended."),
    ] = None
    halts: Annotated[bool | None, Meta(description="Whether it halts when its driver asks.")] = None


class Pl330Entry(PassedEntry, frozen=True, tag="pl330", tag_field="kind"):
    """A DMA controller of the PL330 kind."""

    burst_length: Annotated[
        Annotated[int, Meta(ge=1, le=4096)] | None, Meta(description="Bytes of a burst.")
    ] = None
    bursts: Annotated[
        Annotated[int, Meta(ge=1, le=256)] | None, Meta(description="Bursts of a block.")
    ] = None
    buffer_bursts: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(description="Bursts that its write buffer holds."),
    ] = None
    pace: Annotated[SpanText | None, Meta(description="Time between two bursts.")] = None
    killable: Annotated[bool | None, Meta(description="Whether it accepts the debug command.")] = (
        None
    )


class CanEntry(PassedEntry, frozen=True, tag="can", tag_field="kind"):
    """A CAN controller: interrupts, and no DMA."""

    gap: Annotated[SpanText | None, Meta(description="Time between two frames on the bus.")] = None
    frames: Annotated[
        Annotated[int, Meta(ge=0, le=1000000)] | None,
        Meta(description="How many frames arrive; 0 for without end."),
    ] = None
    fifo_size: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(description="Frames that its receive buffer holds."),
    ] = None


class EduEntry(MatchedEntry, frozen=True, tag="edu", tag_field="kind"):
    """QEMU's teaching device: one transfer, 100 ms after it was asked for."""

    dma_delay: Annotated[
        SpanText | None, Meta(description="Time from the command to the transfer.")
    ] = None
    dma_mask: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Address bits that leave the device.")
    ] = None
    length: Annotated[
        Annotated[int, Meta(ge=1, le=4096)] | None, Meta(description="Bytes of a transfer.")
    ] = None


class BackEndEntry(Closed, frozen=True, tag="back-end", tag_field="kind"):
    """A back end in a process of its own that maps guest memory, as vhost-user has it."""

    name: Annotated[str, Meta(description="Name of the process.")]
    vdev: Annotated[str, Meta(description="The vdev whose queues it serves.")]
    period: Annotated[
        SpanText | None,
        Meta(description="Time between two buffers that it fills unasked; left out: on request."),
    ] = None
    service: Annotated[SpanText | None, Meta(description="Duration of a request.")] = None
    length: Annotated[
        Annotated[int, Meta(ge=1, le=65536)] | None, Meta(description="Bytes of a buffer.")
    ] = None
    buffers: Annotated[
        Annotated[int, Meta(ge=1, le=256)] | None,
        Meta(description="How many the guest gives it at a time."),
    ] = None
    on_stop: Annotated[
        Literal["drain", "drop", "early"] | None,
        Meta(description="What GET_VRING_BASE does to the buffers that it has in hand."),
    ] = None
    on_unmap: Annotated[
        Literal["drain", "early"] | None,
        Meta(description="Whether DMA_UNMAP is answered when it has stopped, or at once."),
    ] = None
    on_disconnect: Annotated[
        Literal["drain", "drop", "ignore"] | None,
        Meta(description="What the end of its socket does to the buffers that it has in hand."),
    ] = None
    unmaps: Annotated[
        bool | None, Meta(description="Whether it gives up guest memory after a disconnect.")
    ] = None


class GenericEntry(PassedEntry, frozen=True, tag="policy", tag_field="kind"):
    """A generic device: its rules are given here, field by field."""

    period: Annotated[SpanText | None, Meta(description="Time between two unasked operations.")] = (
        None
    )
    service: Annotated[SpanText | None, Meta(description="Duration of an operation.")] = None
    lengths: Annotated[
        tuple[int, ...] | None, Meta(description="Bytes of each piece that an operation writes.")
    ] = None
    reads: Annotated[
        Annotated[int, Meta(ge=0, le=1048576)] | None,
        Meta(description="Bytes that an operation reads before it writes."),
    ] = None
    completion_length: Annotated[
        Annotated[int, Meta(ge=0, le=4096)] | None,
        Meta(description="Bytes of the completion entry; 0 for none."),
    ] = None
    interrupts: Annotated[
        bool | None, Meta(description="Whether the end of an operation interrupts.")
    ] = None
    depth: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(description="Operations that it works on at a time."),
    ] = None
    jobs: Annotated[
        Annotated[int, Meta(ge=0, le=1000000)] | None,
        Meta(description="How many the guest asks for; 0 for without end."),
    ] = None
    in_flight: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(description="How many of them are in flight."),
    ] = None
    stop: Annotated[
        Literal["after-current", "after-queued", "at-once"] | None,
        Meta(description="What its stop does to accepted operations."),
    ] = None
    is_pcie: Annotated[bool | None, Meta(description="Whether it is a PCIe function.")] = None
    own_registers_at: Annotated[
        Annotated[int, Meta(ge=0, le=1000000)] | None,
        Meta(
            description="The operation, from 1, whose buffer lies on the device's own registers, "
            "where operations are asked for; 0 for none."
        ),
    ] = None


class HostDiskEntry(Closed, frozen=True):
    """A disk controller that a host driver owns, behind virtio-blk vdevs."""

    name: Annotated[str, Meta(description="Its name in this scenario, `ahci0` for example.")]
    driver: Annotated[
        str, Meta(description="Name of the host driver process; `devb-` and the kind if left out.")
    ] = ""
    serves: Annotated[
        tuple[str, ...],
        Meta(description="The `hostdev` paths behind which it is; `*` matches anything."),
    ] = ("*",)
    interrupt: Annotated[
        Annotated[int, Meta(ge=0, le=16_777_215)] | None,
        Meta(description="Host line or vector; a free one if left out."),
    ] = None
    service: Annotated[SpanText | None, Meta(description="Duration of a request.")] = None
    zero_copy: Annotated[
        bool | None,
        Meta(
            description="Whether the disk writes guest memory itself; if left out, the vdev's "
            "`dio` option says it, and without that it does."
        ),
    ] = None


class QueueingDiskEntry(HostDiskEntry, frozen=True):
    """A host disk that works on several commands at a time."""

    slots: Annotated[
        Annotated[int, Meta(ge=1, le=32)] | None,
        Meta(description="Commands that it works on at a time, 1 to 32."),
    ] = None


class AhciEntry(QueueingDiskEntry, frozen=True, tag="ahci", tag_field="kind"):
    """An AHCI controller that `devb-ahci` owns, behind virtio-blk vdevs."""


class HostNvmeEntry(QueueingDiskEntry, frozen=True, tag="host-nvme", tag_field="kind"):
    """An NVMe controller that `devb-nvme` owns, behind virtio-blk vdevs."""


class HostSdmmcEntry(HostDiskEntry, frozen=True, tag="host-sdmmc", tag_field="kind"):
    """An SD or eMMC card whose data a PL330 moves; `devb-sdmmc` owns both, behind virtio-blk."""

    terminate: Annotated[
        Literal["sync", "async"],
        Meta(
            description="When a cancelled transfer's memory is given back: `sync` when the channel "
            "has stopped, `async` when the driver has asked it to."
        ),
    ] = "sync"


class UnmodelledEntry(
    Closed, frozen=True, tag="unmodelled", tag_field="kind", rename={"pass_": "pass"}
):
    """A passed-through device that the run leaves out; the verdicts say so."""

    name: Annotated[str, Meta(description="Its name in this scenario.")]
    pass_: Annotated[str | int, Meta(description="Its `pass` entry, as for a NIC.")]
    reason: Annotated[str, Meta(description="Why it may be left out.")]


DeviceEntry = (
    NicEntry
    | AhciEntry
    | HostNvmeEntry
    | HostSdmmcEntry
    | SataEntry
    | NvmeEntry
    | XhciEntry
    | Pl330Entry
    | CanEntry
    | EduEntry
    | GenericEntry
    | BackEndEntry
    | UnmodelledEntry
)
