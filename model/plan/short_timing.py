"""Timing tables for small runs, with short spans for slow delays that decide nothing.

Some documented spans make a run long and change no order of events: a boot, a link that comes up, a
controller that gets ready.  `SHORT` shortens those alone; spans of delays that race stay as
documented.  `TIGHT` also returns memory right after the last wait and lets posted writes take up
to their tail.  So a slow teardown hides no mistake.
"""

from msgspec.structs import replace

from ..base.clock import Span, exactly
from .timing import EVIDENCE, Timing

SHORT = Timing(
    process_exit_base=Span(0, 100_000),
    process_exit_per_mib=Span(100, 20_000),
    release_skew=Span(0, 20_000),
    guest_boot=Span(20_000, 60_000),
    guest_shutdown=Span(50_000, 200_000),
    restart=Span(50_000, 100_000),
    second_signal=Span(200_000, 400_000),
    watchdog_period=Span(100_000, 300_000),
    guest_dump=Span(50_000, 200_000),
    message_block_timeout=exactly(500_000),
    cleanup_at_low_priority=Span(10_000, 200_000),
    nvme_rdy_clear=Span(20_000, 100_000),
    nvme_rdy_set=Span(20_000, 100_000),
    nvme_shutdown=Span(20_000, 200_000),
    xhci_halt=Span(10_000, 100_000),
    xhci_reset=Span(10_000, 100_000),
    ahci_link_up=Span(10_000, 100_000),
    ahci_hba_reset=Span(10_000, 100_000),
)
"""Spans that are short where the documented ones would only make a run longer."""

TIGHT = replace(
    SHORT,
    pcie_posted_write=Span(100, EVIDENCE["pcie_posted_write"].tail_ns),
    process_exit_base=Span(0, 500),
    process_exit_per_mib=Span(100, 2_000),
    release_skew=exactly(0),
    gic_disable_rwp=Span(50, 500),
    iommu_tlbi_sync=Span(100, 500),
    ctx_switch=Span(100, 1_000),
    thread_join=Span(500, 2_000),
    guest_shutdown=Span(100_000, 300_000),
    flr=Span(10_000, 100_000),
)
"""As `SHORT`; memory returns as soon as the last wait has ended."""
