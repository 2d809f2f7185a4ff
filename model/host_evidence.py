"""The evidence of spans that belong to processes of the host and to its end."""

from .clock import MS
from .evidence import Evidence

HOST_EVIDENCE: dict[str, Evidence] = {
    "host_shutdown": Evidence(
        "host-down",
        "from the fault or the decision to the board's reboot callout",
        "assumed",
        "the kernel's shutdown sequence on one processor; no figure published for QNX",
        tail_ns=1_000 * MS,
    ),
}
"""Taken into `timing.EVIDENCE`."""
