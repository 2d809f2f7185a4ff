"""Where the spans of the IOMMU, of devices' translation caches and of smmuman come from."""

from ..base.clock import MS, US
from .evidence_marks import Evidence

TRANSLATION_EVIDENCE: dict[str, Evidence] = {
    "iommu_tlbi_sync": Evidence(
        "iommu",
        "TLB invalidation with sync or drain, to completion",
        "verified",
        "2 us on VT-d, Documentation/ABI/testing/debugfs-intel-iommu; bound Xen smmu-v3.h",
        tail_ns=1 * MS,
        bound_ns=1_000 * MS,
    ),
    "iommu_entry_write": Evidence(
        "iommu-entry",
        "between two words of a stream's entry, if it is not changed as a whole",
        "assumed",
        "two stores to memory, and other work of the CPU between them",
        tail_ns=10 * US,
    ),
    "ats_translation": Evidence(
        "ats",
        "an ATS translation request, from the device to the IOMMU and back",
        "assumed",
        "a DMA read round trip (PCI Express, chapter 10: a translation request is a read request)",
        tail_ns=10 * US,
    ),
    "ats_inv": Evidence(
        "ats",
        "an ATC invalidation, request to completion",
        "verified",
        "may never complete, CVE-2024-26891; bound Xen smmu-v3.h",
        bound_ns=1_000 * MS,
    ),
    "ats_inv_late": Evidence(
        "ats",
        "by how much a device that answers late is later than others",
        "assumed",
        "longer than software waits; ATS allows a device a minute (PCI Express, chapter 10)",
    ),
    "atc_inv_timeout": Evidence(
        "ats",
        "how long an IOMMU waits for a device to answer an ATC invalidation",
        "verified",
        "Xen smmu-v3.h gives a command up after 1 s; ATS itself allows a minute",
    ),
    "smmuman_restart": Evidence(
        "smmuman-restart",
        "from the reset of the IOMMU to its clients' streams being programmed again",
        "assumed",
        "no figure published; a few messages to each client at least",
    ),
}
"""The evidence by key of `Timing`."""
