"""What a scenario file may say of hardware, and of mistakes of the host's software."""

from typing import Annotated, Literal

from msgspec import Meta

from .schema_devices import DeviceEntry
from .schema_types import Closed

IommuKind = Literal["none", "native", "smmuv3", "vt-d"]
InterruptController = Literal["gicv2", "gicv3", "apic"]
MessageRoutes = Literal["none", "its", "remapping"]


class IommuUnitEntry(Closed, frozen=True):
    """What is known of the IOMMU; what is left out follows from its kind."""

    unprogrammed: Annotated[
        Literal["bypass", "abort"] | None,
        Meta(description="What happens to accesses without a programmed map."),
    ] = None
    groups: Annotated[
        tuple[tuple[str, ...], ...],
        Meta(description="Devices that it cannot tell apart, by name; each group shares a stream."),
    ] = ()
    fault_records: Annotated[
        Annotated[int, Meta(ge=1, le=524_288)] | None,
        Meta(description="Refused accesses that it has room for until they are read."),
    ] = None
    write_drain: Annotated[
        bool | None,
        Meta(description="VT-d: whether an invalidation can wait for translated writes (DWD)."),
    ] = None
    checks_translated: Annotated[
        bool | None,
        Meta(
            description="Whether it looks up requests that a device has translated itself "
            "(SMMUv3 CR0.ATSCHK)."
        ),
    ] = None


class Platform(Closed, frozen=True):
    """The hardware of the host."""

    iommu: Annotated[
        IommuKind,
        Meta(
            description="Without one, guests are unity-mapped and nothing contains DMA; `native` "
            "is that of the architecture."
        ),
    ] = "none"
    iommu_unit: Annotated[IommuUnitEntry, Meta(description="The properties of the IOMMU.")] = (
        IommuUnitEntry()
    )
    interrupt_controller: Annotated[
        InterruptController | None,
        Meta(
            description="Configurations are checked against it; if left out, it follows from "
            "them: `apic` on x86, `gicv3` on Arm."
        ),
    ] = None
    message_routes: Annotated[
        MessageRoutes,
        Meta(
            description="What leads interrupt messages to their vectors: the `its` of a GICv3 "
            "(to LPIs), VT-d `remapping` with an `apic`, or `none`: messages carry the vector."
        ),
    ] = "none"
    deactivated_by: Annotated[
        Literal["kernel", "owner"] | None,
        Meta(
            description="Who ends an interrupt at the controller: the kernel where it takes it, "
            "or the owner when it has served it."
        ),
    ] = None
    pending_table: Annotated[
        Literal["host", "guest"],
        Meta(description="With an ITS: whose memory holds the LPI pending table."),
    ] = "host"
    device: Annotated[
        tuple[DeviceEntry, ...], Meta(description="The physical devices of the run.")
    ] = ()


class FaultsEntry(Closed, frozen=True):
    """Mistakes of the host's software in this scenario."""

    memory_before_callbacks: Annotated[
        bool, Meta(description="qvm returns guest RAM and only then calls its vdevs.")
    ] = False
    no_invalidate: Annotated[
        bool, Meta(description="smmuman removes maps, but not their cached copies.")
    ] = False
    no_sync: Annotated[
        bool, Meta(description="smmuman does not wait for writes that are already translated.")
    ] = False
    no_atc_invalidate: Annotated[
        bool, Meta(description="smmuman does not invalidate the translations that devices keep.")
    ] = False
    atc_timeout_is_success: Annotated[
        bool,
        Meta(
            description="smmuman takes a device for done that does not answer an ATC invalidation."
        ),
    ] = False
    no_drain: Annotated[
        bool, Meta(description="VT-d: an invalidation does not wait for translated writes.")
    ] = False
    entry_in_halves: Annotated[
        bool, Meta(description="A stream's entry changes word by word; half of it lets all pass.")
    ] = False
    unmap_stops_early: Annotated[
        bool,
        Meta(description="smmuman stops half-way in removing several maps, and reports success."),
    ] = False
    bypass_after_unmap: Annotated[
        bool, Meta(description="A device without maps may reach all memory.")
    ] = False
    detach_before_masked: Annotated[
        bool,
        Meta(description="The kernel reports a line as detached before its mask has taken effect."),
    ] = False
    unmask_after_detach: Annotated[
        bool, Meta(description="A thread unmasks a line that its process has detached from.")
    ] = False
    reference_kept: Annotated[
        bool, Meta(description="A process keeps a reference, and qvm never returns the memory.")
    ] = False
    resurrecting_agent: Annotated[
        bool, Meta(description="A timer starts devices again that it finds stopped.")
    ] = False
    hidden_master: Annotated[
        bool, Meta(description="The interrupt controller writes tables in guest RAM.")
    ] = False
    route_kept: Annotated[
        bool, Meta(description="The route of a device's messages outlives its owner.")
    ] = False
    route_cache_kept: Annotated[
        bool, Meta(description="A removed route lives on in a cache of the hardware.")
    ] = False
    no_route_sync: Annotated[
        bool,
        Meta(
            description="The kernel does not wait until the removal of a message route has taken "
            "effect."
        ),
    ] = False
    pending_not_discarded: Annotated[
        bool, Meta(description="What is pending behind a removed message route stays pending.")
    ] = False
    list_registers_kept: Annotated[
        bool, Meta(description="A virtual CPU that goes leaves its list registers as they are.")
    ] = False
