"""What a scenario file may say of hardware, and of what software of the host gets wrong."""

from typing import Annotated, Literal

from msgspec import Meta

from .schema_devices import DeviceEntry
from .schema_types import Closed

IommuKind = Literal["none", "smmuv3", "vt-d"]
InterruptController = Literal["gicv2", "gicv3", "apic"]


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
