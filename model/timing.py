"""How long things take: a span for each kind of delay, with the evidence behind it.

`Timing` has one field for each kind; a scenario overrides what it knows better.  `EVIDENCE` says
for each default where it comes from.  Its grade tells how far to trust it: `verified` (the source
was read), `recalled` (known from the source, not re-read) or `assumed` (derived or chosen here).
Several of these quantities have never been published for QNX; their spans are wide on purpose.
"""

import msgspec

from .clock import MS, US, Span


class Timing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The span of every kind of delay in the model, in nanoseconds."""

    pcie_posted_write: Span = Span(100, 1_000)
    pcie_dma_read_rtt: Span = Span(500, 2_000)
    memory_write_drain: Span = Span(50, 1_000)
    mmio_read_flush: Span = Span(300, 2_000)
    gic_to_cpu: Span = Span(100, 1_000)
    irq_to_host_handler: Span = Span(500, 10_000)
    irq_to_guest: Span = Span(1_000, 20_000)
    guest_irq_service: Span = Span(1_000, 20_000)
    gic_disable_rwp: Span = Span(50, 2_000)
    iommu_tlbi_sync: Span = Span(1_000, 10_000)
    vm_exit: Span = Span(200, 3_000)
    exit_to_vmm_process: Span = Span(1_000, 20_000)
    ctx_switch: Span = Span(1_000, 10_000)
    signal_delivery: Span = Span(2_000, 20_000)
    thread_join: Span = Span(5_000, 200_000)
    process_exit_base: Span = Span(50 * US, 2 * MS)
    process_exit_per_mib: Span = Span(20 * US, 100 * US)
    guest_boot: Span = Span(1 * MS, 20 * MS)
    guest_shutdown: Span = Span(1 * MS, 20 * MS)
    second_signal: Span = Span(100 * MS, 200 * MS)
    restart: Span = Span(1 * MS, 5 * MS)
    sata_ssd_req: Span = Span(50 * US, 500 * US)
    sata_hdd_req: Span = Span(2 * MS, 20 * MS)
    nvme_req: Span = Span(10 * US, 200 * US)
    emmc_req: Span = Span(100 * US, 2 * MS)
    nic_rx_gap_1g: Span = Span(672, 12_304)
    nic_rx_gap_10g: Span = Span(67, 1_230)
    nic_stop_to_idle: Span = Span(0, 13_304)
    nic_settle: Span = Span(10 * MS, 11 * MS)
    ahci_engine_stop: Span = Span(1_000, 10_000)
    peer_frame_gap: Span = Span(50 * US, 500 * US)
    console_input_gap: Span = Span(200 * US, 5 * MS)
    entropy_req: Span = Span(2_000, 200_000)
    virtio_reset_poll: Span = Span(1 * MS, 2 * MS)


class Evidence(msgspec.Struct, frozen=True):
    """Where a default span comes from.

    Attributes:
        meaning: What is measured, from which instant to which.
        grade: `verified`, `recalled` or `assumed`.
        source: The document, paper or measurement, and how the span follows from it.
        tail_ns: A rare value beyond the span, worth injecting; 0 if none is known.
        bound_ns: After how long software gives up waiting; 0 if it never does.
    """

    meaning: str
    grade: str
    source: str
    tail_ns: int = 0
    bound_ns: int = 0


_A53 = "Cortex-A53, PREEMPT_RT: TI AM64X/AM62X RT Linux Performance Guide"
_PCIE_BENCH = "pcie-bench, SIGCOMM 2018, doi 10.1145/3230543.3230560"

EVIDENCE: dict[str, Evidence] = {
    "pcie_posted_write": Evidence(
        "a posted write from the device to the root complex",
        "assumed",
        f"about half a read round trip; {_PCIE_BENCH}",
        tail_ns=10 * US,
    ),
    "pcie_dma_read_rtt": Evidence(
        "a DMA read of 64 bytes, request to data",
        "recalled",
        _PCIE_BENCH,
        tail_ns=6 * MS,
        bound_ns=50 * MS,
    ),
    "memory_write_drain": Evidence(
        "a translated write from the root complex or interconnect into memory",
        "assumed",
        "as the write-buffer drain of an SoC DMA controller",
        tail_ns=10 * US,
    ),
    "mmio_read_flush": Evidence(
        "a register read by the CPU, which pushes earlier posted writes ahead",
        "assumed",
        f"a read round trip; {_PCIE_BENCH}",
        tail_ns=10 * US,
        bound_ns=50 * MS,
    ),
    "gic_to_cpu": Evidence(
        "a pending interrupt from the distributor to the CPU",
        "recalled",
        "native latency on a Cortex-A53 with GIC-400; arXiv 2303.11186",
        tail_ns=5 * US,
    ),
    "irq_to_host_handler": Evidence(
        "from the CPU taking the interrupt to the handling thread of the owner",
        "verified",
        f"{_A53}, minimum and average less the thread wake-up",
        tail_ns=70 * US,
    ),
    "irq_to_guest": Evidence(
        "from qvm's injection to the guest's handler",
        "recalled",
        f"arXiv 2303.11186; {_A53}",
        tail_ns=100 * US,
    ),
    "guest_irq_service": Evidence(
        "from the guest's handler to its end of interrupt",
        "assumed",
        "a driver's handler, of the order of the interrupt latency itself",
        tail_ns=100 * US,
    ),
    "gic_disable_rwp": Evidence(
        "from writing ICENABLER to RWP reading 0",
        "assumed",
        "no figure published; the bound is Xen's, gic-v3.c",
        tail_ns=100 * US,
        bound_ns=1_000 * MS,
    ),
    "iommu_tlbi_sync": Evidence(
        "TLB invalidation with sync or drain, to completion",
        "verified",
        "2 us on VT-d, Documentation/ABI/testing/debugfs-intel-iommu; bound Xen smmu-v3.h",
        tail_ns=1 * MS,
        bound_ns=1_000 * MS,
    ),
    "vm_exit": Evidence(
        "from the guest's instruction to the hypervisor",
        "verified",
        "1,344 to 1,376 cycles on AMD SVM, lkml December 2020; 3 to 10 us round trip on QNX",
        tail_ns=10 * US,
    ),
    "exit_to_vmm_process": Evidence(
        "from the hypervisor to a thread of the qvm process",
        "verified",
        "2,528 cycles for a full KVM run call, lkml December 2020, plus scheduling",
        tail_ns=100 * US,
    ),
    "ctx_switch": Evidence(
        "a context switch between processes, or a message to another process",
        "verified",
        f"5.5 us, lmbench; {_A53}",
        tail_ns=70 * US,
    ),
    "signal_delivery": Evidence(
        "from sending a signal to its effect in the process",
        "verified",
        f"5.9 us, lmbench; {_A53}",
        tail_ns=100 * US,
    ),
    "thread_join": Evidence(
        "from cancelling a vdev's worker thread to its join",
        "assumed",
        "the worker sees the request at its next wait",
    ),
    "process_exit_base": Evidence(
        "clean-up of a dead process apart from its memory",
        "verified",
        "61 us on x86, about 1 ms on a Cortex-A53 (lmbench fork+exit); none published for QNX",
        tail_ns=20 * MS,
    ),
    "process_exit_per_mib": Evidence(
        "unmapping and returning 1 MiB of 4 KiB pages",
        "verified",
        "70 us per MiB measured on x86 Linux 6.18; none published for QNX",
    ),
    "guest_boot": Evidence(
        "from the guest's first instruction to its drivers' first register access",
        "assumed",
        "a small guest image; until then a stale device still works for the former owner",
        tail_ns=1_000 * MS,
    ),
    "guest_shutdown": Evidence(
        "from the guest's decision to shut down to its last instruction",
        "assumed",
        "drivers of a small guest stop within milliseconds",
        tail_ns=1_000 * MS,
    ),
    "second_signal": Evidence(
        "from the first SIGTERM to the second, unconditional one",
        "assumed",
        "the supervisor's choice; the QNX hypervisor guide (guest_stop) names no time",
    ),
    "restart": Evidence(
        "from the exit status of qvm to the next qvm process assembling its VM",
        "assumed",
        f"fork, exec and exit take 1.3 ms (lmbench, {_A53}); assembly time is not published",
    ),
    "sata_ssd_req": Evidence(
        "a request of a SATA SSD", "verified", "AnandTech 13704", 10 * MS, 30_000 * MS
    ),
    "sata_hdd_req": Evidence(
        "a request of a hard disk", "recalled", "seek and rotation", 500 * MS, 30_000 * MS
    ),
    "nvme_req": Evidence(
        "a request of an NVMe disk", "verified", "AnandTech 13704", 5 * MS, 60_000 * MS
    ),
    "emmc_req": Evidence(
        "a request of an eMMC", "assumed", "between SSD and disk", 100 * MS, 10_000 * MS
    ),
    "nic_rx_gap_1g": Evidence(
        "between two Ethernet frames at 1 Gbit/s", "assumed", "84 to 1,538 bytes on the wire"
    ),
    "nic_rx_gap_10g": Evidence(
        "between two Ethernet frames at 10 Gbit/s", "assumed", "84 to 1,538 bytes on the wire"
    ),
    "nic_stop_to_idle": Evidence(
        "from GIO_MASTER_DISABLE to GIO_MASTER_ENABLE reading 0",
        "verified",
        "end of one frame plus one posted write; bound e1000e_disable_pcie_master, 800 x 100 us",
        tail_ns=10 * MS,
        bound_ns=80 * MS,
    ),
    "nic_settle": Evidence(
        "the wait after clearing RCTL.EN, for a frame half received",
        "verified",
        "usleep_range(10000, 11000) of e1000e_down, Linux",
    ),
    "ahci_engine_stop": Evidence(
        "from clearing PxCMD.ST, with no command running, to PxCMD.CR reading 0",
        "assumed",
        "a running command ends first; bound ahci_stop_engine of Linux libahci.c",
        bound_ns=500 * MS,
    ),
    "peer_frame_gap": Evidence(
        "between two frames that the peer of a virtio-net vdev sends",
        "assumed",
        "2,000 to 20,000 frames/s: a busy but not saturated connection between guests",
    ),
    "console_input_gap": Evidence(
        "between two pieces of input from the terminal behind a virtio-console vdev",
        "assumed",
        "from pasted text at 1 Mbit/s to fast typing; nobody asks for it",
        tail_ns=1_000 * MS,
    ),
    "entropy_req": Evidence(
        "from asking the host's random source to its bytes",
        "assumed",
        "a message to another process and the generation of a few hundred bytes",
        tail_ns=1_000 * MS,
    ),
    "virtio_reset_poll": Evidence(
        "between two reads of the device status by a driver that waits for the end of a reset",
        "recalled",
        "msleep(1) in vp_reset of Linux virtio_pci_modern.c; the QNX drivers' is not published",
    ),
}
"""The evidence of each field of `Timing`."""
