"""Systems that are right: one guest, one device, one way to keep memory safe, one way to end.

A design is named `CLASS/CONTAINED/EXIT`.  `vdev` means that a quiescing vdev stops the device
before qvm returns memory, and that there is no IOMMU.  `iommu` means that no software stops the
device and the IOMMU alone keeps it off memory; a class is safe so only if its devices stop by
themselves.  `shared` is `vdev` with a second guest that has such a device on the same line, and
lives on.

The designs are tight: qvm returns memory right after its last wait, and the next instance gets the
same frames and the same line.  So no design is safe merely because something is slow.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from ...model.base.clock import Span, exactly
from ...model.hardware.registry import kinds
from ...model.plan.device_plans import (
    AhciPlan,
    AnyDevicePlan,
    CanPlan,
    GenericPlan,
    NvmePlan,
    Pl330Plan,
    XhciPlan,
)
from ...model.plan.open_questions import CALLBACKS_AFTER
from ...model.plan.short_timing import TIGHT
from ...model.plan.system_plan import (
    AfterPlan,
    DiskPlan,
    EndPlan,
    NicPlan,
    QuiescePlan,
    RamPlan,
    StepPlan,
    SystemPlan,
    VmPlan,
)
from ...model.plan.virtio_plan import BlockPlan

Steps = tuple[tuple[str, int], ...]

ORDERLY = "sigterm-arm"
"""An orderly end of qvm: its guest is cut off with its drivers at work, the callbacks run."""

CRASH = "guest-crash"
"""The guest crashes with its drivers at work; qvm learns of it and the callbacks run."""

SHUTDOWN = "guest-shutdown"
"""The guest stops its own devices first."""

KILLED = "sigkill"
"""No callback runs."""

EXITS = {
    ORDERLY: "orderly: qvm receives SIGTERM, its callbacks run, the guest's drivers did not stop",
    CRASH: "crash: the guest dies with its drivers at work, and qvm ends in order",
    SHUTDOWN: "orderly: the guest stops its devices and shuts down",
    KILLED: "qvm is killed and calls nothing",
}
"""The ways to end that the designs go through."""

PINNED = {
    "guest.crash-reaches-qvm": "at-once",
    "procnto.cleanup-order": "iommu-before-memory",
    "smmuman.client-death": "deny",
    "procnto.cleanup-priority": "high",
    "procnto.pending-at-detach": "cleared",
    "qvm.vcpus-at-callbacks": "stopped",
    "guest.shutdown-handler": "stops-device",
} | {question.label: "run" for question in CALLBACKS_AFTER.values()}

_RAM = (RamPlan(0x8000_0000, 1 << 20), RamPlan(0x9000_0000, 1 << 20))
_NEIGHBOURS_RAM = (RamPlan(0xA000_0000, 1 << 20),)
_LINE = 40
_SERVICE = Span(50_000, 200_000)

Change = Callable[[SystemPlan], SystemPlan]
"""A way to make a design wrong."""


class DeviceClass(NamedTuple):
    """A class of devices as the designs have it.

    Attributes:
        summary: What it is, and whether it writes only when asked.
        device: Its plan; that of a disk stands for a vdev behind which a driver of the host works.
        steps: The procedure that quiesces it.
        at_work: An event that shows it at work.
        iommu_is_enough: Whether it stops by itself once the IOMMU refuses it and no driver asks.
        shares_line: Whether there are designs in which two guests have it on one line.
    """

    summary: str
    device: NicPlan | DiskPlan | AnyDevicePlan
    steps: Steps
    at_work: AfterPlan
    iommu_is_enough: bool = False
    shares_line: bool = False

    @property
    def name_of_device(self) -> str:
        """The name under which it is quiesced."""
        return _BLOCK if isinstance(self.device, DiskPlan) else self.device.name


_DEVICE = "dev"
_BLOCK = "block"
_TAKEN = AfterPlan("IrqTaken", count=3)
_SUBMITTED = AfterPlan("RequestSubmitted", count=6)
_BLOCK_STEPS = (("stop-queue", 0), ("join-worker", 0), ("cancel", 0), ("drain", 1_000_000_000))


def _documented(kind: str) -> Steps:
    return kinds()[kind].procedure.documented


CLASSES: dict[str, DeviceClass] = {
    "nic": DeviceClass(
        "a network controller: writes unasked",
        NicPlan("eth0", _LINE, ring_size=64, frame_length=1500, gap=Span(4_000, 12_000)),
        (
            ("disable-receive", 0),
            ("mask-interrupts", 0),
            ("disable-bus-master", 0),
            ("await-idle", 80_000_000),
            ("read-back", 0),
        ),
        AfterPlan("DmaLanded", count=4),
        iommu_is_enough=True,
    ),
    "block": DeviceClass(
        "a virtio-blk vdev before a SATA disk of the host: writes when asked, zero-copy",
        DiskPlan("ahci0", "devb-ahci", 33, service=Span(50_000, 500_000)),
        _BLOCK_STEPS,
        _SUBMITTED,
    ),
    "block-nvme": DeviceClass(
        "a virtio-blk vdev before an NVMe disk of the host: writes when asked, zero-copy",
        DiskPlan("nvme0", "devb-nvme", 33, service=Span(20_000, 200_000), kind="nvme"),
        _BLOCK_STEPS,
        _SUBMITTED,
    ),
    "ahci": DeviceClass(
        "a SATA controller of the guest's own: writes when asked",
        AhciPlan(_DEVICE, _LINE, service=_SERVICE, length=8192),
        _documented("ahci"),
        _TAKEN,
        iommu_is_enough=True,
    ),
    "nvme": DeviceClass(
        "an NVMe controller: writes when asked, and asynchronous events unasked",
        NvmePlan(_DEVICE, _LINE, trigger="level", service=_SERVICE, events=Span(40_000, 80_000)),
        (_documented("nvme")[0], *_documented("nvme")[-4:]),
        AfterPlan("IrqTaken", count=6),
        iommu_is_enough=True,
    ),
    "xhci": DeviceClass(
        "a USB controller: reports and port changes, unasked",
        XhciPlan(_DEVICE, _LINE, trigger="level", interval=Span(10_000, 40_000)),
        _documented("xhci"),
        _TAKEN,
    ),
    "pl330": DeviceClass(
        "a DMA controller of the SoC: goes round for ever",
        Pl330Plan(_DEVICE, _LINE),
        _documented("pl330"),
        AfterPlan("DmaLanded", count=12),
    ),
    "can": DeviceClass(
        "a CAN controller: interrupts unasked, no DMA",
        CanPlan(_DEVICE, _LINE),
        _documented("can"),
        _TAKEN,
        iommu_is_enough=True,
        shares_line=True,
    ),
    "accelerator": DeviceClass(
        "a generic device: writes when asked",
        GenericPlan(_DEVICE, _LINE, service=_SERVICE),
        (
            ("mask-interrupts", 0),
            ("stop", 0),
            ("await-idle", 1_000_000_000),
            ("confirm", 1_000_000),
        ),
        _TAKEN,
        iommu_is_enough=True,
    ),
    "sensor": DeviceClass(
        "a generic device: unsolicited writes",
        GenericPlan(_DEVICE, _LINE, period=Span(5_000, 15_000), service=Span(1_000, 10_000)),
        (
            ("mask-interrupts", 0),
            ("stop", 0),
            ("await-idle", 1_000_000_000),
            ("confirm", 1_000_000),
        ),
        AfterPlan("DmaLanded", count=6),
        iommu_is_enough=True,
        shares_line=True,
    ),
}
"""The classes of devices by name."""


def class_of(plan: SystemPlan) -> str:
    """Return the class of the device that the first VM of a plan works with first."""
    vm = plan.vms[0]
    if vm.nics:
        return "nic"
    if not vm.devices:
        return "block" if not plan.disks or plan.disks[0].kind == "ahci" else "block-nvme"
    device = next(one for one in plan.devices if one.name == vm.devices[0])
    if isinstance(device, GenericPlan):
        return "sensor" if device.period is not None else "accelerator"
    return next(name for name, kind in kinds().items() if kind.plan is type(device))


def designs() -> dict[str, SystemPlan]:
    """Return every correct design by name."""
    found: dict[str, SystemPlan] = {}
    for name, kind in CLASSES.items():
        for exit_ in (CRASH, ORDERLY, SHUTDOWN):
            found[f"{name}/vdev/{exit_}"] = _with_vdev(kind, exit_)
        if kind.shares_line:
            for exit_ in (CRASH, ORDERLY):
                found[f"{name}/shared/{exit_}"] = _with_neighbour(kind, exit_)
        if kind.iommu_is_enough:
            for exit_ in (CRASH, ORDERLY, SHUTDOWN, KILLED):
                found[f"{name}/iommu/{exit_}"] = _with_iommu(kind, exit_)
    return found


def _with_vdev(kind: DeviceClass, exit_: str) -> SystemPlan:
    steps = tuple(StepPlan(*step) for step in kind.steps)
    device = kind.name_of_device
    vdev = device if isinstance(kind.device, DiskPlan) else "vdev"
    quiesce = (QuiescePlan(vdev, device, steps),)
    return _system(kind, exit_, quiesce=quiesce, restart=True)


def _with_neighbour(kind: DeviceClass, exit_: str) -> SystemPlan:
    plan = _with_vdev(kind, exit_)
    (vm,), (device,) = plan.vms, plan.devices
    neighbour = replace(
        vm, name="neighbour", ram=_NEIGHBOURS_RAM, devices=("other",), quiesce=(), end=None
    )
    return replace(
        plan,
        vms=tuple(replace(one, restart=False) for one in (vm, neighbour)),
        devices=(device, replace(device, name="other")),
        pinned=plan.pinned | {"qvm.mask-tracking": "tracked"},
    )


def _with_iommu(kind: DeviceClass, exit_: str) -> SystemPlan:
    # The next owner of a device that only an IOMMU confines would let it in again.
    plan = _system(kind, exit_, quiesce=(), restart=False)
    return replace(plan, iommu=True, observe=exactly(100_000))


def _system(kind: DeviceClass, exit_: str, **vm: Any) -> SystemPlan:
    device = kind.device
    end = EndPlan(exit_, Span(0, 40_000), kind.at_work)
    plan = SystemPlan(
        "mutants",
        (VmPlan("vm", _RAM, end=end, **vm),),
        timing=TIGHT,
        pinned=PINNED,
        observe=exactly(600_000),
        horizon_ns=20_000_000,
        teardown_ns_max=5_000_000,
    )
    if isinstance(device, NicPlan):
        owner = replace(plan.vms[0], nics=(device.name,))
        return replace(plan, vms=(owner,), nics=(device,), observe=exactly(300_000))
    if isinstance(device, DiskPlan):
        block = BlockPlan(_BLOCK, device.name, requests=40, depth=4, length=8192, queue_size=16)
        return replace(plan, vms=(replace(plan.vms[0], blocks=(block,)),), disks=(device,))
    return replace(plan, vms=(replace(plan.vms[0], devices=(device.name,)),), devices=(device,))
