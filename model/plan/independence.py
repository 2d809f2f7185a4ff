"""Which devices of a planned system cannot influence each other.

The wiring graph (`wiring`) shows it.  Its *hubs* are the parts through which every device works.
Without them the graph falls into pieces, and each piece is a group.  For example, a group is a vdev
with its driver, its peer or the host driver behind it, and the disk of that driver.  Some devices
form one group although no edge joins them:

- all devices that are passed through to one VM, because they share the VM's interrupt thread;
- devices that share a line;
- all devices behind an IOMMU.

A hub serves each group with a part of its own:

- memory with the frames of a driver's buffers;
- the interrupt controller and the kernel with a line;
- qvm with a callback.

The work of a hub for one group depends on another group only by the time that callbacks take.
`joined_because` names the plans for which that is not so; their devices are one group even if the
graph falls into pieces.
"""

from collections.abc import Iterator
from itertools import combinations

import msgspec

from .faults import NO_FAULTS
from .interrupt_plan import InterruptPlan
from .system_plan import SystemPlan, VmPlan
from .termination import BY_NAME, SHUTS_DOWN
from .wiring import wiring

__all__ = ["HUB", "IndependentGroup", "IndependentGroups", "independent_groups"]

HUB = -1
"""Stands for the number of a group where a component is a hub."""

HUB_KINDS = frozenset({"guest", "qvm", "memory", "interrupts", "supervisor"})
"""Kinds of parts that serve every group."""

ALWAYS_HUBS = ("run", "bsp")
"""Components that exist even where they are no part of a plan."""


class IndependentGroup(msgspec.Struct, frozen=True):
    """Devices that can influence each other.

    Attributes:
        name: Name of the first device in it, for the reader.
        parts: Names of its parts.
    """

    name: str
    parts: tuple[str, ...]


class IndependentGroups(msgspec.Struct, frozen=True):
    """The groups of a plan.

    Attributes:
        groups: All of them, in the order of the plan.
        hubs: Names of the hubs.
        why_one: Why there is only one, or an empty string.
    """

    groups: tuple[IndependentGroup, ...]
    hubs: tuple[str, ...]
    why_one: str = ""

    def number_of(self, component: str) -> int | None:
        """Return the group of a component, `HUB` for a hub, or None for an unknown component.

        A component that is no part itself belongs to the part with whose name its name begins.
        """
        numbers = {part: at for at, group in enumerate(self.groups) for part in group.parts}
        numbers |= dict.fromkeys((*self.hubs, *ALWAYS_HUBS), HUB)
        name = component
        while name not in numbers and "." in name:
            name = name.rpartition(".")[0]
        return numbers.get(name)


def independent_groups(plan: SystemPlan) -> IndependentGroups:
    """Return the devices of a plan in groups that cannot influence each other."""
    import networkx  # noqa: PLC0415

    graph = wiring(plan)
    kinds = {name: graph.nodes[name].get("kind", "") for name in graph}
    hubs = tuple(name for name in graph if kinds[name] in HUB_KINDS)
    why_one = joined_because(plan)
    devices = graph.subgraph([name for name in graph if name not in hubs]).to_undirected()
    devices = networkx.Graph(devices)
    devices.add_edges_from(_joined(plan))
    # Invariant: a reason against independence joins all devices, even if it concerns only some.
    if why_one:
        devices.add_edges_from(zip(list(devices), list(devices)[1:], strict=False))
    order = {name: at for at, name in enumerate(graph)}
    members = [
        tuple(sorted(names, key=order.__getitem__))
        for names in networkx.connected_components(devices)
    ]
    members.sort(key=lambda names: order[names[0]])
    groups = tuple(IndependentGroup(_title(names, kinds), names) for names in members)
    return IndependentGroups(groups, hubs, why_one)


def joined_because(plan: SystemPlan) -> str:
    """Return why the hubs of a plan may carry influence from device to device; empty if not."""
    ends = [BY_NAME[end.cause] for vm in plan.vms for end in vm.ends]
    orderly = [quiesce for vm in plan.vms for quiesce in vm.quiesce]
    reasons = {
        "faults of the host concern all devices": plan.faults != NO_FAULTS,
        "smmuman starts again": plan.smmuman_crash is not None,
        "a VM starts again": any(vm.restart for vm in plan.vms),
        "a VM meets more than one end": any(len(vm.ends) > 1 for vm in plan.vms),
        "the whole host goes down": any(cause.ends_host for cause in ends),
        "a host driver stalls": any(cause.stalls_server for cause in ends),
        "the guest stops its drivers one after the other": any(
            cause.guest == SHUTS_DOWN or cause.asks_guest for cause in ends
        ),
        "messages go through a table of routes": plan.interrupts.routes != "none",
        "the interrupt controller writes memory": _writes_memory(plan, plan.interrupts),
        "memory is released after a time-out": any(
            each.on_timeout != "quarantine" for each in orderly
        ),
        "an IOMMU stands before devices that are passed through": plan.iommu
        and any(vm.passed_through for vm in plan.vms),
    }
    return next((reason for reason, is_so in reasons.items() if is_so), "")


def _writes_memory(plan: SystemPlan, interrupts: InterruptPlan) -> bool:
    return interrupts.has_lpis or plan.has_guest_table


def _joined(plan: SystemPlan) -> Iterator[tuple[str, str]]:
    """Give pairs of parts that belong together although no edge joins them."""
    for vm in plan.vms:
        driven = (*vm.passed_through, *vm.back_ends)
        yield from combinations(driven, 2)
        # Vdevs with one interrupt number overwrite each other's interrupts.
        direct = [one for one in vm.vdevs if one.transport == "mmio"]
        for first, second in combinations(direct, 2):
            if first.intr == second.intr:
                yield (f"{vm.name}.{first.name}", f"{vm.name}.{second.name}")
        yield from _behind_callbacks(vm)
    lines = [(each.intid, each.name) for each in (*plan.passable, *plan.disks)]
    for (intid, name), (other_intid, other) in combinations(lines, 2):
        if intid == other_intid:
            yield (name, other)


def _behind_callbacks(vm: VmPlan) -> Iterator[tuple[str, str]]:
    """Give each vdev that acts at termination alone, with its target."""
    known = [vdev.name for vdev in vm.vdevs]
    for callback in vm.quiesce:
        target = callback.device
        if target in known:
            target = f"{vm.name}.{target}"
        if callback.vdev not in known:
            yield (f"{vm.name}.{callback.vdev}", target)


def _title(names: tuple[str, ...], kinds: dict[str, str]) -> str:
    order = ("vdev", "hardware", "host_driver")
    found = (name for kind in order for name in names if kinds[name] == kind)
    return next(found, names[0])
