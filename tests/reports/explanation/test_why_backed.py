"""Every clause of every sentence is backed by records that show what it says.

Sentences are made for the shipped scenarios, for every mutant in each of its designs, and for other
timings of both; `clause_checker` knows nothing of how they are made.
"""

from collections import Counter
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Choices, Latest, Nominal, Seeded
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.trace.events import Trace
from quiesce.properties.check import judge
from quiesce.properties.core.verdict import Violation
from quiesce.reports.core.clauses import Clause
from quiesce.reports.core.findings import findings_of
from quiesce.reports.explanation.why import clauses_of
from quiesce.scenarios.format.shipped import shipped_names
from quiesce.scenarios.mutants.mutants import BY_NAME, MUTANTS, designs
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.run.runner import run_scenario, usual_choices

from .clause_checker import faults_of

Explained = tuple[Trace, Violation, tuple[Clause, ...]]

SEEDS = 2


def clauses_of_trace(trace: Trace) -> Iterator[Explained]:
    """Give the clauses about the first violation of each finding of a trace."""
    for finding in findings_of(trace, judge(trace)):
        violation = finding.first
        if 0 <= violation.index < len(trace.records):
            yield trace, violation, clauses_of(trace, violation)


def clauses_of_shipped(name: str) -> Iterator[Explained]:
    scenario = resolved(name)
    yield from clauses_of_trace(run_scenario(scenario, *usual_choices(scenario)).trace)
    for seed in range(SEEDS):
        yield from clauses_of_trace(run(scenario.plan, Seeded(seed)))


def clauses_of_mutant(name: str) -> Iterator[Explained]:
    correct = designs()
    for design, change in BY_NAME[name].changes.items():
        plan: SystemPlan = change(correct[design])
        timings: list[Choices] = [Nominal(), Latest(), Seeded(1)]
        for choices in timings:
            yield from clauses_of_trace(run(plan, choices))


def unbacked(explained: Iterator[Explained]) -> list[str]:
    return [
        fault
        for trace, violation, clauses in explained
        for clause in clauses
        for fault in faults_of(trace, violation, clause)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_names())
def test_each_clause_about_a_shipped_scenario_is_backed(name: str) -> None:
    assert unbacked(clauses_of_shipped(name)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [mutant.name for mutant in MUTANTS])
def test_each_clause_about_a_mutant_is_backed(name: str) -> None:
    assert unbacked(clauses_of_mutant(name)) == []


@pytest.mark.slow
def test_a_clause_that_points_elsewhere_is_not_backed() -> None:
    """The checker can fail: with its records moved by one, nearly every clause is refused."""
    seen: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for name in MISPLACED:
        for trace, violation, clauses in clauses_of_shipped(name):
            for clause in clauses:
                seen[clause.kind] += 1
                moved = tuple(index + 1 for index in clause.records)
                missed[clause.kind] += not faults_of(
                    trace, violation, replace(clause, records=moved)
                )
    assert len(seen) > 25
    assert {kind for kind in seen if missed[kind] == seen[kind]} <= NEVER_MISSED
    assert 10 * missed.total() < seen.total()


MISPLACED = (
    "nic-crash-bare",
    "nic-crash-restart",
    "bug-b03-back-to-host-domain",
    "bug-b08-stale-tlb",
    "bug-b20-health-recovery",
    "bug-b23-unstoppable",
    "bug-b30-line-over-kexec",
    "bug-b46-remapping-entry",
    "bug-b52-reset-not-awaited",
    "blk-drain-timeout-released",
    "gic-edge-latched",
    "its-discard-not-synced",
    "ioapic-late-unmask",
    "vtd-no-drain",
    "worker-cancelled",
    "atc-answer-late",
)

NEVER_MISSED = frozenset({"no-iommu", "iommu-not-programmed"})
"""What these say is true wherever they point."""


def test_a_clause_without_a_record_cannot_be_made() -> None:
    with pytest.raises(AssertionError, match="nothing backs"):
        Clause("went-on", "it went on", ())


def test_a_clause_of_an_unknown_kind_is_not_backed() -> None:
    trace, violation, clauses = next(clauses_of_shipped("nic-crash-bare"))
    strange = replace(clauses[0], kind="hearsay")
    assert faults_of(trace, violation, strange) == ["no check for clauses of the kind 'hearsay'"]
