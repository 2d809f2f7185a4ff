"""The evidence of spans that belong to processes of the host and to its end."""

from ..base.clock import MS, US
from .evidence_marks import Evidence

HOST_EVIDENCE: dict[str, Evidence] = {
    "host_shutdown": Evidence(
        "host-down",
        "from the fault or the decision to the board's reboot callout",
        "assumed",
        "the kernel's shutdown sequence on one processor; no figure published for QNX",
        tail_ns=1_000 * MS,
    ),
    "sdmmc_burst": Evidence(
        "sdmmc",
        "256 bytes between an SD or eMMC controller and its card",
        "recalled",
        "arithmetic: eMMC HS200, 200 MB/s (JEDEC JESD84-B51), to SD High Speed, 25 MB/s (SD "
        "physical layer specification)",
        tail_ns=100 * US,
    ),
}
"""The evidence by key of `Timing`."""
