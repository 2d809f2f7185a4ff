"""Events of the IOMMU: maps, invalidations and fault records."""

from .event_base import TraceEvent


class IommuMapped(TraceEvent, frozen=True):
    """A stream of a device may reach memory of an epoch through the IOMMU."""

    master: str
    epoch: int
    addr: int
    host_addr: int
    length: int


class IommuUnmapped(TraceEvent, frozen=True):
    """The translations of a stream are removed from its tables; caches may still hold them."""

    master: str
    epoch: int


class IommuSynced(TraceEvent, frozen=True):
    """Invalidation is complete: no write that an old translation let through is on its way."""

    master: str
    epoch: int


class IommuReset(TraceEvent, frozen=True):
    """The IOMMU has lost all its programming, because its driver has started again.

    Attributes:
        unprogrammed: `bypass` or `abort`: what happens to accesses until it is programmed again.
    """

    unprogrammed: str


class AtcInvalidationBegun(TraceEvent, frozen=True):
    """The IOMMU sends a device an invalidation of the translations that it keeps itself (ATS)."""

    master: str
    epoch: int


class AtcInvalidationEnded(TraceEvent, frozen=True):
    """The IOMMU has the device's answer, or waits for it no longer.

    Attributes:
        outcome: `done` or `timed_out`.
    """

    master: str
    epoch: int
    outcome: str


class FaultRecordsRead(TraceEvent, frozen=True):
    """smmuman has read the IOMMU's fault records of one epoch's devices.

    Attributes:
        kept: How many went to the list of the client.
        dropped: How many found that list full (`SSF_DROPPED_FAULTS`).
        lost: Whether the IOMMU's own flag said that it had no room for further records.
    """

    epoch: int
    kept: int
    dropped: int
    lost: bool
