"""What a scenario file may say of hardware, and of what software of the host gets wrong."""

from typing import Annotated, Literal

from msgspec import Meta

from .schema_types import Closed, SpanText

IommuKind = Literal["none", "smmuv3", "vt-d"]
InterruptController = Literal["gicv2", "gicv3", "apic"]

Fate = Literal["drain-and-post", "drain-and-drop", "cancel", "nothing"]


class ResetEntry(Closed, frozen=True):
    """What a reset does to each effect of the operations that are under way."""

    data: Annotated[Fate, Meta(description="Of their data.")] = "cancel"
    completion: Annotated[Fate, Meta(description="Of their status or ring entry.")] = "cancel"
    interrupt: Annotated[Fate, Meta(description="Of their interrupt.")] = "cancel"


class TraitsEntry(Closed, frozen=True):
    """The ways in which a device differs from others of its kind."""

    reset: Annotated[ResetEntry, Meta(description="Its reset policy.")] = ResetEntry()
    ignores_reset: Annotated[
        bool, Meta(description="A reset reads as done, but nothing happens.")
    ] = False
    bus_master_gate_effective: Annotated[
        bool, Meta(description="Whether clearing the bus-master bit really stops its writes.")
    ] = True
    reset_clears_gate: Annotated[
        bool, Meta(description="After a reset it writes although the bit reads as cleared.")
    ] = False
    translates_at_start: Annotated[
        bool, Meta(description="Addresses are translated when an operation starts, not at the end.")
    ] = False
    says_stopped_early: Annotated[
        bool, Meta(description="It reads as idle while writes are on their way.")
    ] = False
    keeps_side_state: Annotated[
        bool, Meta(description="Rings and descriptors read ahead survive a reset.")
    ] = False
    never_idle: Annotated[bool, Meta(description="Its idle bit never comes.")] = False
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


class NicEntry(Closed, frozen=True, tag="nic", tag_field="kind", rename={"pass_": "pass"}):
    """A network controller that a `pass` entry of a configuration hands to a guest."""

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
        Literal["level", "message"] | None,
        Meta(description="A wire or MSI; a PCI function has MSI if left out."),
    ] = None
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
    traits: Annotated[
        TraitsEntry, Meta(description="What is particular to it, where its standard leaves room.")
    ] = TraitsEntry()


class AhciEntry(Closed, frozen=True, tag="ahci", tag_field="kind"):
    """A disk controller that a host driver owns, behind virtio-blk vdevs."""

    name: Annotated[str, Meta(description="Its name in this scenario, `ahci0` for example.")]
    driver: Annotated[str, Meta(description="Name of the host driver process.")] = "devb-ahci"
    serves: Annotated[
        tuple[str, ...],
        Meta(description="The `hostdev` paths behind which it is; `*` matches anything."),
    ] = ("*",)
    interrupt: Annotated[
        Annotated[int, Meta(ge=0, le=16_777_215)] | None,
        Meta(description="Host line; one that nobody else uses if left out."),
    ] = None
    slots: Annotated[
        Annotated[int, Meta(ge=1, le=32)] | None,
        Meta(description="Commands that it works on at a time, 1 to 32."),
    ] = None
    service: Annotated[SpanText | None, Meta(description="Duration of a request.")] = None
    zero_copy: Annotated[
        bool | None,
        Meta(
            description="Whether the disk writes guest memory itself; if left out, the vdev's "
            "`dio` option says it, and without that it does."
        ),
    ] = None


class UnmodelledEntry(
    Closed, frozen=True, tag="unmodelled", tag_field="kind", rename={"pass_": "pass"}
):
    """A passed-through device that the run leaves out; the verdicts say so."""

    name: Annotated[str, Meta(description="Its name in this scenario.")]
    pass_: Annotated[str | int, Meta(description="Which `pass` entry, as for a NIC.")]
    reason: Annotated[str, Meta(description="Why it may be left out.")]


DeviceEntry = NicEntry | AhciEntry | UnmodelledEntry


class Platform(Closed, frozen=True):
    """The hardware of the host."""

    iommu: Annotated[
        IommuKind,
        Meta(description="Without one, guests are unity-mapped and nothing contains DMA."),
    ] = "none"
    interrupt_controller: Annotated[
        InterruptController | None,
        Meta(description="If given, configurations are checked against it."),
    ] = None
    device: Annotated[
        tuple[DeviceEntry, ...], Meta(description="The physical devices that take part.")
    ] = ()


class FaultsEntry(Closed, frozen=True):
    """What software of the host gets wrong in this scenario."""

    memory_before_callbacks: Annotated[
        bool, Meta(description="qvm returns guest RAM and only then calls its vdevs.")
    ] = False
    no_invalidate: Annotated[
        bool, Meta(description="Maps are removed, their cached copies are not.")
    ] = False
    no_sync: Annotated[bool, Meta(description="What was translated before is not waited for.")] = (
        False
    )
    unmap_stops_early: Annotated[
        bool, Meta(description="Removing several maps stops half-way and counts as done.")
    ] = False
    bypass_after_unmap: Annotated[
        bool, Meta(description="A device without maps may reach all memory.")
    ] = False
    detach_before_masked: Annotated[
        bool, Meta(description="A line counts as detached before its mask has taken effect.")
    ] = False
    unmask_after_detach: Annotated[
        bool, Meta(description="A thread unmasks a line that its process has detached from.")
    ] = False
    reference_kept: Annotated[
        bool, Meta(description="Something keeps a reference, and memory is never returned.")
    ] = False
    resurrecting_agent: Annotated[
        bool, Meta(description="A timer starts devices again that it finds stopped.")
    ] = False
    hidden_master: Annotated[
        bool, Meta(description="The interrupt controller writes tables in guest RAM.")
    ] = False
