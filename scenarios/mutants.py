"""The eighteen ways in which teardowns have gone wrong, as changes to designs that are right.

A mutant takes the plan of a correct design and gives it back with one thing wrong.  It is killed
if a property is violated in some run of the changed plan that holds in every run of the correct
one.  The designs are tight: memory is released right after the last thing that was waited for,
so that nothing is saved by mere slowness.

Source:
    The patterns are drawn from published bugs of Linux, Xen, FreeBSD, QEMU, crosvm,
    cloud-hypervisor, Firecracker, ACRN, openvmm and SPDK; `Mutant.bugs` names some.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from ..model.choices import Choices, Earliest, Latest, Nominal, Seeded
from ..model.clock import Span, exactly
from ..model.faults import Faults
from ..model.plan import (
    AfterPlan,
    DiskPlan,
    EndPlan,
    NicPlan,
    QuiescePlan,
    RamPlan,
    StepPlan,
    SystemPlan,
    VmPlan,
)
from ..model.system import run
from ..model.timing import Timing
from ..model.traits import NOTHING, POST, ResetPolicy, Traits
from ..model.virtio_plan import BlockPlan
from ..properties.check import check

Change = Callable[[SystemPlan], SystemPlan]

SEEDS = 24
"""Random timings per design, besides the nominal, the earliest and the latest."""


class Mutant(msgspec.Struct, frozen=True):
    """One way to go wrong.

    Attributes:
        name: `M1` to `M18`.
        pattern: What is wrong, in a few words.
        bugs: Published bugs of this kind.
        changes: Design to the change that makes it wrong; designs that are not named do not have
            what could go wrong.
    """

    name: str
    pattern: str
    bugs: str
    changes: dict[str, Change]


class Score(msgspec.Struct, frozen=True):
    """What became of a mutant.

    Attributes:
        killed_by: Properties that were violated where the correct design holds.
        killed_in: Designs in which that happened.
        spared_in: Designs in which the mutant applies and nothing was violated.
        runs: How many runs were made.
    """

    killed_by: tuple[str, ...]
    killed_in: tuple[str, ...]
    spared_in: tuple[str, ...]
    runs: int


# The correct designs.

_TIGHT = Timing(
    pcie_posted_write=Span(100, 10_000),
    process_exit_base=Span(0, 500),
    process_exit_per_mib=Span(100, 2_000),
    release_skew=exactly(0),
    guest_boot=Span(20_000, 60_000),
    gic_disable_rwp=Span(50, 500),
    iommu_tlbi_sync=Span(100, 500),
    ctx_switch=Span(100, 1_000),
    guest_shutdown=Span(100_000, 300_000),
    restart=Span(50_000, 100_000),
)
_PINNED = {
    "guest.crash-reaches-qvm": "at-once",
    "procnto.cleanup-order": "iommu-before-memory",
    "smmuman.client-death": "deny",
    "procnto.cleanup-priority": "high",
}
_RAM = (RamPlan(0x8000_0000, 1 << 20), RamPlan(0x9000_0000, 1 << 20))
_NIC = "eth0"
_BLOCK = "disk"
_NIC_STEPS = (
    ("disable-receive", 0),
    ("mask-interrupts", 0),
    ("disable-bus-master", 0),
    ("await-idle", 80_000_000),
    ("read-back", 0),
)
_BLOCK_STEPS = (("stop-queue", 0), ("cancel", 0), ("drain", 1_000_000_000), ("join-worker", 0))


def designs() -> dict[str, SystemPlan]:
    """Return every correct design by name: device class, how contained, how it ends."""
    found = {}
    for cause in ("guest-crash", "guest-shutdown"):
        found[f"nic/vdev/{cause}"] = _nic_design(cause, _NIC_STEPS, iommu=False)
        found[f"nic/iommu/{cause}"] = _nic_design(cause, (), iommu=True)
        found[f"block/vdev/{cause}"] = _block_design(cause)
    found["nic/iommu/sigkill"] = _nic_design("sigkill", (), iommu=True)
    return found


def _nic_design(cause: str, steps: tuple[tuple[str, int], ...], *, iommu: bool) -> SystemPlan:
    quiesce = (QuiescePlan("vdev", _NIC, tuple(StepPlan(*step) for step in steps)),)
    vm = VmPlan(
        "vm",
        _RAM,
        nics=(_NIC,),
        quiesce=quiesce if steps else (),
        end=EndPlan(cause, Span(0, 40_000), AfterPlan("DmaLanded", count=4)),
        restart=not iommu,
    )
    nic = NicPlan(_NIC, 40, ring_size=64, frame_length=1500, gap=Span(4_000, 12_000))
    return SystemPlan(
        "mutants",
        (vm,),
        nics=(nic,),
        iommu=iommu,
        timing=_TIGHT,
        pinned=_PINNED,
        observe=exactly(100_000 if iommu else 300_000),
        horizon_ns=20_000_000,
        teardown_ns_max=5_000_000,
    )


def _block_design(cause: str) -> SystemPlan:
    quiesce = QuiescePlan(_BLOCK, _BLOCK, tuple(StepPlan(*step) for step in _BLOCK_STEPS))
    block = BlockPlan(_BLOCK, "ahci0", requests=40, depth=4, length=8192, queue_size=16)
    vm = VmPlan(
        "vm",
        _RAM,
        blocks=(block,),
        quiesce=(quiesce,),
        end=EndPlan(cause, Span(0, 100_000), AfterPlan("RequestSubmitted", count=6)),
        restart=True,
    )
    return SystemPlan(
        "mutants",
        (vm,),
        disks=(DiskPlan("ahci0", "devb-ahci", 33, service=Span(50_000, 500_000)),),
        timing=_TIGHT,
        pinned=_PINNED,
        observe=exactly(1_000_000),
        horizon_ns=50_000_000,
        teardown_ns_max=5_000_000,
    )


# Changes.


def _vm(plan: SystemPlan, **fields: Any) -> SystemPlan:
    return replace(plan, vms=(replace(plan.vms[0], **fields),))


def _with_steps(*steps: tuple[str, int], on_timeout: str = "quarantine") -> Change:
    def change(plan: SystemPlan) -> SystemPlan:
        first = plan.vms[0].quiesce[0]
        plans = tuple(StepPlan(*step) for step in steps)
        return _vm(plan, quiesce=(replace(first, steps=plans, on_timeout=on_timeout),))

    return change


def _with_faults(**faults: bool) -> Change:
    return lambda plan: replace(plan, faults=Faults(**faults))


def _with_traits(**traits: Any) -> Change:
    return lambda plan: replace(plan, nics=(replace(plan.nics[0], traits=Traits(**traits)),))


def _both(*changes: Change) -> Change:
    def change(plan: SystemPlan) -> SystemPlan:
        for each in changes:
            plan = each(plan)
        return plan

    return change


def _no_quiesce(plan: SystemPlan) -> SystemPlan:
    return _vm(plan, quiesce=())


def _for(prefix: str, change: Change, *causes: str) -> dict[str, Change]:
    wanted = causes or ("guest-crash", "guest-shutdown")
    return {f"{prefix}/{cause}": change for cause in wanted}


_LATE = _with_steps(("disable-receive", 0), ("disable-bus-master", 0))
_EVERYTHING_POSTED = ResetPolicy(POST, POST, POST)
_RESET_DOES_NOTHING = ResetPolicy(NOTHING, NOTHING, NOTHING)

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "M1",
        "nothing is quiesced",
        "bhyve PR 222937, openvmm #3338",
        _for("nic/vdev", _no_quiesce, "guest-crash") | _for("block/vdev", _no_quiesce),
    ),
    Mutant(
        "M2",
        "memory is returned before the callbacks",
        "CVE-2025-38064, Xen c24c3e21e3c9",
        _for("nic/vdev", _with_faults(memory_before_callbacks=True))
        | _for("block/vdev", _with_faults(memory_before_callbacks=True)),
    ),
    Mutant(
        "M3",
        "the stop is a posted write that is never read back",
        "Linux e6af578c5305",
        _for("nic/vdev", _LATE, "guest-crash"),
    ),
    Mutant(
        "M4",
        "the stop is not awaited, or its time-out counts as success",
        "Linux d2aeca6b6dbb, 9e528c799d17",
        _for(
            "nic/vdev",
            _with_steps(("disable-receive", 0), ("mask-interrupts", 0), ("read-back", 0)),
            "guest-crash",
        )
        | _for(
            "block/vdev",
            _with_steps(
                ("stop-queue", 0), ("drain", 1_000), ("join-worker", 0), on_timeout="release"
            ),
            "guest-crash",
        ),
    ),
    Mutant(
        "M5",
        "work in the back end is neither drained nor cancelled",
        "cloud-hypervisor 7e2e7a164baa, dd3a2f2649b7",
        _for("block/vdev", _with_steps(("stop-queue", 0), ("join-worker", 0)), "guest-crash"),
    ),
    Mutant(
        "M6",
        "what a reset drains is still published",
        "openvmm #3915, crosvm bad3f03fa385",
        _for(
            "nic/vdev",
            _both(
                _with_traits(reset=_EVERYTHING_POSTED), _with_steps(("reset", 0), ("read-back", 0))
            ),
            "guest-crash",
        ),
    ),
    Mutant(
        "M7",
        "a reset leaves addresses behind that the next owner's start brings to life",
        "openvmm #3915 (b), CVE-2023-5088",
        _for(
            "nic/vdev",
            _both(
                _with_traits(keeps_side_state=True, keeps_input=True),
                _with_steps(("reset", 0), ("mask-interrupts", 0), ("read-back", 0)),
            ),
            "guest-crash",
        ),
    ),
    Mutant(
        "M8",
        "an agent that nobody stopped starts the device again",
        "CVE-2024-43866, CVE-2022-48790",
        _for("nic/vdev", _with_faults(resurrecting_agent=True)),
    ),
    Mutant(
        "M9",
        "a translation is removed and its cached copy is not",
        "XSA-442",
        _for("nic/iommu", _with_faults(no_invalidate=True), "guest-crash"),
    ),
    Mutant(
        "M10",
        "an unmap that stopped half-way counts as done",
        "CVE-2024-36909, SPDK #1705",
        _for("nic/iommu", _with_faults(unmap_stops_early=True), "guest-crash"),
    ),
    Mutant(
        "M11",
        "the device of a dead VM is handed to the host, unrestricted",
        "XSA-302",
        _for("nic/iommu", _with_faults(bypass_after_unmap=True), "guest-crash")
        | _for(
            "nic/iommu",
            lambda plan: replace(
                plan, pinned=plan.pinned | {"smmuman.client-death": "unrestricted"}
            ),
            "sigkill",
        ),
    ),
    Mutant(
        "M12",
        "the device is touched before its reset is over, and the writes are lost",
        "Linux 821cdad5c46c, openvmm #3338",
        _for(
            "nic/vdev",
            _both(
                _with_traits(ignores_reset=True),
                _with_steps(
                    ("function-level-reset", 0), ("disable-receive", 0), ("mask-interrupts", 0)
                ),
            ),
            "guest-crash",
        ),
    ),
    Mutant(
        "M13",
        "something of an interrupt is left over",
        "Linux 76b57c6700e5, QEMU b3e27c3aee8f, crosvm 6aee3efa609e",
        _for(
            "nic/vdev",
            _both(
                _with_faults(unmask_after_detach=True),
                _with_steps(
                    ("disable-receive", 0), ("disable-bus-master", 0), ("await-idle", 10**7)
                ),
            ),
            "guest-crash",
        )
        | _for("nic/iommu", _with_faults(unmask_after_detach=True), "guest-crash"),
    ),
    Mutant(
        "M14",
        "something keeps a reference, and memory is never returned",
        "cloud-hypervisor 5a14d0e2e0e0",
        _for("nic/vdev", _with_faults(reference_kept=True))
        | _for("block/vdev", _with_faults(reference_kept=True)),
    ),
    Mutant(
        "M15",
        "a reset from inside the device's own request makes it forget the request",
        "CVE-2021-3929",
        _for(
            "nic/vdev",
            _both(
                _with_traits(forgets_running=True, reset=_RESET_DOES_NOTHING),
                _with_steps(("mask-interrupts", 0), ("reset", 0), ("confirm", 10**7)),
            ),
            "guest-crash",
        ),
    ),
    Mutant(
        "M16",
        "the device never says that it has stopped, and memory is released all the same",
        "Linux e4cf6580ac74, CVE-2024-26891",
        _for(
            "nic/vdev",
            _both(
                _with_traits(never_idle=True),
                _with_steps(("disable-receive", 0), ("await-idle", 20_000), on_timeout="release"),
            ),
        ),
    ),
    Mutant(
        "M17",
        "a time-out gives memory back that the device still owns",
        "Linux 0c0f9b95c8b7",
        _for(
            "nic/vdev",
            _with_steps(("mask-interrupts", 0), ("await-idle", 1_000), on_timeout="release"),
            "guest-crash",
        )
        | _for(
            "block/vdev",
            _with_steps(
                ("stop-queue", 0), ("drain", 20_000), ("join-worker", 0), on_timeout="release"
            ),
            "guest-crash",
        ),
    ),
    Mutant(
        "M18",
        "a second master writes the same memory, and nobody thinks of it",
        "FreeBSD D40902",
        _for("nic/vdev", _with_faults(hidden_master=True))
        | _for("block/vdev", _with_faults(hidden_master=True)),
    ),
)
"""All of them."""

BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


def mutated(plan: SystemPlan, name: str) -> SystemPlan | None:
    """Return a user's plan with one thing wrong, or None if it has no place for that.

    Args:
        plan: Its first VM is the one that goes wrong.
        name: Of the mutant.
    """
    vm = plan.vms[0]
    kind = "nic" if vm.nics else "block"
    contained = "vdev" if vm.quiesce else "iommu"
    for design, change in BY_NAME[name].changes.items():
        if design.startswith(f"{kind}/{contained}/"):
            return change(plan)
    return None


def score(mutant: Mutant, seeds: int = SEEDS) -> Score:
    """Return what became of a mutant over all designs in which it applies."""
    correct = designs()
    killed_by: set[str] = set()
    killed_in: list[str] = []
    spared_in: list[str] = []
    runs = 0
    for design, change in mutant.changes.items():
        violated: set[str] = set()
        plan = change(correct[design])
        for choices in timings(seeds):
            runs += 1
            violated |= violated_properties(plan, choices)
        (killed_in if violated else spared_in).append(design)
        killed_by |= violated
    return Score(tuple(sorted(killed_by)), tuple(killed_in), tuple(spared_in), runs)


def timings(seeds: int) -> Iterable[Choices]:
    """Return fresh choices for each timing that a design is tried with."""
    return [Nominal(), Earliest(), Latest(), *(Seeded(seed) for seed in range(seeds))]


def violated_properties(plan: SystemPlan, choices: Choices) -> set[str]:
    """Return the names of the properties that one run violates."""
    return {v.property for v in check(run(plan, choices)) if v.verdict == "violated"}
