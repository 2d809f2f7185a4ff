"""Mutants of the host: order of release, IOMMU, interrupts, references, agents and hidden masters.

What each means, and the published bugs that it is drawn from, stands with it.
"""

from ...model.base.clock import Span
from .cases import BY_DRIVER, NO_DMA, Mutant, across
from .changes import both, device, ends_after, faults, pinned, steps, timing
from .designs import CRASH, KILLED, ORDERLY, SHUTDOWN

_SLOW_DRAIN = timing(axi_write_drain=Span(1_000, 10_000))
_SLOW_MASK = timing(gic_disable_rwp=Span(10_000, 20_000))
_QUICK_GUEST = timing(
    irq_to_host_handler=Span(100, 500),
    irq_to_guest=Span(100, 500),
    guest_irq_service=Span(100, 500),
    exit_to_vmm_process=Span(100, 500),
)
_RIGHT_AFTER_INJECTION = ends_after("IrqInjected", 3, within_ns=500)
_LATE_DEATH = ends_after("IrqInjected", 3, within_ns=1_000)

_ENDS_BY_ITSELF = "it does nothing unasked, and no driver asks any more"

HOST_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "M2",
        "memory is returned before the callbacks",
        "CVE-2025-38064, Xen c24c3e21e3c9",
        across("nic block block-nvme ahci pl330", faults(memory_before_callbacks=True)),
        {KILLED: "there are no callbacks", "can": NO_DMA, SHUTDOWN: BY_DRIVER},
    ),
    Mutant(
        "M8",
        "an agent that qvm did not stop starts the device again",
        "CVE-2024-43866, CVE-2022-48790",
        across("nic sensor", faults(resurrecting_agent=True), exits=(CRASH, ORDERLY)),
        {
            "block, block-nvme, ahci, accelerator": _ENDS_BY_ITSELF,
            "iommu": "the device was not stopped, so no agent finds it stuck",
            SHUTDOWN: "the guest's own driver has also reset it, and nothing is set up any more",
            KILLED: "as with an IOMMU: no driver has stopped it",
        },
    ),
    Mutant(
        "M9",
        "a translation is removed and its cached copy is not",
        "XSA-442",
        (
            *across(
                "nic ahci accelerator sensor",
                faults(no_invalidate=True),
                contained="iommu",
                exits=(CRASH, ORDERLY, KILLED),
            ),
            *across(
                "nic sensor",
                both(faults(no_sync=True), _SLOW_DRAIN),
                "invalidated, but not drained",
                contained="iommu",
                exits=(CRASH, ORDERLY, KILLED),
            ),
        ),
        {SHUTDOWN: BY_DRIVER, "vdev": "there is no IOMMU", "can": NO_DMA},
    ),
    Mutant(
        "M10",
        "an unmap that stopped half-way counts as done",
        "CVE-2024-36909, SPDK #1705",
        across("nic ahci accelerator sensor", faults(unmap_stops_early=True), contained="iommu"),
        {
            SHUTDOWN: BY_DRIVER,
            "vdev": "there is no IOMMU",
            "can": NO_DMA,
            KILLED: "smmuman removes the maps of a dead client by itself, in one piece",
        },
    ),
    Mutant(
        "M11",
        "the device of a dead VM is handed to the host, unrestricted",
        "XSA-302",
        (
            *across("nic ahci sensor", faults(bypass_after_unmap=True), contained="iommu"),
            *across(
                "nic ahci sensor",
                pinned(smmuman__client_death="unrestricted"),
                contained="iommu",
                exits=(KILLED,),
            ),
        ),
        {SHUTDOWN: BY_DRIVER, "vdev": "there is no IOMMU", "can": NO_DMA},
    ),
    Mutant(
        "M13",
        "something of an interrupt is left over",
        "Linux 76b57c6700e5, QEMU b3e27c3aee8f, crosvm 6aee3efa609e",
        (
            *across(
                "nic",
                both(
                    faults(unmask_after_detach=True),
                    steps(("disable-receive", 0), ("disable-bus-master", 0), ("await-idle", 10**7)),
                ),
                "a late unmask",
            ),
            *across(
                "nic can",
                faults(unmask_after_detach=True),
                "a late unmask",
                contained="iommu",
                exits=(CRASH, ORDERLY, KILLED),
            ),
            *across(
                "nic sensor",
                both(faults(detach_before_masked=True), _QUICK_GUEST, _SLOW_MASK),
                "detached before the mask is in force",
                contained="iommu",
                exits=(CRASH, ORDERLY, KILLED),
            ),
            *across(
                "can sensor",
                both(pinned(qvm__mask_tracking="untracked"), _LATE_DEATH),
                "the mask of the dead makes its neighbour deaf",
                contained="shared",
            ),
            *across(
                "accelerator",
                both(
                    device(trigger="message"),
                    pinned(procnto__pending_at_detach="kept"),
                    steps(("stop", 0), ("await-idle", 1_000_000_000), ("confirm", 1_000_000)),
                ),
                "a message stays pending for the next owner",
            ),
            *across(
                "can sensor",
                both(faults(list_registers_kept=True), _RIGHT_AFTER_INJECTION),
                "a virtual interrupt stands in a list register still",
            ),
        ),
        {"block, block-nvme": "its interrupt is qvm's own and ends with qvm", SHUTDOWN: BY_DRIVER},
    ),
    Mutant(
        "M14",
        "something keeps a reference, and memory is never returned",
        "cloud-hypervisor 5a14d0e2e0e0",
        (
            *across("nic block can", faults(reference_kept=True), exits=(CRASH, ORDERLY, SHUTDOWN)),
            *across("nic", faults(reference_kept=True), contained="iommu", exits=(KILLED,)),
        ),
    ),
    Mutant(
        "M18",
        "a second bus master writes the same memory, and no procedure stops it",
        "FreeBSD D40902",
        (
            *across(
                "nic block can",
                faults(hidden_master=True),
                exits=(CRASH, ORDERLY, SHUTDOWN),
            ),
            *across(
                "nic",
                faults(hidden_master=True),
                contained="iommu",
                exits=(KILLED,),
            ),
        ),
    ),
)
