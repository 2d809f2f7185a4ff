"""The two kinds of IOMMU, and what follows from the kind.

| | SMMUv3 | VT-d |
|---|---|---|
| commands | command queue, CMD_SYNC | invalidation queue, wait descriptor |
| translated writes | CMD_SYNC waits until they are seen | only if the invalidation asks (DW) |
| refused accesses | event queue in memory | a few fault recording registers |
| when that is full | the next event that fits is recorded | nothing until PFO is cleared |
| translated requests | entry looked up if CR0.ATSCHK is set | context entry is looked up |
| devices of the SoC | confined | not confined |

Sources:

- Arm SMMUv3 (IHI 0070), 3.21 and 4.7, event queue;
- Intel VT-d, invalidation queue, draining (DRD, DWD) and primary fault logging;
- for what draining means, the Intel 4 Series datasheet, IOTLB register;
- for devices of the SoC, the QNX 7.0 hypervisor guide (smmuman): VT-d cannot control DMA of
  memory-mapped devices.
"""

import msgspec

SMMUV3 = "smmuv3"
VTD = "vt-d"


class Flavour(msgspec.Struct, frozen=True):
    """A kind of IOMMU.

    Attributes:
        name: `smmuv3` or `vt-d`.
        title: The name for people.
        fault_records: The greatest number of unread fault records, if nothing else is known.
        overflow_stops: Whether it records nothing while its overflow flag is set.
        sync_drains: Whether the wait for an invalidation also waits for translated writes.
        checks_translated: Whether it looks up the stream of a request that the device has
            translated itself, if nothing else is known.
        confines_soc: Whether it stands before devices that are no PCIe functions.
    """

    name: str
    title: str
    fault_records: int
    overflow_stops: bool
    sync_drains: bool
    checks_translated: bool
    confines_soc: bool


FLAVOURS: dict[str, Flavour] = {
    # 128 events of 32 bytes fill a page; ATSCHK is clear after reset.  Both are assumptions about
    # what smmuman programs, which is not published.
    SMMUV3: Flavour(SMMUV3, "SMMUv3", 128, False, True, False, True),
    # Eight recording registers are common in servers and one in small units: assumed.
    VTD: Flavour(VTD, "VT-d", 8, True, False, True, False),
}
"""Every kind by name."""
