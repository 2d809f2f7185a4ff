"""Every procedure step by step: left out, swapped, not waited for, timed out.

Each row says what the standard implies, with the reason; the model's runs must agree, over the
three corners of all spans and several draws.
"""

from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from quiesce.model.base.clock import exactly
from quiesce.model.hardware.registry import procedures
from quiesce.model.plan.timing import Timing
from quiesce.model.plan.traits import Traits

from .bench import MS, Bench, all_choices, swapped, without
from .test_devices import BRISK, WORKLOADS

NOTHING_LATE: frozenset[str] = frozenset()
DATA = frozenset({"data"})
ENTRIES = frozenset({"completion"})
BOTH = DATA | ENTRIES

ALWAYS = "always"
NEVER = "never"
DOCUMENTED = {kind: procedure.documented for kind, procedure in procedures().items()}
CONGESTED = replace(BRISK, pcie_posted_write=exactly(20_000))
"""A link on which a posted write takes as long as it rarely does."""

SHORT = {"pl330": (MS, 2 * MS)}
"""How long kinds work and are watched that are at work from the start and all the time."""


class Case(NamedTuple):
    """A way to follow a procedure wrongly, or rightly.

    Attributes:
        late: Contents of writes that land after its end, in some run.
        interrupts: Whether some run has an interrupt after it.
        confirmed: Whether software sees the device idle.
        failed: Steps that are not done, in some run.
    """

    kind: str
    name: str
    order: tuple[tuple[str, int], ...] | list[tuple[str, int]]
    late: frozenset[str]
    interrupts: bool
    confirmed: str
    failed: frozenset[str]
    because: str
    plan: dict[str, Any]


def case(
    kind: str,
    name: str,
    order: Any,
    late: frozenset[str],
    interrupts: bool,
    confirmed: str,
    because: str,
    *failed: str,
    **plan: Any,
) -> Any:
    found = Case(kind, name, order, late, interrupts, confirmed, frozenset(failed), because, plan)
    return pytest.param(found, id=f"{kind}: {name}")


def steps(*names: str) -> list[tuple[str, int]]:
    """Return steps with bounds that are generous where they wait."""
    waits = ("await", "confirm", "delete", "stop-endpoint")
    return [(name, 500 * MS if name.startswith(waits) else 0) for name in names]


