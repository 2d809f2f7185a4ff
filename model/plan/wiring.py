"""Which components a planned system has, and which can influence which, without building it."""

from itertools import pairwise
from typing import TYPE_CHECKING

from ..trace.events import Part
from .system_plan import DiskPlan, SystemPlan, VmPlan
from .termination import BY_NAME
from .virtio_plan import BlockPlan, ConsolePlan, NetPlan

if TYPE_CHECKING:
    import networkx

Edges = list[tuple[str, str]]


def parts_of(plan: SystemPlan) -> tuple[Part, ...]:
    """Return all components in the order of a picture: guests above, memory below."""
    parts: list[Part] = []
    for vm in plan.vms:
        parts.append(Part(f"{vm.name}.guest", "guest"))
        for vdev in vm.vdevs:
            parts.append(Part(f"{vm.name}.{vdev.name}.driver", "virtqueue"))
            parts.append(Part(f"{vm.name}.{vdev.name}", "vdev"))
        driven = (*vm.passed_through, *vm.back_ends)
        parts += [Part(f"{vm.name}.{name}.driver", "guest_driver") for name in driven]
        known = [vdev.name for vdev in vm.vdevs]
        others = dict.fromkeys(callback.vdev for callback in vm.quiesce)
        parts += [Part(f"{vm.name}.{vdev}", "vdev") for vdev in others if vdev not in known]
        parts.append(Part(vm.name, "qvm"))
    for vm in plan.vms:
        parts += [Part(f"{vm.name}.{vdev.name}.peer", "host_driver") for vdev in vm.peered]
    parts += [Part(one.name, "host_driver") for one in plan.back_ends]
    for disk in plan.disks:
        parts.append(Part(disk.server, "host_driver"))
        parts += [Part(disk.name, "hardware"), Part(f"{disk.name}.dma", "dma_engine")]
        parts += [Part(name, "hardware") for name in _cards(disk)]
    for device in plan.passable:
        parts += [Part(device.name, "hardware"), Part(f"{device.name}.dma", "dma_engine")]
    if plan.iommu:
        parts += [Part("iommu", "iommu"), Part("smmuman", "host_driver")]
    parts.append(Part("memory", "memory"))
    if _has_redistributor(plan):
        parts += [Part("gicr", "hardware"), Part("gicr.dma", "dma_engine")]
    parts.append(Part(plan.interrupts.name, "interrupts"))
    if plan.interrupts.routes != "none":
        parts.append(Part(_router(plan), "interrupts"))
    parts.append(Part("procnto", "interrupts"))
    parts += [Part(f"{vm.name}.supervisor", "supervisor") for vm in plan.vms if vm.end]
    if _goes_down(plan):
        parts.append(Part("bsp", "supervisor"))
    return tuple(parts)


def wiring(plan: SystemPlan) -> "networkx.DiGraph[str]":
    """Return a graph with an edge from each component to those that it can influence.

    Nodes carry the attribute `kind` of their `Part`.
    """
    import networkx  # noqa: PLC0415

    graph: networkx.DiGraph[str] = networkx.DiGraph()
    for part in parts_of(plan):
        graph.add_node(part.name, kind=part.kind)
    graph.add_edges_from(_hardware_edges(plan))
    for vm in plan.vms:
        graph.add_edges_from(_vm_edges(plan, vm))
    graph.add_edges_from(_shared_memory_edges(plan))
    if _goes_down(plan):
        servers = [disk.server for disk in plan.disks] + [one.name for one in plan.back_ends]
        ends = [f"{vm.name}.supervisor" for vm in plan.vms if vm.end]
        for name in (*(vm.name for vm in plan.vms), *servers, *_hardware(plan)):
            graph.add_edge("bsp", name)
        graph.add_edges_from((name, "bsp") for name in ends)
    return graph


def _cards(disk: DiskPlan) -> list[str]:
    """Return the SD controller of a disk whose DMA controller serves one."""
    return [f"{disk.name}.card"] if disk.kind == "sdmmc" else []


def _goes_down(plan: SystemPlan) -> bool:
    """Return whether anything planned ends the whole host."""
    return any(BY_NAME[end.cause].ends_host for vm in plan.vms for end in vm.ends)


