"""The plan of an IOMMU: its kind, and what a platform or its software can set about it."""

import msgspec

from .iommu_flavours import FLAVOURS, SMMUV3, Flavour

BYPASS, ABORT = "bypass", "abort"


class IommuPlan(msgspec.Struct, frozen=True):
    """An IOMMU as it stands before all bus masters that it confines.

    Attributes:
        flavour: `smmuv3` or `vt-d`.
        unprogrammed: What becomes of accesses while nothing is programmed for a stream, or for any:
            `bypass` lets them pass untranslated, `abort` refuses them (SMMUv3 GBPA.ABORT; VT-d
            lets them pass until translation is enabled).
        groups: Names of devices that it cannot tell apart; each group shares one stream.
        fault_records: Refused accesses that it has room for.
        write_drain: Whether an invalidation can wait for translated writes (VT-d DWD); an SMMUv3
            always does.
        checks_translated: Whether requests that a device has translated itself are looked up
            (SMMUv3 CR0.ATSCHK).
    """

    flavour: str = SMMUV3
    unprogrammed: str = BYPASS
    groups: tuple[tuple[str, ...], ...] = ()
    fault_records: int = FLAVOURS[SMMUV3].fault_records
    write_drain: bool = True
    checks_translated: bool = FLAVOURS[SMMUV3].checks_translated

    def __post_init__(self) -> None:
        assert self.flavour in FLAVOURS, self.flavour
        assert self.unprogrammed in {BYPASS, ABORT}, self.unprogrammed
        members = [name for group in self.groups for name in group]
        assert len(members) == len(set(members)), "a device has one stream"

    @property
    def kind(self) -> Flavour:
        """What follows from the flavour."""
        return FLAVOURS[self.flavour]


def iommu_of(flavour: str) -> IommuPlan:
    """Return an IOMMU of a flavour of which nothing else is known."""
    kind = FLAVOURS[flavour]
    return IommuPlan(
        flavour, fault_records=kind.fault_records, checks_translated=kind.checks_translated
    )