AHCI = [
    case("ahci", "documented", DOCUMENTED["ahci"], NOTHING_LATE, False, ALWAYS, "10.1.2"),
    case("ahci", "nothing", (), BOTH, True, NEVER, "commands under way end as ever"),
    case(
        "ahci",
        "engine not waited for",
        steps("mask-interrupts", "stop-engine", "read-back"),
        BOTH,
        False,
        NEVER,
        "what was fetched is finished, data and FIS; the read-back reaches only what was issued",
    ),
    case(
        "ahci",
        "engine not stopped",
        without(DOCUMENTED["ahci"], "stop-engine"),
        NOTHING_LATE,
        False,
        NEVER,
        "CR stays 1 for as long as ST does, and the port is not idle",
        "await-engine",
        "confirm",
    ),
    case(
        "ahci",
        "FIS receive not stopped",
        without(DOCUMENTED["ahci"], "stop-fis-receive"),
        NOTHING_LATE,
        False,
        NEVER,
        "FR stays 1: the FIS area may still be written",
        "await-fis-receive",
        "confirm",
    ),
    case(
        "ahci",
        "interrupts not masked",
        steps("stop-engine", "await-engine", "stop-fis-receive", "await-fis-receive"),
        NOTHING_LATE,
        False,
        NEVER,
        "a stopped port raises nothing; the order costs spurious interrupts before, not after",
    ),
    case(
        "ahci",
        "FIS receive stopped under a running engine",
        steps("mask-interrupts", "stop-engine", "stop-fis-receive", "read-back"),
        BOTH,
        False,
        NEVER,
        "data and byte count are no FIS: they land, and the FIS that would report them is lost",
    ),
    case(
        "ahci",
        "engine awaited before it is stopped",
        swapped(DOCUMENTED["ahci"], "stop-engine", "await-engine"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "the wait is in vain; what saves the order is the wait for idle at its end",
        "await-engine",
    ),
    case(
        "ahci",
        "wait for the engine times out and is passed over",
        [("mask-interrupts", 0), ("stop-engine", 0), ("await-engine", 1_000), ("read-back", 0)],
        BOTH,
        False,
        NEVER,
        "a command takes longer than the bound",
        "await-engine",
        service=exactly(400_000),
    ),
    case(
        "ahci",
        "COMRESET with FIS receive on",
        steps("mask-interrupts", "stop-engine", "await-engine", "read-back", "comreset"),
        ENTRIES,
        False,
        NEVER,
        "the reset makes the disk send its signature into the FIS area",
    ),
    case(
        "ahci",
        "COMRESET with FIS receive off",
        [*DOCUMENTED["ahci"], ("comreset", 0)],
        NOTHING_LATE,
        False,
        ALWAYS,
        "no FIS receive takes the signature",
    ),
    case(
        "ahci",
        "HBA reset alone",
        steps("hba-reset", "await-hba-reset", "confirm"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "by default the reset cancels what is under way, and FRE is 0 after it",
    ),
]

NVME = [
    case("nvme", "documented", DOCUMENTED["nvme"], NOTHING_LATE, False, ALWAYS, "3.6.1"),
    case("nvme", "nothing", (), BOTH, True, NEVER, "commands under way end as ever"),
    case(
        "nvme",
        "only the I/O queues deleted",
        steps("mask-interrupts", "delete-submission-queue", "delete-completion-queue"),
        ENTRIES,
        False,
        NEVER,
        "the answer comes after the last command, but an event request is still outstanding",
    ),
    case(
        "nvme",
        "only the I/O queues deleted, and no events",
        steps("mask-interrupts", "delete-submission-queue", "delete-completion-queue"),
        NOTHING_LATE,
        False,
        NEVER,
        "nothing is left that could complete",
        events=None,
    ),
    case(
        "nvme",
        "completion queue deleted first",
        swapped(DOCUMENTED["nvme"], "delete-submission-queue", "delete-completion-queue"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "Invalid Queue Deletion: a submission queue still uses it; the rest does the work",
        "delete-completion-queue",
    ),
    case(
        "nvme",
        "shutdown not waited for",
        steps("mask-interrupts", "shutdown", "read-back"),
        BOTH,
        False,
        NEVER,
        "a normal shutdown lets commands end first",
    ),
    case(
        "nvme",
        "disabled and not waited for",
        steps("disable"),
        BOTH,
        True,
        NEVER,
        "the register write is posted: what ends before it arrives is written, and lands later",
        timing=CONGESTED,
    ),
    case(
        "nvme",
        "not disabled",
        without(DOCUMENTED["nvme"], "disable"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "a controller that is shut down does no command; RDY stays 1 and the wait times out",
        "await-disabled",
    ),
    case(
        "nvme",
        "ready bit awaited before it is cleared",
        swapped(DOCUMENTED["nvme"], "disable", "await-disabled"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "the wait is in vain; the shutdown before it has silenced the controller",
        "await-disabled",
    ),
    case(
        "nvme",
        "disabled alone",
        steps("disable", "await-disabled", "confirm"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "a controller reset ends everything, event requests included",
    ),
    case(
        "nvme",
        "disabled alone, event requests survive",
        steps("disable", "await-disabled", "confirm"),
        ENTRIES,
        True,
        ALWAYS,
        "an admin command completes late, into a queue of the former owner (CVE-2022-48790)",
        keeps_event_requests=True,
    ),
    case(
        "nvme",
        "event requests survive, and bus mastering is taken away",
        steps("disable", "await-disabled", "clear-bus-master", "confirm"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "the fence works in any state of the controller",
        keeps_event_requests=True,
    ),
]

XHCI = [
    case("xhci", "documented", DOCUMENTED["xhci"], NOTHING_LATE, False, ALWAYS, "5.4.1, 4.6.9"),
    case("xhci", "nothing", (), BOTH, True, NEVER, "reports come for as long as there are blocks"),
    case(
        "xhci",
        "only the endpoint stopped",
        steps("mask-interrupts", "stop-endpoint"),
        NOTHING_LATE,
        False,
        NEVER,
        "the command completes when all transfers are accounted for",
        port_events=None,
    ),
    case(
        "xhci",
        "only the endpoint stopped, ports change",
        steps("mask-interrupts", "stop-endpoint"),
        ENTRIES,
        False,
        NEVER,
        "the event ring is written for ports, too",
    ),
    case(
        "xhci",
        "endpoint stops too early",
        steps("mask-interrupts", "stop-endpoint", "read-back"),
        BOTH,
        False,
        NEVER,
        "the command completes while transfers are in flight (crosvm bad3f03fa385)",
        port_events=None,
        stops_early=True,
    ),
    case(
        "xhci",
        "halt not waited for",
        steps("mask-interrupts", "stop", "read-back"),
        BOTH,
        False,
        NEVER,
        "what is pipelined is finished within 16 ms",
    ),
    case(
        "xhci",
        "halted alone",
        [*steps("mask-interrupts", "stop"), ("await-halted", 32 * MS), ("confirm", MS)],
        NOTHING_LATE,
        False,
        ALWAYS,
        "HCHalted means that nothing more is done",
    ),
    case(
        "xhci",
        "endpoint stopped after the controller",
        swapped(DOCUMENTED["xhci"], "stop-endpoint", "stop"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "a halted controller takes no command; the reset does without",
        "stop-endpoint",
    ),
    case(
        "xhci",
        "not halted before the reset",
        without(DOCUMENTED["xhci"], "stop", "await-halted"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "HCRST ends transactions at once",
    ),
    case(
        "xhci",
        "reset not waited for",
        steps("reset"),
        BOTH,
        True,
        NEVER,
        "the register write is posted: what ends before it arrives is written, and lands later",
        timing=CONGESTED,
    ),
]

PL330 = [
    case("pl330", "documented", DOCUMENTED["pl330"], NOTHING_LATE, False, ALWAYS, "DDI 0424"),
    case("pl330", "nothing", (), DATA, True, NEVER, "the peripheral goes on asking"),
    case(
        "pl330",
        "terminated and not synchronised",
        DOCUMENTED["pl330"][:3],
        DATA,
        False,
        NEVER,
        "the write buffer drains after the kill",
        timing=Timing(pl330_write_buffer=exactly(5_000)),
    ),
    case(
        "pl330",
        "not killed",
        without(DOCUMENTED["pl330"], "kill"),
        DATA,
        False,
        NEVER,
        "INTEN masks the event, not the transfers",
        "await-stopped",
        "confirm",
    ),
    case(
        "pl330",
        "stop not waited for",
        [*DOCUMENTED["pl330"][:3], ("read-back", 0)],
        DATA,
        False,
        NEVER,
        "a read-back pushes what was issued, not what sits in the write buffer",
        timing=Timing(pl330_write_buffer=exactly(5_000)),
    ),
    case(
        "pl330",
        "status says stopped while the buffer drains",
        DOCUMENTED["pl330"],
        DATA,
        False,
        ALWAYS,
        "the poll believes it (Linux 9e528c799d17 on another engine)",
        timing=Timing(pl330_write_buffer=exactly(9_000)),
        early=True,
    ),
    case(
        "pl330",
        "stopped state awaited before the kill",
        swapped(DOCUMENTED["pl330"], "kill", "await-stopped"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "the wait is in vain; what saves the order is the wait for idle at its end",
        "await-stopped",
    ),
    case(
        "pl330",
        "reset line alone",
        steps("soc-reset", "await-reset", "confirm"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "by default the reset cancels what is under way",
    ),
]

CAN = [
    case("can", "documented", DOCUMENTED["can"], NOTHING_LATE, False, ALWAYS, "m_can_stop"),
    case("can", "nothing", (), NOTHING_LATE, True, NEVER, "the bus goes on; it writes no memory"),
    case(
        "can",
        "interrupts disabled alone",
        steps("disable-interrupts"),
        NOTHING_LATE,
        False,
        NEVER,
        "the line stays low; the frames pile up inside",
    ),
    case(
        "can",
        "initialisation not waited for",
        steps("enter-initialization"),
        NOTHING_LATE,
        True,
        NEVER,
        "a frame that is under way is received and raises the line",
        timing=Timing(can_init_sync=exactly(200_000)),
    ),
    case(
        "can",
        "initialisation not entered",
        without(DOCUMENTED["can"], "enter-initialization"),
        NOTHING_LATE,
        False,
        NEVER,
        "INIT never reads 1",
        "await-initialization",
        "confirm",
    ),
    case(
        "can",
        "initialisation awaited before it is entered",
        swapped(DOCUMENTED["can"], "enter-initialization", "await-initialization"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "the wait is in vain; what saves the order is the wait for idle at its end",
        "await-initialization",
    ),
    case(
        "can",
        "interrupts not disabled",
        without(DOCUMENTED["can"], "disable-interrupts"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "a controller off the bus raises nothing, and its cause is cleared",
    ),
]

GENERIC = [
    case("policy", "documented", DOCUMENTED["policy"], NOTHING_LATE, False, ALWAYS, "assumed"),
    case("policy", "nothing", (), BOTH, True, NEVER, "operations under way end as ever"),
    case(
        "policy",
        "stop not waited for",
        steps("mask-interrupts", "stop", "read-back"),
        BOTH,
        False,
        NEVER,
        "its stop lets the current operation end",
    ),
    case(
        "policy",
        "stop at once, not waited for",
        steps("mask-interrupts", "stop", "read-back"),
        NOTHING_LATE,
        False,
        NEVER,
        "its stop breaks off, so the read-back is enough",
        stop="at-once",
    ),
    case(
        "policy",
        "wait for idle times out and is passed over",
        [("mask-interrupts", 0), ("stop", 0), ("await-idle", 1_000), ("read-back", 0)],
        BOTH,
        False,
        NEVER,
        "an operation takes longer than the bound",
        "await-idle",
    ),
    case(
        "policy",
        "idle awaited before the stop",
        swapped(DOCUMENTED["policy"], "stop", "await-idle"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "without further requests it gets idle but stays enabled; stop and reset follow",
        "await-idle",
    ),
    case(
        "policy",
        "function level reset alone",
        steps("function-level-reset", "await-ready", "confirm"),
        NOTHING_LATE,
        False,
        ALWAYS,
        "it resets as its own reset does, and takes bus mastering away",
    ),
]


@pytest.mark.parametrize("case", [*AHCI, *NVME, *XHCI, *PL330, *CAN, *GENERIC])
def test_what_comes_of_each_way_to_follow_a_procedure(case: Case) -> None:
    plan = WORKLOADS[case.kind] | case.plan
    timing = plan.pop("timing", BRISK)
    work_ns, watch_ns = SHORT.get(case.kind, (4 * MS, 12 * MS))
    if plan.pop("early", False):
        plan["traits"] = Traits(says_stopped_early=True)
    late: set[str] = set()
    failed: set[str] = set()
    confirmed: set[bool] = set()
    has_interrupt = False
    for choices in all_choices(7):
        bench = Bench(case.kind, choices, timing=timing, **plan)
        outcome = bench.end(case.order, work_ns, watch_ns)
        late |= {event.content for event in outcome.late}
        has_interrupt |= bool(outcome.late_interrupts)
        confirmed.add(outcome.confirmed_ns is not None)
        failed |= {
            step for (step, _), done in zip(case.order, outcome.done, strict=True) if not done
        }
    assert late == case.late, case.because
    assert has_interrupt is case.interrupts, case.because
    assert failed == case.failed, case.because
    assert confirmed == {case.confirmed == ALWAYS}, case.because
