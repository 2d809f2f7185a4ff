"""What stands behind the vdevs of a VM, and what they do when it is terminated."""

import msgspec

from ..model.clock import format_ns, parse_ns, parse_span
from ..model.hardware import nic_procedure
from ..model.plan import BlockPlan, QuiescePlan, StepPlan
from ..model.qvmconf.config import VdevConfig, VmConfig
from ..model.vdev import virtio_vdev
from .findings import Findings
from .guests import GuestEntry
from .hardware import Hardware, refuse_foreign_keys
from .schema import Quiesce, Step, Workload
from .shape import one_of
from .toml_places import KeyPath

_BLOCK_KEYS = ("requests", "depth", "operation", "length", "think", "queue_size")
_SECTOR = 512

_BLOCK_PROCEDURE = ("stop-queue", "cancel", "drain", "join-worker")
"""What a virtio-blk vdev does if the scenario names no steps: nothing new, nothing waiting,
nothing running, nobody left."""

_NIC_BOUNDS = dict(nic_procedure.DOCUMENTED)


def blocks_of(guest: GuestEntry, hardware: Hardware, findings: Findings) -> tuple[BlockPlan, ...]:
    """Return the virtio-blk vdevs of a VM; other types are noted as left out."""
    blocks = []
    left_out = []
    for name, vdev in zip(guest.vdevs, guest.config.vdevs, strict=True):
        if vdev.type != "virtio-blk" or not vdev.hostdev:
            if not any(quiesce.vdev == name for quiesce in guest.entry.quiesce):
                left_out.append(name)
            continue
        block = _block(guest, vdev, name, hardware, findings)
        if block is not None:
            blocks.append(block)
    if left_out:
        basis = "assumed: these vdevs neither write memory late nor do anything at termination"
        findings.assume(f"{guest.name}.vdevs", f"left out: {', '.join(left_out)}", basis)
    return tuple(blocks)


def check_workload_names(
    guest: GuestEntry, hardware: Hardware, vm_index: int, findings: Findings
) -> None:
    """Note a workload for what the VM does not have."""
    names = _nics_of(hardware, vm_index) + _block_names(guest)
    for name in guest.entry.workload:
        if name not in names:
            remedy = "a workload belongs to a NIC of the platform or a virtio-blk vdev"
            path = (*guest.path, "workload", name)
            findings.unknown_key(path, "device", names, remedy=remedy)


def quiesce_of(
    guest: GuestEntry, hardware: Hardware, vm_index: int, findings: Findings
) -> tuple[QuiescePlan, ...]:
    """Return what the vdevs of a VM do at termination, in the order of the configuration."""
    nics = _nics_of(hardware, vm_index)
    blocks = _block_names(guest)
    plans: list[tuple[int, QuiescePlan]] = []
    for index, entry in enumerate(guest.entry.quiesce):
        path: KeyPath = (*guest.path, "quiesce", index)
        if entry.vdev not in guest.vdevs:
            remedy = f"add `vdev {entry.vdev}` to {_main_file(guest.config)}"
            findings.unknown((*path, "vdev"), "vdev", entry.vdev, guest.vdevs, remedy=remedy)
            continue
        device = entry.device or entry.vdev
        if device not in nics + blocks:
            key = "device" if entry.device else "vdev"
            remedy = f"name {one_of(nics + blocks)}" if nics + blocks else "there is no such device"
            findings.unknown((*path, key), "device", device, nics + blocks, remedy=remedy)
            continue
        steps = _steps(guest, entry, device, device in nics, path, findings)
        position = guest.vdevs.index(entry.vdev)
        plans.append((position, QuiescePlan(entry.vdev, device, steps, entry.on_timeout)))
    return tuple(plan for _, plan in sorted(plans, key=lambda item: item[0]))


def _block(
    guest: GuestEntry,
    vdev: VdevConfig,
    name: str,
    hardware: Hardware,
    findings: Findings,
) -> BlockPlan | None:
    paths = [endpoint.path for endpoint in vdev.hostdev]
    behind = hardware.disk_behind(paths)
    if behind is None:
        findings.problem_at(
            vdev.hostdev[0].place,
            f"no disk of the platform serves {paths[0]!r} of {name!r}",
            word=paths[0],
            remedy='add a [[platform.device]] of kind "ahci"',
        )
        return None
    disk, entry = behind
    zero_copy = entry.zero_copy
    if zero_copy is None:
        zero_copy = _zero_copy(vdev, f"{guest.name}.{name}", findings)
    block = BlockPlan(name, disk.name, zero_copy=zero_copy)
    work = guest.entry.workload.get(name)
    if work is None:
        return block
    return _with_requests(block, work, (*guest.path, "workload", name), findings)


