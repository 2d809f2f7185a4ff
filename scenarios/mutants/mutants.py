"""The eighteen ways in which teardowns have gone wrong, as changes to designs that are right.

A mutant takes the plan of a correct design and returns it with one thing wrong.  A property kills
it in a design if some run of the changed plan violates the property.  In every run of the correct
design the property holds.  Many patterns have more than one face; each face is a case of its own.

Source:
    The patterns are drawn from published bugs of Linux, Xen, FreeBSD, QEMU, crosvm,
    cloud-hypervisor, Firecracker, ACRN, openvmm and SPDK; `Mutant.bugs` names some.
"""

from ...model.plan.system_plan import SystemPlan
from .cases import Case, Mutant
from .designs import class_of, designs
from .device_mutants import DEVICE_MUTANTS
from .host_mutants import HOST_MUTANTS

__all__ = ["BY_NAME", "MUTANTS", "Case", "Mutant", "designs", "mutated"]

MUTANTS: tuple[Mutant, ...] = tuple(
    sorted((*DEVICE_MUTANTS, *HOST_MUTANTS), key=lambda mutant: int(mutant.name[1:]))
)
"""All of them, `M1` to `M18`."""

BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


def mutated(plan: SystemPlan, name: str) -> SystemPlan | None:
    """Return a user's plan with one thing wrong, or None if it has no place for that.

    Args:
        plan: Its first VM is the one that goes wrong.
        name: Of the mutant.
    """
    vm = plan.vms[0]
    contained = "vdev" if vm.quiesce else "iommu"
    place = f"{class_of(plan)}/{contained}/"
    for case in BY_NAME[name].cases:
        if case.design.startswith(place):
            return case.change(plan)
    return None
