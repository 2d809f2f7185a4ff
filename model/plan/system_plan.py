"""The plan of a system and of a run of it: plain, resolved data.

A plan is what remains of a scenario and its configurations when every name is resolved and
every unit is gone.  quiesce can write it to a replay file and read it back equal.  To build it
takes nothing but a `Choices` object.
"""

import msgspec

from ..base.addresses import FRAME_SIZE
from ..base.clock import Span, exactly
from .device_plans import AnyDevicePlan, UserBackEndPlan, is_on_soc
from .faults import Faults
from .interrupt_plan import InterruptPlan
from .iommu_plan import IommuPlan
from .timing import Timing
from .traits import Traits
from .virtio_plan import AnyVdevPlan, BlockPlan, ConsolePlan, EntropyPlan, NetPlan, SharedMemoryPlan


class RamPlan(msgspec.Struct, frozen=True):
    """A range of guest memory, in bytes; both ends lie on frame boundaries."""

    start: int
    length: int

    def __post_init__(self) -> None:
        assert self.length > 0
        assert self.start % FRAME_SIZE == self.length % FRAME_SIZE == 0, (self.start, self.length)


class NicPlan(msgspec.Struct, frozen=True):
    """A physical network controller of the e1000 class, passed through to a guest.

    Attributes:
        name: Unique in the system.
        intid: Line or vector number.
        trigger: `level` or `edge` (a wire), or `message` (MSI).
        ring_size: Receive descriptors, a multiple of 8.
        prefetch: Descriptors that it reads ahead and then owns.
        buffer_length: Bytes of a receive buffer.
        frames: How many unsolicited frames arrive in the run; 0 for without end.
        frame_length: Bytes of each frame.
        gap: Between two frames.
        traits: What is particular to it.
    """

    name: str
    intid: int
    trigger: str = "level"
    ring_size: int = 32
    prefetch: int = 4
    buffer_length: int = 2048
    frames: int = 0
    frame_length: int = 1024
    gap: Span = Timing().nic_rx_gap_1g
    traits: Traits = Traits()


DISK_KINDS: dict[str, str] = {"ahci": "sata_ssd_req", "nvme": "nvme_req", "sdmmc": "emmc_req"}
"""The kinds of disk controllers that a host driver can own, with the usual span of a request."""


class DiskPlan(msgspec.Struct, frozen=True):
    """A disk controller with one disk, and the host driver that owns both.

    Attributes:
        name: Name of the hardware, `ahci0`.
        server: Name of the host driver, `devb-ahci`.
        intid: Line or vector number.
        slots: Commands the controller works on at a time, 1 to 32; `sdmmc` has one.
        service: Duration of a request; for `sdmmc` without the transfer.
        kind: One of `DISK_KINDS`.
        terminate: When `sdmmc` has cancelled a transfer that it has begun: `sync`, when the channel
            has stopped; `async`, when the stop has been issued.
    """

    name: str
    server: str
    intid: int
    slots: int = 4
    service: Span = Timing().sata_ssd_req
    kind: str = "ahci"
    terminate: str = "sync"

    def __post_init__(self) -> None:
        assert self.kind in DISK_KINDS, self.kind
        assert self.terminate in {"sync", "async"}, self.terminate
        assert self.kind != "sdmmc" or self.slots == 1, self.slots
        assert 1 <= self.slots <= 32, self.slots


class StepPlan(msgspec.Struct, frozen=True):
    """One step of a quiesce procedure.

    Attributes:
        name: The step; each device says which steps it knows.
        bound_ns: After how long a wait gives up; 0 for a step that does not wait.
    """

    name: str
    bound_ns: int = 0


class QuiescePlan(msgspec.Struct, frozen=True):
    """What a vdev does about one device in its TERMINATE callback.

    Attributes:
        vdev: Name of the vdev; may be the device's own.
        device: Name of the physical device or vdev that the callback quiesces.
        steps: In order.
        on_timeout: `quarantine` the memory or `release` it all the same.
    """

    vdev: str
    device: str
    steps: tuple[StepPlan, ...]
    on_timeout: str = "quarantine"


class AfterPlan(msgspec.Struct, frozen=True):
    """The instant of an event in the run.

    Attributes:
        event: Name of the event type.
        source: Component that emits it, or empty for any.
        count: Which one, from 1.
        milestone: Which milestone, if the event is `MilestoneReached`; empty for any.
    """

    event: str
    source: str = ""
    count: int = 1
    milestone: str = ""


class EndPlan(msgspec.Struct, frozen=True):
    """How and when a VM ends.

    Attributes:
        cause: Name of a termination cause.
        after: From which event on; none means the start of the run.
        delay: How long after that.
    """

    cause: str
    delay: Span
    after: AfterPlan | None = None


class CrashPlan(msgspec.Struct, frozen=True):
    """When a process of the host ends and is started again.

    Attributes:
        delay: How long after the event.
        after: The event; none means the start of the run.
    """

    delay: Span
    after: AfterPlan | None = None


class ShutdownPlan(msgspec.Struct, frozen=True):
    """What the guest's driver of a device does about it when the guest shuts down in order.

    Attributes:
        device: Name of the device or vdev.
        stops: Whether the driver stops the device; else it leaves the device on.
    """

    device: str
    stops: bool