def _hardware(plan: SystemPlan) -> list[str]:
    return [*(device.name for device in plan.passable), *(disk.name for disk in plan.disks)]


def _has_redistributor(plan: SystemPlan) -> bool:
    """Return whether the interrupt controller itself writes memory."""
    return plan.interrupts.has_lpis or plan.faults.hidden_master


def _router(plan: SystemPlan) -> str:
    return "its" if plan.interrupts.has_lpis else "irte"


def _along(*names: str) -> Edges:
    return list(pairwise(names))


def _hardware_edges(plan: SystemPlan) -> Edges:
    edges: Edges = []
    controller = plan.interrupts.name
    way_to_cpu: tuple[str, ...] = (controller, "procnto")
    if plan.interrupts.routes != "none":
        way_to_cpu = (_router(plan), *way_to_cpu)
        edges += _along("procnto", _router(plan))
    if _has_redistributor(plan):
        edges += _along(controller, "gicr", "gicr.dma", "memory")
    confined = {device.name: plan.is_confined(device.name) for device in plan.passable}
    confined |= {disk.name: plan.iommu for disk in plan.disks}
    for name, is_confined in confined.items():
        way_to_memory = ("iommu", "memory") if is_confined else ("memory",)
        edges += _along(name, f"{name}.dma", *way_to_memory)
        edges += _along(name, *way_to_cpu)
    if plan.iommu:
        edges += _along("smmuman", "iommu", "smmuman")
        # The IOMMU invalidates the translations that devices keep.
        keepers = [device.name for device in plan.passable if device.traits.ats]
        edges += [("iommu", name) for name in keepers if confined[name]]
    for disk in plan.disks:
        edges += _along("procnto", disk.server, disk.name)
        for card in _cards(disk):
            edges += _along(disk.name, card, disk.name) + _along(card, *way_to_cpu)
    return edges


def _shared_memory_edges(plan: SystemPlan) -> Edges:
    """Return an edge between any two vdevs whose guests attach to the same region."""
    clients = [(vm.name, one) for vm in plan.vms for one in vm.factories if one.region]
    return [
        (f"{name}.{one.name}", f"{other}.{two.name}")
        for name, one in clients
        for other, two in clients
        if one is not two and one.region == two.region
    ]


def _back_end_edges(vm: str, back_end: str) -> Edges:
    driver = f"{vm}.{back_end}.driver"
    return _along(f"{vm}.guest", driver, back_end, driver) + _along(vm, back_end, "memory")


def _vm_edges(plan: SystemPlan, vm: VmPlan) -> Edges:
    name, guest = vm.name, f"{vm.name}.guest"
    servers = {disk.name: disk.server for disk in plan.disks}
    edges = _along(name, guest) + _along(name, "memory")
    if vm.passed_through:
        edges += _along("procnto", name, "procnto")
        if plan.iommu:
            edges += _along(name, "smmuman", name)
    for plan_of_vdev in vm.vdevs:
        vdev = f"{name}.{plan_of_vdev.name}"
        driver = f"{vdev}.driver"
        edges += _along(guest, driver, vdev, driver) + _along(name, vdev, "memory")
        if isinstance(plan_of_vdev, BlockPlan):
            edges += _along(vdev, servers[plan_of_vdev.disk], vdev)
        elif isinstance(plan_of_vdev, NetPlan | ConsolePlan):
            edges += _along(vdev, f"{vdev}.peer", vdev)
    for device in vm.passed_through:
        edges += _along(guest, f"{name}.{device}.driver", device)
        edges += _along(name, f"{name}.{device}.driver")
    for back_end in vm.back_ends:
        edges += _back_end_edges(name, back_end)
    edges += _callback_edges(vm)
    if vm.end is not None:
        edges += _along(f"{name}.supervisor", name, f"{name}.supervisor")
        edges += _along(f"{name}.supervisor", guest)
    return edges


def _callback_edges(vm: VmPlan) -> Edges:
    name = vm.name
    edges: Edges = []
    for callback in vm.quiesce:
        is_hardware = callback.device in (*vm.passed_through, *vm.back_ends, "gicr")
        target = callback.device if is_hardware else f"{name}.{callback.device}"
        edges += _along(name, f"{name}.{callback.vdev}")
        if callback.vdev != callback.device:
            edges += _along(f"{name}.{callback.vdev}", target)
    return edges
