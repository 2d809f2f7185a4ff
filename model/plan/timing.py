"""A span for each kind of delay, with the evidence behind it.

`Timing` has one field for each kind; a scenario overrides what it knows better.  `EVIDENCE` says
for each default where it comes from.  Its grade says how far to trust it:

- `verified`: the source was read;
- `recalled`: known from the source, not read again;
- `assumed`: derived or chosen here.

Several of these quantities have never been published for QNX; their spans are wide on purpose.
"""

import msgspec

from ..base.clock import MS, US, Span, exactly
from .evidence_marks import Evidence
from .host_evidence import HOST_EVIDENCE
from .interrupt_evidence import INTERRUPT_EVIDENCE
from .translation_evidence import TRANSLATION_EVIDENCE


class Timing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The span of every kind of delay in the model, in nanoseconds."""

    pcie_posted_write: Span = Span(100, 1_000)
    pcie_dma_read_rtt: Span = Span(500, 2_000)
    axi_write_drain: Span = Span(50, 1_000)
    mmio_read_flush: Span = Span(300, 2_000)
    msi_delivery: Span = Span(300, 3_000)
    gic_to_cpu: Span = Span(100, 1_000)
    irq_to_host_handler: Span = Span(500, 10_000)
    irq_to_guest: Span = Span(1_000, 20_000)
    guest_irq_service: Span = Span(1_000, 20_000)
    gic_disable_rwp: Span = Span(50, 2_000)
    its_sync: Span = Span(500, 10_000)
    route_command: Span = Span(100, 2_000)
    route_delivery: Span = Span(100, 1_000)
    lpi_write_back: Span = Span(1 * US, 100 * US)
    iommu_tlbi_sync: Span = Span(1_000, 10_000)
    iommu_entry_write: Span = Span(10, 200)
    ats_translation: Span = Span(500, 2_000)
    ats_inv: Span = Span(2_000, 100_000)
    ats_inv_late: Span = Span(1_000 * MS, 2_000 * MS)
    atc_inv_timeout: Span = exactly(1_000 * MS)
    smmuman_restart: Span = Span(1 * MS, 100 * MS)
    vm_exit: Span = Span(200, 3_000)
    exit_to_vmm_process: Span = Span(1_000, 20_000)
    ctx_switch: Span = Span(1_000, 10_000)
    signal_delivery: Span = Span(2_000, 20_000)
    thread_join: Span = Span(5_000, 200_000)
    process_exit_base: Span = Span(50 * US, 2 * MS)
    process_exit_per_mib: Span = Span(20 * US, 100 * US)
    release_skew: Span = Span(0, 5 * MS)
    guest_boot: Span = Span(1 * MS, 20 * MS)
    guest_shutdown: Span = Span(1 * MS, 20 * MS)
    second_signal: Span = Span(100 * MS, 200 * MS)
    watchdog_period: Span = Span(1 * MS, 10 * MS)
    guest_dump: Span = Span(10 * MS, 100 * MS)
    message_block_timeout: Span = exactly(10_000 * MS)
    cleanup_at_low_priority: Span = Span(1 * MS, 50 * MS)
    host_shutdown: Span = Span(1 * MS, 50 * MS)
    agent_period: Span = Span(50 * US, 100 * US)
    restart: Span = Span(1 * MS, 5 * MS)
    sata_ssd_req: Span = Span(50 * US, 500 * US)
    sata_hdd_req: Span = Span(2 * MS, 20 * MS)
    nvme_req: Span = Span(10 * US, 200 * US)
    emmc_req: Span = Span(100 * US, 2 * MS)
    sdmmc_burst: Span = Span(1_280, 10_240)
    flush_req: Span = Span(100 * US, 50 * MS)
    nic_rx_gap_1g: Span = Span(672, 12_304)
    nic_rx_gap_10g: Span = Span(67, 1_230)
    nic_stop_to_idle: Span = Span(0, 13_304)
    nic_settle: Span = Span(10 * MS, 11 * MS)
    ahci_engine_stop: Span = Span(1_000, 10_000)
    nvme_rdy_clear: Span = Span(1 * MS, 100 * MS)
    flr: Span = Span(100 * US, 100 * MS)
    xhci_halt: Span = Span(100 * US, 16 * MS)
    ahci_comreset_hold: Span = Span(1 * MS, 2 * MS)
    ahci_link_up: Span = Span(1 * MS, 10 * MS)
    ahci_hba_reset: Span = Span(10 * US, 10 * MS)
    nvme_rdy_set: Span = Span(1 * MS, 100 * MS)
    nvme_shutdown: Span = Span(1 * MS, 1_000 * MS)
    xhci_reset: Span = Span(100 * US, 10 * MS)
    pl330_kill: Span = Span(100, 5 * US)
    pl330_write_buffer: Span = Span(50, 5 * US)
    can_frame_gap: Span = Span(47 * US, 135 * US)
    can_init_sync: Span = Span(1 * US, 10 * US)
    user_copy: Span = Span(100, 2 * US)
    peer_frame_gap: Span = Span(50 * US, 500 * US)
    console_input_gap: Span = Span(200 * US, 5 * MS)
    entropy_req: Span = Span(2_000, 200_000)
    virtio_reset_poll: Span = Span(1 * MS, 2 * MS)


_A53 = "Cortex-A53, PREEMPT_RT: TI AM64X/AM62X RT Linux Performance Guide"
_PCIE_BENCH = "pcie-bench, SIGCOMM 2018, doi 10.1145/3230543.3230560"

EVIDENCE: dict[str, Evidence] = {
    "pcie_posted_write": Evidence(
        "fabric",
        "a posted write from the device to the root complex",
        "assumed",
        f"about half a read round trip; {_PCIE_BENCH}",
        tail_ns=10 * US,
    ),
    "pcie_dma_read_rtt": Evidence(
        "device",
        "a DMA read of 64 bytes, request to data",
        "recalled",
        f"{_PCIE_BENCH}; bound PCI Express 2.8, default completion time-out",
        tail_ns=6 * MS,
        bound_ns=50 * MS,
    ),
    "axi_write_drain": Evidence(
        "fabric",
        "a translated write from the root complex or interconnect into memory",
        "assumed",
        "as the write-buffer drain of an SoC DMA controller",
        tail_ns=10 * US,
    ),
    "mmio_read_flush": Evidence(
        "fabric",
        "a register read by the CPU, which pushes earlier posted writes ahead",
        "assumed",
        f"a read round trip; {_PCIE_BENCH}; bound PCI Express 2.8, default completion time-out",
        tail_ns=10 * US,
        bound_ns=50 * MS,
    ),
    "gic_to_cpu": Evidence(
        "interrupts",
        "a pending interrupt from the distributor to the CPU",
        "recalled",
        "native latency on a Cortex-A53 with GIC-400; arXiv 2303.11186",
        tail_ns=5 * US,
    ),
    "irq_to_host_handler": Evidence(
        "interrupts",
        "from the CPU taking the interrupt to the handling thread of the owner",
        "verified",
        f"{_A53}, minimum and average less the thread wake-up",
        tail_ns=70 * US,
    ),
    "irq_to_guest": Evidence(
        "guest",
        "from qvm's injection to the guest's handler",
        "recalled",
        f"arXiv 2303.11186; {_A53}",
        tail_ns=100 * US,
    ),
    "guest_irq_service": Evidence(
        "device",
        "from the guest's handler to its end of interrupt",
        "assumed",
        "a driver's handler, of the order of the interrupt latency itself",
        tail_ns=100 * US,
    ),
    "gic_disable_rwp": Evidence(
        "device",
        "from writing ICENABLER to RWP reading 0",
        "assumed",
        "no figure published; the bound is Xen's, gic-v3.c",
        tail_ns=100 * US,
        bound_ns=1_000 * MS,
    ),
    "vm_exit": Evidence(
        "guest",
        "from the guest's instruction to the hypervisor",
        "verified",
        "1,344 to 1,376 cycles on AMD SVM, lkml December 2020; 3 to 10 us round trip on QNX",
        tail_ns=10 * US,
    ),
    "exit_to_vmm_process": Evidence(
        "guest",
        "from the hypervisor to a thread of the qvm process",
        "verified",
        "2,528 cycles for a full KVM run call, lkml December 2020, plus scheduling",
        tail_ns=100 * US,
    ),
    "ctx_switch": Evidence(
        "host",
        "a context switch between processes, or a message to another process",
        "verified",
        f"5.5 us, lmbench; {_A53}",
        tail_ns=70 * US,
    ),
    "signal_delivery": Evidence(
        "signal",
        "from sending a signal to its effect in the process",
        "verified",
        f"5.9 us, lmbench; {_A53}",
        tail_ns=100 * US,
    ),
    "thread_join": Evidence(
        "vdev",
        "from cancelling a vdev's worker thread to its join",
        "assumed",
        "the worker sees the request at its next wait",
    ),
    "process_exit_base": Evidence(
        "qvm",
        "clean-up of a dead process apart from its memory",
        "verified",
        "61 us on x86, about 1 ms on a Cortex-A53 (lmbench fork+exit); none published for QNX",
        tail_ns=20 * MS,
    ),
    "process_exit_per_mib": Evidence(
        "qvm",
        "unmapping and returning 1 MiB of 4 KiB pages",
        "verified",
        "70 us per MiB measured on x86 Linux 6.18; none published for QNX",
    ),
    "guest_boot": Evidence(
        "guest",
        "from the guest's first instruction to its drivers' first register access",
        "assumed",
        "a small guest image; until then a stale device still works for the former owner",
        tail_ns=1_000 * MS,
    ),
    "guest_shutdown": Evidence(
        "shutdown",
        "from the guest's decision to shut down to its last instruction",
        "assumed",
        "drivers of a small guest stop within milliseconds",
        tail_ns=1_000 * MS,
    ),
    "second_signal": Evidence(
        "signal",
        "from the first SIGTERM to the second, unconditional one",
        "assumed",
        "the supervisor's choice; the QNX hypervisor guide (guest_stop) names no time",
    ),
    "watchdog_period": Evidence(
        "watchdog",
        "one period of the guest's watchdog; it bites after two",
        "assumed",
        "set by the guest; that the count goes down twice: vdev reference, wdt-sp805",
    ),
    "guest_dump": Evidence(
        "watchdog", "writing a guest dump before the end", "assumed", "depends on its size"
    ),
    "message_block_timeout": Evidence(
        "server-timeout",
        "from a message to a host server to giving it up",
        "verified",
        "default of message-block-timeout, 10,000 ms; QNX hypervisor user's guide, set",
    ),
    "cleanup_at_low_priority": Evidence(
        "signal",
        "until the clean-up of a killed process gets the processor at a low priority",
        "assumed",
        "it runs at the killer's priority unless SIG_TERMER_NOINHERIT; Neutrino programmer's guide",
        tail_ns=1_000 * MS,
    ),
    "agent_period": Evidence(
        "fault",
        "between two looks or writes of an agent that only a fault brings in",
        "assumed",
        "shorter than a teardown, or the fault would not show",
    ),
    "restart": Evidence(
        "restart",
        "from the exit status of qvm to the next qvm process assembling its VM",
        "assumed",
        f"fork, exec and exit take 1.3 ms (lmbench, {_A53}); assembly time is not published",
    ),
    "sata_ssd_req": Evidence(
        "catalogue",
        "a request of a SATA SSD",
        "verified",
        "AnandTech 13704; bound SD_TIMEOUT of Linux sd.h",
        10 * MS,
        30_000 * MS,
    ),
    "sata_hdd_req": Evidence(
        "catalogue",
        "a request of a hard disk",
        "recalled",
        "seek and rotation; bound SD_TIMEOUT of Linux sd.h",
        500 * MS,
        30_000 * MS,
    ),
    "nvme_req": Evidence(
        "catalogue",
        "a request of an NVMe disk",
        "verified",
        "AnandTech 13704; bound admin_timeout of Linux nvme",
        5 * MS,
        60_000 * MS,
    ),
    "emmc_req": Evidence(
        "catalogue",
        "a request of an eMMC",
        "assumed",
        "between SSD and disk; the bound is assumed",
        100 * MS,
        10_000 * MS,
    ),
    "nic_rx_gap_1g": Evidence(
        "catalogue",
        "between two Ethernet frames at 1 Gbit/s",
        "assumed",
        "84 to 1,538 bytes on the wire",
    ),
    "nic_rx_gap_10g": Evidence(
        "catalogue",
        "between two Ethernet frames at 10 Gbit/s",
        "assumed",
        "84 to 1,538 bytes on the wire",
    ),
    "nic_stop_to_idle": Evidence(
        "catalogue",
        "from GIO_MASTER_DISABLE to GIO_MASTER_ENABLE reading 0",
        "verified",
        "one frame and one posted write; bound Linux e1000e_disable_pcie_master, 800 x 100 us",
        tail_ns=10 * MS,
        bound_ns=80 * MS,
    ),
    "nic_settle": Evidence(
        "nic",
        "the wait after clearing RCTL.EN, for a frame half received",
        "verified",
        "usleep_range(10000, 11000) of e1000e_down, Linux",
    ),
    "ahci_engine_stop": Evidence(
        "ahci",
        "from clearing PxCMD.ST, with no command running, to PxCMD.CR reading 0",
        "assumed",
        "a running command ends first; bound ahci_stop_engine of Linux libahci.c",
        bound_ns=500 * MS,
    ),
    "msi_delivery": Evidence(
        "message",
        "an interrupt message from the root complex to the interrupt controller",
        "assumed",
        "one posted write and the entry of the interrupt controller",
        tail_ns=20 * US,
    ),
    "release_skew": Evidence(
        "qvm",
        "between the releases of two kinds of resources of a process",
        "assumed",
        "the order and its pace are not specified",
    ),
    "flush_req": Evidence(
        "catalogue",
        "a flush of a disk's write cache",
        "assumed",
        "as long as the cache is full; bound SD_FLUSH_TIMEOUT of Linux sd.h",
        tail_ns=1_000 * MS,
        bound_ns=60_000 * MS,
    ),
    "nvme_rdy_clear": Evidence(
        "nvme",
        "from CC.EN=0 to CSTS.RDY reading 0",
        "verified",
        "FreeBSD r326937 for the tail; the bound is CAP.TO, 0.5 to 127.5 s",
        tail_ns=2_300 * MS,
        bound_ns=127_500 * MS,
    ),
    "flr": Evidence(
        "reset",
        "a function level reset, to readiness",
        "verified",
        "PCI Express 6.6.2, 100 ms; Linux 821cdad5c46c for the bound",
        tail_ns=1_000 * MS,
        bound_ns=60_000 * MS,
    ),
    "xhci_halt": Evidence(
        "xhci",
        "from USBCMD.RS=0 to USBSTS.HCH=1",
        "verified",
        "16 ms by the xHCI specification; bound Linux since ca09b1bea63a",
        tail_ns=32 * MS,
        bound_ns=32 * MS,
    ),
    "ahci_comreset_hold": Evidence(
        "ahci",
        "how long software holds PxSCTL.DET at 1",
        "recalled",
        "AHCI 1.3.1, 10.4.2: at least 1 ms",
    ),
    "ahci_link_up": Evidence(
        "ahci",
        "from PxSCTL.DET=0 to PxSSTS.DET=3 and the disk's signature",
        "assumed",
        "SATA gives a disk 10 ms to answer COMRESET; the bound is assumed: it may spin up",
        tail_ns=10_000 * MS,
        bound_ns=5_000 * MS,
    ),
    "ahci_hba_reset": Evidence(
        "ahci",
        "from GHC.HR=1 to GHC.HR reading 0",
        "assumed",
        "no figure published; bound ahci_reset_controller of Linux libahci.c and AHCI 10.4.3",
        bound_ns=1_000 * MS,
    ),
    "nvme_rdy_set": Evidence(
        "nvme",
        "from CC.EN=1 to CSTS.RDY reading 1",
        "assumed",
        "as CC.EN=0; the bound is CAP.TO, 0.5 to 127.5 s",
        tail_ns=2_300 * MS,
        bound_ns=127_500 * MS,
    ),
    "nvme_shutdown": Evidence(
        "nvme",
        "from CC.SHN to CSTS.SHST reading complete, with no command running",
        "assumed",
        "the write cache is emptied; bounds FreeBSD 5 s, EDK2 45 s",
        tail_ns=5_000 * MS,
        bound_ns=5_000 * MS,
    ),
    "xhci_reset": Evidence(
        "xhci",
        "from USBCMD.HCRST=1 to HCRST and USBSTS.CNR reading 0",
        "assumed",
        "no figure published; bounds of Linux xhci: 250 ms, and 10 s at start",
        tail_ns=250 * MS,
        bound_ns=10_000 * MS,
    ),
    "pl330_kill": Evidence(
        "pl330",
        "from DBGCMD=0 with DMAKILL to the channel having let go of its instructions",
        "assumed",
        "some tens of cycles of the controller's clock; vendor code polls 4,000 times",
        tail_ns=10 * US,
    ),
    "pl330_write_buffer": Evidence(
        "pl330",
        "a burst from the controller's buffer to the interconnect",
        "assumed",
        "as the drain of a posted write, slower when the interconnect is busy",
        tail_ns=10 * US,
    ),
    "can_frame_gap": Evidence(
        "can",
        "between two CAN frames on a full bus at 1 Mbit/s",
        "verified",
        "arithmetic: 47 bits for an empty standard frame, 135 for 8 bytes with all stuff bits",
    ),
    "can_init_sync": Evidence(
        "can",
        "from writing CCCR.INIT to INIT reading 1, between frames",
        "assumed",
        "Bosch M_CAN manual, CCCR: the bit crosses clock domains, software reads it back",
    ),
    "user_copy": Evidence(
        "user-back-end",
        "a copy of one piece by a thread of another process",
        "assumed",
        "some KiB at memory speed",
        tail_ns=10 * MS,
    ),
    "peer_frame_gap": Evidence(
        "catalogue",
        "between two frames that the peer of a virtio-net vdev sends",
        "assumed",
        "2,000 to 20,000 frames/s: a busy but not saturated connection between guests",
    ),
    "console_input_gap": Evidence(
        "catalogue",
        "between two pieces of input from the terminal behind a virtio-console vdev",
        "assumed",
        "from pasted text at 1 Mbit/s to fast typing; the input is unsolicited",
        tail_ns=1_000 * MS,
    ),
    "entropy_req": Evidence(
        "entropy",
        "from asking the host's random source to its bytes",
        "assumed",
        "a message to another process and the generation of a few hundred bytes",
        tail_ns=1_000 * MS,
    ),
    "virtio_reset_poll": Evidence(
        "vdev",
        "between two reads of the device status by a driver that waits for the end of a reset",
        "recalled",
        "msleep(1) in vp_reset of Linux virtio_pci_modern.c; the QNX drivers' is not published",
    ),
    **TRANSLATION_EVIDENCE,
} | {**HOST_EVIDENCE, **INTERRUPT_EVIDENCE}
"""The evidence of each field of `Timing`."""
