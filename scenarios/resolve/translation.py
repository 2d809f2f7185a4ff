"""The IOMMU of a scenario: its kind, its properties, and which devices share a stream."""

from typing import Any

import msgspec

from ...model.plan.iommu_flavours import FLAVOURS, SMMUV3, VTD
from ...model.plan.iommu_plan import IommuPlan, iommu_of
from ..format.diagnostics import Diagnostics
from ..format.schema import Scenario
from ..format.toml_places import KeyPath
from .guests import GuestEntry, pics_of
from .hardware import Hardware

_UNIT: KeyPath = ("platform", "iommu_unit")
_PIC_OF = {SMMUV3: "gic", VTD: "apic"}
_OTHER = {SMMUV3: VTD, VTD: SMMUV3}


def iommu_plan(
    scenario: Scenario, guests: tuple[GuestEntry, ...], hardware: Hardware, diagnostics: Diagnostics
) -> IommuPlan | None:
    """Return the IOMMU of a scenario, or None; what does not fit becomes a problem."""
    flavour = _flavour(scenario, guests, diagnostics)
    if flavour is None:
        _refuse_without(scenario, diagnostics)
        return None
    unit = scenario.platform.iommu_unit
    _check_draining(scenario, flavour, diagnostics)
    given: dict[str, Any] = {
        name: getattr(unit, name)
        for name in ("unprogrammed", "fault_records", "write_drain", "checks_translated")
        if getattr(unit, name) is not None
    }
    groups = _groups(unit.groups, guests, hardware, diagnostics)
    return msgspec.structs.replace(iommu_of(flavour), groups=groups, **given)


def _flavour(
    scenario: Scenario, guests: tuple[GuestEntry, ...], diagnostics: Diagnostics
) -> str | None:
    """Return the kind of the IOMMU, which must suit the architecture of the guests."""
    kind = scenario.platform.iommu
    pics = {pic for guest in guests for pic in pics_of(guest.config)}
    if kind == "native":
        flavour = VTD if pics == {"apic"} else SMMUV3
        why = "the configurations attach interrupts to " + " and ".join(sorted(pics))
        basis = why if len(pics) == 1 else "assumed: the configurations do not tell"
        diagnostics.assume("platform.iommu", flavour, basis)
        return flavour
    if kind == "none":
        return None
    if pics == {_PIC_OF[_OTHER[kind]]}:
        diagnostics.problem(
            ("platform", "iommu"),
            f"{FLAVOURS[kind].title} does not go with interrupts at {min(pics)!r}",
            word=kind,
            remedy=f'write iommu = "{_OTHER[kind]}", or "native"',
        )
    return kind


def _refuse_without(scenario: Scenario, diagnostics: Diagnostics) -> None:
    remedy = 'write iommu = "native" under [platform], or remove it'
    if scenario.platform.iommu_unit != type(scenario.platform.iommu_unit)():
        diagnostics.problem(_UNIT, "there is no IOMMU that this could be about", remedy=remedy)
    if scenario.smmuman.crash is not None:
        message = "without an IOMMU there is no smmuman that could end"
        diagnostics.problem(("smmuman", "crash"), message, remedy=remedy)


def _check_draining(scenario: Scenario, flavour: str, diagnostics: Diagnostics) -> None:
    """Note keys about draining unless the IOMMU is VT-d, which leaves it to the software."""
    if not FLAVOURS[flavour].sync_drains:
        return
    title = FLAVOURS[flavour].title
    remedy = 'write iommu = "vt-d", or use the fault no_sync'
    if scenario.platform.iommu_unit.write_drain is False:
        message = f"an {title} always waits for translated writes when it syncs"
        diagnostics.problem((*_UNIT, "write_drain"), message, remedy=remedy)
    if scenario.faults.no_drain:
        message = f"an {title} has no way to skip the wait for translated writes"
        diagnostics.problem(("faults", "no_drain"), message, remedy=remedy)


def _groups(
    groups: tuple[tuple[str, ...], ...],
    guests: tuple[GuestEntry, ...],
    hardware: Hardware,
    diagnostics: Diagnostics,
) -> tuple[tuple[str, ...], ...]:
    """Return the groups of devices that share a stream; each device stands in one group."""
    known = [*hardware.owner, *(disk.name for disk in hardware.disks)]
    seen: set[str] = set()
    for index, group in enumerate(groups):
        path = (*_UNIT, "groups", index)
        for name in group:
            if name not in known:
                diagnostics.unknown(path, "device", name, known)
            elif name in seen:
                message = f"{name!r} stands twice in the groups"
                diagnostics.problem(path, message, word=name, remedy="a device has one stream")
            seen.add(name)
        owners = sorted({guests[hardware.owner[n]].name for n in group if n in hardware.owner})
        if len(owners) > 1:
            basis = "given by the scenario: each of these devices reaches what any of them reaches"
            diagnostics.assume(f"one stream for {' and '.join(group)}", " and ".join(owners), basis)
    members = [name for group in groups for name in group]
    return groups if len(members) == len(seen) else ()
