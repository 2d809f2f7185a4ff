"""Turns the vdevs of a configuration into plans, for the types that the model implements."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ...model.base.addresses import FRAME_SIZE
from ...model.base.clock import parse_span
from ...model.base.pci_address import PciAddress
from ...model.plan.virtio_plan import (
    AnyVdevPlan,
    BlockPlan,
    ConsolePlan,
    EntropyPlan,
    NetPlan,
    SharedMemoryPlan,
    VirtioPlan,
)
from ..format.diagnostics import Diagnostics
from ..format.schema import Workload
from ..format.schema_vdevs import VdevEntry
from ..format.toml_places import KeyPath
from ..qvmconf.config import VdevConfig
from .guests import GuestEntry
from .hardware import Hardware, refuse_foreign_keys

WORKLOADS: dict[str, dict[str, str]] = {
    "virtio-blk": {
        key: key
        for key in (
            *("requests", "depth", "operation", "length", "think", "queue_size"),
            *("mount", "flush_every", "device_reset", "bus_reset", "gives_back_first"),
        )
    },
    "virtio-net": {
        "frames": "frames",
        "gap": "gap",
        "length": "frame_length",
        "requests": "sends",
        "depth": "buffers",
        "queue_size": "queue_size",
        "device_reset": "device_reset",
    },
    "virtio-console": {
        "frames": "inputs",
        "gap": "gap",
        "length": "input_length",
        "requests": "prints",
        "depth": "buffers",
        "queue_size": "queue_size",
        "device_reset": "device_reset",
    },
    "virtio-entropy": {key: key for key in ("requests", "length", "queue_size", "device_reset")},
    "shmem": {"region": "region", "length": "length"},
}
"""For each type of vdev the keys of its workload, and what the plan calls them."""

_OFFERS: dict[str, tuple[str, ...]] = {
    "virtio-blk": ("format", "msix", "reset_policy", "write_cache", "capacity"),
    "virtio-net": ("format", "msix", "reset_policy", "queue_pairs"),
    "virtio-console": ("format", "msix", "reset_policy"),
    "virtio-entropy": ("format", "msix", "reset_policy"),
    "shmem": (),
}
"""For each type the keys of its `[vdev]` table, `features` apart."""

_SMALL_QUEUE = 16
"""Descriptors of a queue of a console or an entropy vdev; QNX 7.0 utilities, devc-virtio."""

_SPANS = ("gap", "think", "bus_reset")
_SECTOR = 512
_PCI_DEVICES = 32


def plans_of(guest: GuestEntry, hardware: Hardware, diagnostics: Diagnostics) -> list[AnyVdevPlan]:
    """Return the plans of the vdevs that the model implements; note the others as left out."""
    plans: list[AnyVdevPlan] = []
    left_out = []
    slots = pci_slots(guest)
    for name, vdev in zip(guest.vdevs, guest.config.vdevs, strict=True):
        if name in hardware.served_elsewhere:
            continue
        where = _place(guest, vdev, slots.get(name, 0), diagnostics)
        plan = None if where is None else _plan(guest, vdev, name, where, hardware, diagnostics)
        if plan is not None:
            plans.append(_with_entries(guest, vdev, name, plan, diagnostics))
        elif where is None and not any(quiesce.vdev == name for quiesce in guest.entry.quiesce):
            left_out.append(name)
    if left_out:
        basis = "assumed: these vdevs neither write memory late nor do anything at termination"
        diagnostics.assume(f"{guest.name}.vdevs", f"left out: {', '.join(left_out)}", basis)
    _check_places(guest, plans, diagnostics)
    return plans


def known_vdevs(guest: GuestEntry) -> list[str]:
    """Return the names of the vdevs that the model implements."""
    pairs = zip(guest.vdevs, guest.config.vdevs, strict=True)
    return [name for name, vdev in pairs if _is_known(vdev)]


def pci_slots(guest: GuestEntry) -> dict[str, int]:
    """Return the device number on bus 0 of each vdev that is a PCI function.

    A forced place is kept free; the others take the lowest free numbers in the order of the text.
    The order is not documented; it is that of the listing in the QNX 7.1 hypervisor guide (virtio
    guest).
    """
    pairs = [
        (name, vdev)
        for name, vdev in zip(guest.vdevs, guest.config.vdevs, strict=True)
        if vdev.transport == "pci"
    ]
    forced = {name: vdev.loc.pci for name, vdev in pairs if vdev.loc and vdev.loc.pci}
    # Invariant: `taken` has the host bridge at 0, every forced number and every one given out.
    taken = {0} | {address.device for address in forced.values() if address.bus == 0}
    slots = {}
    for name, _ in pairs:
        if name in forced:
            slots[name] = forced[name].device
            continue
        number = next((n for n in range(_PCI_DEVICES) if n not in taken), 0)
        taken.add(number)
        slots[name] = number
    return slots


def _is_known(vdev: VdevConfig) -> bool:
    if vdev.type == "virtio-blk":
        return True
    if vdev.type == "virtio-net":
        return vdev.option("peer") is not None
    return vdev.type in WORKLOADS


def _place(
    guest: GuestEntry, vdev: VdevConfig, slot: int, diagnostics: Diagnostics
) -> dict[str, Any] | None:
    """Return how the guest reaches a vdev, in the words of its plan; `None` if it is left out."""
    if not _is_known(vdev) or (vdev.type == "virtio-blk" and not vdev.hostdev):
        return None
    name = f"{guest.name}.{vdev.label}"
    if vdev.option("legacy") is not None:
        diagnostics.assume(f"{name}.legacy", "1.0", "assumed: modelled as a device of VIRTIO 1.0")
    if vdev.transport == "pci":
        pci = vdev.loc.pci if vdev.loc is not None else None
        if isinstance(pci, PciAddress) and (pci.bus, pci.function) != (0, 0):
            basis = "assumed: the place among the guest's PCI functions changes no verdict"
            diagnostics.assume(f"{name}.loc", f"device {slot} of bus 0", basis)
        return {"transport": "pci", "slot": slot}
    if vdev.loc is None or vdev.loc.address is None or vdev.loc.space != "mem" or not vdev.intr:
        return None
    number = vdev.intr[0].number
    return {"transport": "mmio", "loc": vdev.loc.address, "intr": number or 0}


def _plan(
    guest: GuestEntry,
    vdev: VdevConfig,
    name: str,
    where: dict[str, Any],
    hardware: Hardware,
    diagnostics: Diagnostics,
) -> AnyVdevPlan | None:
    match vdev.type:
        case "virtio-blk":
            return _block(guest, vdev, name, where, hardware, diagnostics)
        case "virtio-net":
            peer = vdev.option("peer")
            assert peer is not None
            if name not in guest.entry.workload:
                basis = "assumed: the peer sends without end, as a network does"
                diagnostics.assume(f"{guest.name}.{name}.peer", "busy", basis)
            return NetPlan(name, peer.arguments[0] if peer.arguments else "", **where)
        case "virtio-console":
            hears = not vdev.hostdev or any(end.mode != "write" for end in vdev.hostdev)
            if hears and name not in guest.entry.workload:
                basis = "assumed: a user types, or pastes, without end"
                diagnostics.assume(f"{guest.name}.{name}.input", "busy", basis)
            return ConsolePlan(name, queue_size=_SMALL_QUEUE, has_input=hears, **where)
        case "virtio-entropy":
            return EntropyPlan(name, queue_size=_SMALL_QUEUE, **where)
    return SharedMemoryPlan(name, **where)


def _block(
    guest: GuestEntry,
    vdev: VdevConfig,
    name: str,
    where: dict[str, Any],
    hardware: Hardware,
    diagnostics: Diagnostics,
) -> BlockPlan | None:
    paths = [endpoint.path for endpoint in vdev.hostdev]
    behind = hardware.disk_behind(paths)
    if behind is None:
        diagnostics.problem_at(
            vdev.hostdev[0].place,
            f"no disk of the platform serves {paths[0]!r} of {name!r}",
            word=paths[0],
            remedy='add a [[platform.device]] of kind "ahci", "host-nvme" or "host-sdmmc"',
        )
        return None
    disk, entry = behind
    zero_copy = entry.zero_copy
    if zero_copy is None:
        zero_copy = _zero_copy(vdev, f"{guest.name}.{name}", diagnostics)
    read_only = vdev.hostdev[0].mode == "read"
    return BlockPlan(name, disk.name, zero_copy=zero_copy, read_only=read_only, **where)


def _zero_copy(vdev: VdevConfig, name: str, diagnostics: Diagnostics) -> bool:
    """Return whether direct I/O is on, which is the worse case and the default."""
    option = vdev.option("dio")
    if option is not None:
        return option.arguments[:1] != ("disable",)
    basis = "assumed: the configuration has no `dio`; with it the disk writes guest memory itself"
    diagnostics.assume(f"{name}.zero_copy", "true", basis)
    return True


def _with_entries(
    guest: GuestEntry, vdev: VdevConfig, name: str, plan: AnyVdevPlan, diagnostics: Diagnostics
) -> AnyVdevPlan:
    """Return the plan with what the scenario says of the vdev and of its workload."""
    entry = guest.entry.vdev.get(name)
    if entry is not None:
        plan = _with_offers(plan, entry, vdev.type, (*guest.path, "vdev", name), diagnostics)
    work = guest.entry.workload.get(name)
    if work is None:
        return plan
    path = (*guest.path, "workload", name)
    names = WORKLOADS[vdev.type]
    refuse_foreign_keys(work, tuple(names), f"vdev {name!r}", path, diagnostics)
    plan = msgspec.structs.replace(plan, **_changes(work, names))
    _check_workload(plan, path, diagnostics)
    return plan


def _changes(work: Workload, names: Mapping[str, str]) -> dict[str, Any]:
    found = {
        field: getattr(work, key) for key, field in names.items() if getattr(work, key) is not None
    }
    return {
        field: parse_span(value) if field in _SPANS else value for field, value in found.items()
    }


def _with_offers(
    plan: AnyVdevPlan, entry: VdevEntry, kind: str, path: KeyPath, diagnostics: Diagnostics
) -> AnyVdevPlan:
    known = _OFFERS[kind]
    changes: dict[str, Any] = {}
    for key in VdevEntry.__struct_fields__:
        value = getattr(entry, key)
        if key == "features" or value is None:
            continue
        if key in known:
            changes[key] = value
        else:
            remedy = f"it has {', '.join(known)}" if known else "remove it"
            message = f"a {kind} vdev has no {key!r}"
            diagnostics.problem((*path, key), message, word=key, remedy=remedy)
    if isinstance(plan, VirtioPlan):
        changes |= dict.fromkeys(entry.features, True)
    return msgspec.structs.replace(plan, **changes)


def _check_workload(plan: AnyVdevPlan, path: KeyPath, diagnostics: Diagnostics) -> None:
    if isinstance(plan, VirtioPlan) and plan.format == "split":
        size = plan.queue_size
        if size & (size - 1):
            message = f"a queue size of {size} is not a power of two"
            remedy = "write a power of two, or use packed virtqueues"
            diagnostics.problem((*path, "queue_size"), message, word=str(size), remedy=remedy)
    if isinstance(plan, BlockPlan) and plan.length % _SECTOR:
        message = f"{plan.length} is not a multiple of {_SECTOR}, the size of a sector"
        remedy = "write whole sectors"
        diagnostics.problem((*path, "length"), message, word=str(plan.length), remedy=remedy)
    if isinstance(plan, SharedMemoryPlan) and plan.length % FRAME_SIZE:
        message = f"{plan.length} is not a multiple of {FRAME_SIZE}, the size of a frame"
        remedy = "write whole frames"
        diagnostics.problem((*path, "length"), message, word=str(plan.length), remedy=remedy)


def _check_places(guest: GuestEntry, plans: list[AnyVdevPlan], diagnostics: Diagnostics) -> None:
    """Note direct-mapped vdevs whose registers stand on the same page."""
    seen: dict[int, str] = {}
    for plan in plans:
        if plan.transport != "mmio":
            continue
        other = seen.setdefault(plan.loc & ~(FRAME_SIZE - 1), plan.name)
        if other != plan.name:
            vdev = guest.config.vdevs[guest.vdevs.index(plan.name)]
            message = f"{plan.name!r} has its registers on the page of {other!r}"
            remedy = "give it a loc on a page of its own"
            diagnostics.problem_at(vdev.place, message, word=f"{plan.loc:#x}", remedy=remedy)