class VmPlan(msgspec.Struct, frozen=True):
    """A VM, its guest and its end.

    Attributes:
        name: Name of the VM.
        ram: Guest memory.
        nics: Names of the passed-through NICs.
        devices: Names of the other passed-through devices.
        back_ends: Names of the back ends of their own that have its memory mapped.
        blocks: Its virtio-blk vdevs.
        nets: Its virtio-net vdevs.
        consoles: Its virtio-console vdevs.
        entropies: Its virtio-entropy vdevs.
        factories: Its factories of shared memory.
        bus_scan_limit: The highest PCI bus number that the guest's PCI server tries.
        block_timeout_ns: After how long a message to a stalled host server is given up; 0 for
            never, none for as long as `Timing.message_block_timeout` says.
        quiesce: What its vdevs do at termination, in the order of the configuration.
        shutdown_handlers: What is known of the guest's drivers; a run asks for the others.
        end: How it ends; none means that it outlives the run.
        then: Further causes of its end, such as a kill while it shuts down.
        restart: Whether a supervisor starts it again on the same frames and vectors.
    """

    name: str
    ram: tuple[RamPlan, ...]
    nics: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    back_ends: tuple[str, ...] = ()
    blocks: tuple[BlockPlan, ...] = ()
    nets: tuple[NetPlan, ...] = ()
    consoles: tuple[ConsolePlan, ...] = ()
    entropies: tuple[EntropyPlan, ...] = ()
    factories: tuple[SharedMemoryPlan, ...] = ()
    bus_scan_limit: int = 0
    block_timeout_ns: int | None = None
    quiesce: tuple[QuiescePlan, ...] = ()
    shutdown_handlers: tuple[ShutdownPlan, ...] = ()
    end: EndPlan | None = None
    then: tuple[EndPlan, ...] = ()
    restart: bool = False

    @property
    def peered(self) -> tuple[NetPlan | ConsolePlan, ...]:
        """The vdevs that have a process of the host on their other side."""
        return (*self.nets, *self.consoles)

    @property
    def vdevs(self) -> tuple[AnyVdevPlan, ...]:
        """All its vdevs, by type."""
        return (*self.blocks, *self.nets, *self.consoles, *self.entropies, *self.factories)

    @property
    def passed_through(self) -> tuple[str, ...]:
        """The names of all devices that are passed through to it."""
        return self.nics + self.devices

    @property
    def driven(self) -> tuple[str, ...]:
        """The names of all devices, vdevs and back ends for which its guest has drivers."""
        return (*(vdev.name for vdev in self.vdevs), *self.passed_through, *self.back_ends)

    @property
    def ends(self) -> tuple[EndPlan, ...]:
        """All planned causes of its end, the first one first."""
        return () if self.end is None else (self.end, *self.then)


class SystemPlan(msgspec.Struct, frozen=True):
    """A whole system and one run of it, but for the choices.

    Attributes:
        name: Name of the scenario.
        description: One sentence.
        vms: At least one.
        nics: All NICs.
        devices: All other passed-through devices.
        disks: All disks with their host drivers.
        back_ends: All back ends in processes of their own that map guest memory.
        iommu: Whether there is one; without it guests are unity-mapped.
        iommu_unit: The IOMMU, if there is one.
        smmuman_crash: When smmuman ends and starts again; none means that it does not.
        interrupts: The interrupt controller.
        detail: Which events the trace has; see `trace.Header`.
        timing: Spans.
        pinned: Answers to open questions that this scenario fixes, by label.
        faults: What goes wrong by design.
        observe: How long the outside goes on after the last planned end or restart; then what is
            under way runs to its end.
        quiet_ns_max: How long that may take.
        horizon_ns: Latest instant at which the outside ends, even without a planned end.
        teardown_ns_max: How long a teardown may take.
        irq_after_teardown_max: See `trace.Header`.
        virtio_reset_ns_max: See `trace.Header`.
    """

    name: str
    vms: tuple[VmPlan, ...]
    description: str = ""
    nics: tuple[NicPlan, ...] = ()
    devices: tuple[AnyDevicePlan, ...] = ()
    disks: tuple[DiskPlan, ...] = ()
    back_ends: tuple[UserBackEndPlan, ...] = ()
    iommu: bool = False
    iommu_unit: IommuPlan = IommuPlan()
    smmuman_crash: CrashPlan | None = None
    interrupts: InterruptPlan = InterruptPlan()
    detail: str = "teardown"
    timing: Timing = Timing()
    pinned: dict[str, str] = {}
    faults: Faults = Faults()
    observe: Span = exactly(1_000_000)
    quiet_ns_max: int = 60_000_000_000
    horizon_ns: int = 60_000_000_000
    teardown_ns_max: int = 10_000_000_000
    irq_after_teardown_max: int = 1
    virtio_reset_ns_max: int = 1_000_000_000

    @property
    def has_guest_table(self) -> bool:
        """Whether the interrupt controller keeps a table in guest RAM."""
        return self.faults.hidden_master or self.interrupts.pending_table == "guest"

    @property
    def passable(self) -> "tuple[NicPlan | AnyDevicePlan, ...]":
        """All devices that can be passed through, NICs first."""
        return self.nics + self.devices

    def is_confined(self, device: str) -> bool:
        """Return whether an IOMMU stands before a device that can be passed through."""
        if not self.iommu or self.iommu_unit.kind.confines_soc:
            return self.iommu
        return not any(is_on_soc(plan) for plan in self.devices if plan.name == device)

    def has_unity_map(self, vm: VmPlan) -> bool:
        """Return whether guest addresses of a VM equal host addresses, for lack of translation."""
        return not all(self.is_confined(device) for device in vm.passed_through)
