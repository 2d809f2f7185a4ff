"""Mutants of how a device is stopped: by the vdev's callback, or by the device itself.

What each means, and the published bugs that it is drawn from, stands with it.
"""

from ...model.base.clock import Span
from ...model.plan.traits import DROP, POST, ResetPolicy
from .cases import BY_DRIVER, NO_CALLBACK, NO_DMA, Mutant, across
from .changes import (
    both,
    detailed,
    device,
    disk,
    ends_after,
    impatient,
    no_quiesce,
    steps,
    traits,
    vdev,
    watched,
    without,
)
from .designs import CRASH, KILLED, ORDERLY, SHUTDOWN

_ALL_POSTED = traits(reset=ResetPolicy(POST, POST, POST))
_SLOW = Span(200_000, 600_000)

_NO_BACK_END = "the device works by itself; there is no back end of the host"
_THREADS = (
    "virtio-net, -console, -entropy: their writers are threads of qvm and end before memory goes"
)

DEVICE_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "M1",
        "nothing is quiesced",
        "bhyve PR 222937, openvmm #3338",
        (
            *across("nic block block-nvme ahci sensor pl330 xhci", no_quiesce),
            *across("can", no_quiesce, "interrupts alone"),
            *across(
                "sensor",
                watched(4_000_000),
                "left to the IOMMU, which refuses without end",
                contained="iommu",
                exits=(CRASH, ORDERLY, KILLED),
            ),
        ),
        {SHUTDOWN: BY_DRIVER, "net, console, entropy": _THREADS},
    ),
    Mutant(
        "M3",
        "the stop is a posted write that is never read back",
        "Linux e6af578c5305",
        (
            *across("nic", steps(("disable-receive", 0), ("disable-bus-master", 0))),
            *across("sensor", steps(("stop", 0), ("clear-bus-master", 0))),
            *across("nvme", steps(("disable", 0), ("clear-bus-master", 0))),
        ),
        {
            "block, block-nvme": "its stop is a call within qvm, not a posted write",
            SHUTDOWN: BY_DRIVER,
            KILLED: NO_CALLBACK,
        },
    ),
    Mutant(
        "M4",
        "the stop is not awaited, or its time-out counts as success",
        "Linux d2aeca6b6dbb, 9e528c799d17",
        (
            *across("nic", steps(("disable-receive", 0), ("mask-interrupts", 0), ("read-back", 0))),
            *across(
                "block block-nvme",
                steps(
                    ("stop-queue", 0), ("join-worker", 0), ("drain", 1_000), on_timeout="release"
                ),
            ),
            *across("ahci", without("await-engine", "await-fis-receive", "confirm")),
            *across("accelerator", without("await-idle", "confirm")),
            *across("pl330", without("await-debug-idle", "await-stopped", "confirm")),
            *across(
                "accelerator sensor",
                steps(
                    ("mask-interrupts", 0),
                    ("stop", 0),
                    ("await-idle", 1_000_000_000),
                    ("confirm", 1_000_000),
                    ("function-level-reset", 0),
                    ("await-ready", 1_000),
                    on_timeout="release",
                ),
                "a reset after the stop was seen is not awaited",
            ),
        ),
        {"can": NO_DMA, SHUTDOWN: BY_DRIVER, KILLED: NO_CALLBACK},
    ),
    Mutant(
        "M5",
        "work in the back end is neither drained nor cancelled",
        "cloud-hypervisor 7e2e7a164baa, dd3a2f2649b7",
        (
            *across("block block-nvme", steps(("stop-queue", 0), ("join-worker", 0))),
            *across(
                "block block-nvme",
                both(
                    vdev(operation="write"),
                    disk(slots=1, service=_SLOW),
                    steps(("stop-queue", 0), ("join-worker", 0)),
                ),
                "the guest's last writes are fetched from memory that is no longer its own",
            ),
            *across(
                "ahci",
                steps(("mask-interrupts", 0), ("stop-engine", 0), ("stop-fis-receive", 0)),
                "the command engine stops taking, what it took goes on",
            ),
        ),
        {
            "nic, sensor, xhci, pl330, can": _NO_BACK_END,
            SHUTDOWN: BY_DRIVER,
            KILLED: NO_CALLBACK,
        },
    ),
    Mutant(
        "M6",
        "what a reset drains is still published",
        "openvmm #3915, crosvm bad3f03fa385",
        (
            *across(
                "accelerator",
                both(
                    traits(reset=ResetPolicy(DROP, POST, POST)),
                    steps(("mask-interrupts", 0), ("reset", 0), ("read-back", 0)),
                ),
                "the data is dropped, the entry is not",
            ),
            *across("nic", both(_ALL_POSTED, steps(("reset", 0), ("read-back", 0)))),
            *across(
                "block block-nvme",
                both(
                    detailed,
                    vdev(reset_policy="nothing"),
                    steps(("reset", 1_000_000_000), ("drain", 1_000_000_000), ("join-worker", 0)),
                ),
                "status reads 0 before the last buffer is given back",
            ),
        ),
        {SHUTDOWN: BY_DRIVER, KILLED: NO_CALLBACK, "can": NO_DMA},
    ),
    Mutant(
        "M7",
        "a reset leaves addresses behind that the next owner's start brings to life",
        "openvmm #3915 (b), CVE-2023-5088",
        (
            *across(
                "nic",
                both(
                    traits(keeps_side_state=True, keeps_input=True),
                    steps(("reset", 0), ("mask-interrupts", 0), ("read-back", 0)),
                ),
            ),
            *across(
                "nvme",
                device(keeps_event_requests=True, keeps_shadow=True, shadow_doorbells=True),
                "shadow doorbells and event requests",
            ),
        ),
        {
            KILLED: NO_CALLBACK,
            SHUTDOWN: BY_DRIVER,
            "iommu": "the old addresses are refused; the next owner's maps are not the old ones",
        },
    ),
    Mutant(
        "M12",
        "the device is touched before its reset is over, and the writes are lost",
        "Linux 821cdad5c46c, openvmm #3338",
        (
            *across(
                "nic",
                both(
                    traits(ignores_reset=True),
                    steps(
                        ("function-level-reset", 0), ("disable-receive", 0), ("mask-interrupts", 0)
                    ),
                ),
            ),
            *across(
                "sensor",
                both(
                    traits(ignores_reset=True),
                    steps(("function-level-reset", 0), ("stop", 0), ("mask-interrupts", 0)),
                ),
            ),
        ),
        {
            "block, block-nvme, pl330, can": "they have no function level reset",
            SHUTDOWN: BY_DRIVER,
            KILLED: NO_CALLBACK,
        },
    ),
    Mutant(
        "M15",
        "a write into the device's own registers resets it in the midst of its request",
        "CVE-2021-3929, CVE-2021-3750",
        (
            *across(
                "ahci accelerator",
                both(
                    device(own_registers_at=2, service=_SLOW),
                    traits(takes_bus_writes=True),
                    ends_after("RegistersHit"),
                ),
                exits=(CRASH, ORDERLY, SHUTDOWN),
            ),
        ),
        {
            "nic": "it works on one frame at a time, whose writes have all left when one of them "
            "arrives",
            "block, block-nvme": "qvm refuses buffers that are not guest memory",
            "can": NO_DMA,
            "iommu": "no register window is mapped",
            KILLED: NO_CALLBACK,
        },
    ),
    Mutant(
        "M16",
        "the device never says that it has stopped, and memory is released all the same",
        "Linux e4cf6580ac74, CVE-2024-26891",
        (
            *across(
                "nic",
                both(
                    traits(never_idle=True),
                    steps(("disable-receive", 0), ("await-idle", 20_000), on_timeout="release"),
                ),
            ),
            *across(
                "sensor",
                both(traits(never_idle=True), impatient(20_000)),
                "it has stopped and does not say so",
            ),
            *across(
                "xhci",
                both(
                    device(halts=False),
                    without("stop-endpoint", "reset", "await-reset", "confirm"),
                    impatient(20_000),
                ),
            ),
        ),
        {SHUTDOWN: BY_DRIVER, KILLED: NO_CALLBACK, "can": NO_DMA},
    ),
    Mutant(
        "M17",
        "a time-out gives memory back that the device still owns",
        "Linux 0c0f9b95c8b7",
        (
            *across(
                "nic",
                steps(("mask-interrupts", 0), ("await-idle", 1_000), on_timeout="release"),
            ),
            *across(
                "block block-nvme",
                steps(
                    ("stop-queue", 0), ("join-worker", 0), ("drain", 20_000), on_timeout="release"
                ),
            ),
            *across("ahci accelerator", both(impatient(5_000), device(service=_SLOW))),
        ),
        {"can": NO_DMA, SHUTDOWN: BY_DRIVER, KILLED: NO_CALLBACK},
    ),
)
