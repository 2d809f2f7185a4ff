"""Searches for violations by drawing: many runs of one system, each with other choices.

A campaign is a row of chunks. Each chunk is a Hypothesis run with its own seed. Chunks can
therefore be made in any process and in any order; the result depends on the campaign's seed only. A
run is one draw of bytes: habits for the choices (see `Biased`), and an instant at which the guest
dies.

A Hypothesis example database keeps the violations and the finished chunks. A campaign with the same
seed continues where it stopped, and first repeats the runs with violations.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import ExampleDatabase
from msgspec.structs import replace

from ...model.base.choices import Biased, ChoicePoint, Choices, Earliest, Latest, Nominal
from ...model.base.clock import exactly
from ...model.base.errors import BoundHit
from ...model.plan.system_plan import SystemPlan
from ...model.trace.events import TerminationBegun, Trace
from ..check import check
from ..core.durations import Durations
from ..generate.byte_draws import ByteDraws
from ..generate.drawn_plans import with_moved_end
from ..registry import PROPERTIES
from .tally import Tally

__all__ = [
    "CHUNK",
    "Campaign",
    "FuzzTask",
    "FuzzViolation",
    "Unfinished",
    "confidence",
    "fuzz_chunk",
    "instants_of",
]

Run = Callable[[SystemPlan, Choices], Trace]
"""Makes a run: the engine knows no model."""

CHUNK = 100
"""How many runs lie between two checks of the clock and the database."""

_MOVE_BYTES = 8
_SIZE = Biased.SIZE + _MOVE_BYTES

_NOT_INSTANTS = frozenset(
    {
        *("ObservationEnded", "OutsideEnded", "StillUnderWay"),
        *("TerminationBegun", "EndNotObeyed", "GuestEnded", "SignalSent"),
        *("RestartRequested", "RestartGivenUp"),
    }
)
"""Events that follow from an end, or from the end of the run; no end can wait for them."""


_OBSERVER = "run"
"""The source of events about the observation, not about the system."""


class FuzzViolation(msgspec.Struct, frozen=True):
    """A run that violates something.

    Attributes:
        plan: The system that was run; its end may lie elsewhere than in the given system.
        choices: The answers.
        properties: Names of the violated properties.
        data: The bytes that it was drawn from.
    """

    plan: SystemPlan
    choices: tuple[ChoicePoint, ...]
    properties: tuple[str, ...]
    data: bytes


class Unfinished(msgspec.Struct, frozen=True):
    """A run that hit a bound and was stopped.

    Attributes:
        plan: The system that was run.
        data: The bytes that its choices follow from, as `Biased` takes them.
        reason: Which bound it hit, and which process does not end.
    """

    plan: SystemPlan
    data: bytes
    reason: str


class Campaign(msgspec.Struct):
    """The results of a campaign so far.

    Attributes:
        tally: The verdicts of all runs.
        findings: The first run for each set of properties that were violated together.
        durations: How long the teardowns took.
        unfinished: The first run that hit a bound; `tally` counts all of them.
    """

    tally: Tally = msgspec.field(default_factory=Tally)
    findings: dict[str, FuzzViolation] = {}
    durations: Durations = msgspec.field(default_factory=Durations)
    unfinished: Unfinished | None = None

    def give_up(self, run: Unfinished) -> None:
        """Count a run that did not end."""
        self.tally.add_unfinished()
        self.unfinished = self.unfinished or run

    def absorb(self, other: "Campaign") -> None:
        """Add the results of another part."""
        self.tally.absorb(other.tally)
        self.durations.absorb(other.durations)
        self.unfinished = self.unfinished or other.unfinished
        for key, finding in other.findings.items():
            self.findings.setdefault(key, finding)


class OutOfTime(BaseException):
    """The time is up; not an `Exception`, so that no handler takes it for a failure of a run."""


class FuzzTask(msgspec.Struct, frozen=True):
    """The system to fuzz, and how.

    Attributes:
        plan: The system.
        seed: The seed of the whole campaign.
        moves_end: Whether other instants of death are drawn than the plan's own.
        properties: Names of the properties to judge by; None for all.
    """

    plan: SystemPlan
    seed: int = 0
    moves_end: bool = True
    properties: tuple[str, ...] | None = None

    def key(self, kind: str) -> bytes:
        """Return the key of this task in an example database."""
        digest = hashlib.sha256(msgspec.json.encode(self)).hexdigest()
        return f"quiesce.fuzz.{kind}.{digest}".encode()


def instants_of(plan: SystemPlan, run: Run) -> tuple[tuple[str, int], ...]:
    """Return the types of event of the first VM's life, and how many of each come in any timing.

    They are counted in runs in which no guest ends, up to the instant at which the plan's own end
    begins: an event that only an end brings never comes to a guest that waits for it.  A timing
    whose run hits its bound counts nothing.  If all do, no end but the plan's own is drawn.
    """
    common: dict[str, int] | None = None
    for timing in (Nominal, Earliest, Latest):
        try:
            counts = _counts_of_life(plan, run, timing)
        except BoundHit:
            continue
        if common is None:
            common = counts
        common = {
            name: min(count, counts[name]) for name, count in common.items() if name in counts
        }
    return tuple(sorted((common or {}).items()))


def _counts_of_life(plan: SystemPlan, run: Run, timing: Callable[[], Choices]) -> dict[str, int]:
    """Return how many events of each type come before the plan's own end, if no guest ends."""
    records = run(plan, timing()).records
    until_ns = next(
        (each.at_ns for each in records if isinstance(each.event, TerminationBegun)),
        records[-1].at_ns,
    )
    counts: dict[str, int] = {}
    for record in run(_without_ends(plan, until_ns), timing()).records:
        name = type(record.event).__name__
        is_of_life = record.at_ns <= until_ns and record.source != _OBSERVER
        if is_of_life and name not in _NOT_INSTANTS:
            counts[name] = counts.get(name, 0) + 1
    return counts


