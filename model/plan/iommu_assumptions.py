"""The assumptions of a run about its IOMMU, beyond spans and open questions."""

from ..trace.events import Assumption
from .iommu_plan import iommu_of
from .system_plan import SystemPlan


def iommu_assumptions(plan: SystemPlan) -> tuple[Assumption, ...]:
    """Return what stands in the plan's IOMMU and where it comes from."""
    unit, usual = plan.iommu_unit, iommu_of(plan.iommu_unit.flavour)
    rows = [
        (
            "iommu.unprogrammed",
            unit.unprogrammed,
            unit.unprogrammed == usual.unprogrammed,
            "QNX smmuman guide: a device of which nothing is programmed has unrestricted access",
        ),
        (
            "iommu.fault-records",
            str(unit.fault_records),
            unit.fault_records == usual.fault_records,
            "assumed: what smmuman sets up is not published",
        ),
    ]
    if any(device.traits.ats for device in plan.passable):
        rows.append(
            (
                "iommu.checks-translated",
                "yes" if unit.checks_translated else "no",
                unit.checks_translated == usual.checks_translated,
                "assumed: as the unit comes out of reset; what smmuman sets up is not published",
            )
        )
    if not unit.kind.sync_drains:
        rows.append(
            (
                "iommu.write-drain",
                "yes" if unit.write_drain else "no",
                unit.write_drain == usual.write_drain,
                "assumed: the unit can drain writes (VT-d CAP_REG.DWD)",
            )
        )
    found = [
        Assumption(name, value, basis if is_usual else "given by the scenario")
        for name, value, is_usual, basis in rows
    ]
    return (*found, *_unconfined(plan))


def _unconfined(plan: SystemPlan) -> list[Assumption]:
    basis = (
        "QNX 7.0 hypervisor guide, smmuman: VT-d cannot control devices that are no PCI functions; "
        "the whole VM is unity-mapped"
    )
    return [
        Assumption(f"{device.name}.iommu", "none", basis)
        for device in plan.passable
        if not plan.is_confined(device.name)
    ]