def _zero_copy(vdev: VdevConfig, name: str, findings: Findings) -> bool:
    """Return whether direct I/O is on; where nothing says so, the worse case is that it is."""
    option = vdev.option("dio")
    if option is not None:
        return option.arguments[:1] != ("disable",)
    basis = "assumed: the configuration has no `dio`; with it the disk writes guest memory itself"
    findings.assume(f"{name}.zero_copy", "true", basis)
    return True


def _with_requests(
    block: BlockPlan, work: Workload, path: KeyPath, findings: Findings
) -> BlockPlan:
    refuse_foreign_keys(work, _BLOCK_KEYS, f"vdev {block.name!r}", path, findings)
    changes = {
        key: getattr(work, key)
        for key in _BLOCK_KEYS
        if key != "think" and getattr(work, key) is not None
    }
    if work.think is not None:
        changes["think"] = parse_span(work.think)
    block = msgspec.structs.replace(block, **changes)
    if block.queue_size & (block.queue_size - 1):
        message = f"a queue size of {block.queue_size} is not a power of two"
        findings.problem((*path, "queue_size"), message, word=str(block.queue_size))
    if block.length % _SECTOR:
        message = f"{block.length} is not a multiple of {_SECTOR}, the size of a sector"
        findings.problem((*path, "length"), message, word=str(block.length))
    return block


def _steps(
    guest: GuestEntry,
    entry: Quiesce,
    device: str,
    is_nic: bool,
    path: KeyPath,
    findings: Findings,
) -> tuple[StepPlan, ...]:
    """Return the steps with their bounds; without any, the documented procedure."""
    known = nic_procedure.STEPS if is_nic else virtio_vdev.STEPS
    bounds = _NIC_BOUNDS if is_nic else {"drain": _drain_bound_ns(guest, device)}
    if not entry.steps:
        names = tuple(_NIC_BOUNDS) if is_nic else _BLOCK_PROCEDURE
        basis = "assumed: the documented procedure, as the scenario names no steps"
        findings.assume(f"{entry.vdev}.{device}.steps", ", ".join(names), basis)
        return tuple(StepPlan(name, bounds.get(name, 0)) for name in names)
    steps = []
    for index, item in enumerate(entry.steps):
        step = Step(item) if isinstance(item, str) else item
        here: KeyPath = (*path, "steps", index)
        if step.name not in known:
            here = here if isinstance(item, str) else (*here, "name")
            findings.unknown(here, f"step for {device!r},", step.name, known)
            continue
        default_ns = bounds.get(step.name, 0)
        if step.bound is not None and default_ns == 0:
            message = f"step {step.name!r} waits for nothing, so it has no bound"
            findings.problem((*here, "bound"), message, word=step.bound, remedy="remove it")
        bound_ns = default_ns if step.bound is None else parse_ns(step.bound)
        steps.append(StepPlan(step.name, bound_ns))
        if step.bound is None and default_ns:
            findings.assume(
                f"{entry.vdev}.{device}.{step.name}",
                format_ns(default_ns),
                "assumed: the bound of the documented procedure",
            )
    return tuple(steps)


def _drain_bound_ns(guest: GuestEntry, device: str) -> int:
    """Return after how long qvm unblocks a message to the host driver, in nanoseconds."""
    index = guest.vdevs.index(device)
    timeout_ns = guest.config.vdev_block_timeout_ns(index)
    return VmConfig().block_timeout_ns or 0 if timeout_ns is None else timeout_ns


def _nics_of(hardware: Hardware, vm_index: int) -> list[str]:
    return [name for name, owner in hardware.nic_owner.items() if owner == vm_index]


def _block_names(guest: GuestEntry) -> list[str]:
    pairs = zip(guest.vdevs, guest.config.vdevs, strict=True)
    return [name for name, vdev in pairs if vdev.type == "virtio-blk"]


def _main_file(config: VmConfig) -> str:
    return config.files[-1] if config.files else "the configuration"