def _without_ends(plan: SystemPlan, until_ns: int) -> SystemPlan:
    """Return the plan in which all guests live until an instant at least."""
    vms = tuple(replace(vm, end=None, then=(), restart=False) for vm in plan.vms)
    return replace(plan, vms=vms, observe=exactly(until_ns))


class _Cases:
    """Turns drawn bytes into runs and counts them."""

    def __init__(self, task: FuzzTask, run: Run) -> None:
        self._task = task
        self._run = run
        self._instants = instants_of(task.plan, run) if task.moves_end else ()
        self.campaign = Campaign()

    def try_out(self, data: bytes) -> bool:
        """Make and judge the run that these bytes mean; returns whether it violates anything."""
        choices = Biased(data[: Biased.SIZE])
        plan = with_moved_end(self._task.plan, ByteDraws(data[Biased.SIZE :]), self._instants)
        try:
            trace = self._run(plan, choices)
        except BoundHit as hit:
            self.campaign.give_up(Unfinished(plan, data[: Biased.SIZE], str(hit)))
            return False
        self.campaign.durations.add(trace)
        violated = self.campaign.tally.add(check(trace, self._task.properties), trace)
        if violated:
            # In the order in which properties are listed, what matters most first.
            names = tuple(name for name in PROPERTIES if name in violated)
            finding = FuzzViolation(plan, tuple(choices.log), names, data)
            self.campaign.findings.setdefault(" ".join(names), finding)
        return bool(violated)


def fuzz_chunk(
    task: FuzzTask,
    run: Run,
    number: int,
    *,
    examples: int = CHUNK,
    seconds: float = 0,
    stop_at_first: bool = False,
    campaign: Campaign | None = None,
) -> Campaign:
    """Make the runs of one chunk and return what they showed.

    Args:
        task: What is searched.
        run: Makes a run.
        number: Of the chunk, from 0; the runs follow from it and the seed.
        examples: How many runs.
        seconds: When to stop at the latest; 0 for never.
        stop_at_first: Whether to stop at the first violation.
        campaign: What to add to; it is right at any moment, an interrupt in between included.
    """
    cases = _Cases(task, run)
    if campaign is not None:
        cases.campaign = campaign
    until = time.monotonic() + seconds

    def case(data: bytes) -> None:
        if cases.campaign.tally.runs >= limit:
            raise OutOfTime
        found = cases.try_out(data)
        if (found and stop_at_first) or (seconds and time.monotonic() >= until):
            raise OutOfTime

    limit = cases.campaign.tally.runs + examples
    drawn: Any = given(st.binary(min_size=_SIZE, max_size=_SIZE))(case)
    body = seed(task.seed * 1_000_003 + number)(_settings(examples)(drawn))
    with contextlib.suppress(OutOfTime):
        body()
    return cases.campaign


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=False,
        print_blob=False,
    )


def replayed(task: FuzzTask, run: Run, database: ExampleDatabase) -> Campaign:
    """Return what the runs show that earlier campaigns with any seed have found."""
    cases = _Cases(task, run)
    for data in sorted(database.fetch(_any_seed(task).key("found"))):
        cases.try_out(data)
    return cases.campaign


def done_chunks(task: FuzzTask, database: ExampleDatabase) -> dict[int, Campaign]:
    """Return the chunks of this campaign that were finished before, with what they showed."""
    found = {}
    for data in database.fetch(task.key("done")):
        number, campaign = msgspec.msgpack.decode(data, type=tuple[int, Campaign])
        found[number] = campaign
    return found


def keep(task: FuzzTask, number: int, campaign: Campaign, database: ExampleDatabase) -> None:
    """Write a finished chunk to the database, and what it found where any seed looks first."""
    database.save(task.key("done"), msgspec.msgpack.encode((number, campaign)))
    for finding in campaign.findings.values():
        database.save(_any_seed(task).key("found"), finding.data)


def _any_seed(task: FuzzTask) -> FuzzTask:
    return msgspec.structs.replace(task, seed=0)


def confidence(runs: int) -> str:
    """Return what so many clean runs say, with the rule of three (95 %).

    Example:
        >>> confidence(3000)
        'with 95% confidence at most 1 run in 1001 that are drawn like these violates anything'
    """
    # ln 20 = 2.9957: (1 - p)^n = 0.05 at p = 2.9957 / n, nearly, and never less than this.
    rare = runs * 10_000 // 29_958
    if rare < 2:
        return f"{runs} clean runs say nothing about how rare a violation is"
    return (
        f"with 95% confidence at most 1 run in {rare} that are drawn like these violates anything"
    )
