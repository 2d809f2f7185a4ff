"""The plan of an IOMMU: its kind, and the settings of the platform and its software."""

import msgspec

from .iommu_flavours import FLAVOURS, SMMUV3, Flavour

BYPASS, ABORT = "bypass", "abort"


class IommuPlan(msgspec.Struct, frozen=True):
    """The IOMMU before all bus masters that it confines.

    Attributes:
        flavour: `smmuv3` or `vt-d`.
        unprogrammed: What happens to accesses of a stream that software has not programmed:
            `bypass` lets them pass untranslated, `abort` refuses them (SMMUv3 GBPA.ABORT; VT-d
            lets them pass until translation is enabled).
        groups: Names of the devices of each group that shares one stream.
        fault_records: The greatest number of unread fault records.
        write_drain: Whether an invalidation can wait for translated writes (VT-d DWD); an SMMUv3
            always does.
        checks_translated: Whether the unit looks up the stream of requests that a device has
            translated itself (SMMUv3 CR0.ATSCHK).
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
        """The properties that follow from the flavour."""
        return FLAVOURS[self.flavour]


def iommu_of(flavour: str) -> IommuPlan:
    """Return an IOMMU with the defaults of its flavour."""
    kind = FLAVOURS[flavour]
    return IommuPlan(
        flavour, fault_records=kind.fault_records, checks_translated=kind.checks_translated
    )
