"""Keeps the verdicts of many runs in little memory, and merges them to one verdict per property.

The result is what `verdict.combined` makes of the same verdicts, however many runs there were. It
does not depend on how the runs were split into parts.
"""

from collections.abc import Iterable

import msgspec

from ...model.trace.events import Trace
from ..core.exercise import Exercise, exercises_of, together
from ..core.verdict import VIOLATIONS_KEPT, Severity, Verdict, Violation, Word, most_alarming, worst
from ..registry import PROPERTIES

UNFINISHED = "the run hit its bound of events and was given up"
"""The reason of an inconclusive property in a run that did not end."""


class Count(msgspec.Struct):
    """What many runs said of a property.

    Attributes:
        runs: How many runs said each word.
        reasons: The first reason for each word.
        antecedents: The sum over all runs.
        severity: The worst severity.
        violations: The first violations.
        violation_count: How many violations there were.
    """

    runs: dict[Word, int] = {}
    reasons: dict[Word, str] = {}
    antecedents: int = 0
    severity: Severity = "none"
    violations: list[Violation] = []
    violation_count: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count the verdict of a run."""
        word = verdict.verdict
        self.runs[word] = self.runs.get(word, 0) + 1
        self.reasons.setdefault(word, verdict.reason)
        self.antecedents += verdict.antecedents
        if verdict.violation_count:
            self.severity = worst((self.severity, verdict.severity))
            self.violation_count += verdict.violation_count
            self._keep(verdict.violations)

    def absorb(self, other: "Count") -> None:
        """Add the counts of another part, whose runs come after these."""
        for word, runs in other.runs.items():
            self.runs[word] = self.runs.get(word, 0) + runs
            self.reasons.setdefault(word, other.reasons[word])
        self.antecedents += other.antecedents
        self.severity = worst((self.severity, other.severity))
        self.violation_count += other.violation_count
        self._keep(other.violations)

    def _keep(self, violations: Iterable[Violation]) -> None:
        self.violations += list(violations)[: VIOLATIONS_KEPT - len(self.violations)]

    def verdict(self, name: str) -> Verdict:
        """Return the verdict over all runs."""
        word = most_alarming(self.runs)
        total = sum(self.runs.values())
        return Verdict(
            property=name,
            verdict=word,
            severity=self.severity,
            antecedents=self.antecedents,
            reason=f"{word} in {self.runs[word]} of {total} runs; first: {self.reasons[word]}",
            violations=tuple(self.violations),
            violation_count=self.violation_count,
        )


class Tally(msgspec.Struct):
    """The counts of all properties.

    Attributes:
        runs: How many runs there were.
        violated: How many runs violated a property.
        unfinished: How many runs hit a bound; they show nothing.
        counts: The count of each property, by name.
        exercises: What the runs put to the test between them.
    """

    runs: int = 0
    violated: int = 0
    unfinished: int = 0
    counts: dict[str, Count] = {}
    exercises: tuple[Exercise, ...] = ()

    def add(self, verdicts: Iterable[Verdict], trace: Trace | None = None) -> frozenset[str]:
        """Count a run; returns the names of the properties that it violates.

        Args:
            verdicts: The verdicts on the run.
            trace: The trace of the run; None if its exercise is not wanted.
        """
        self.runs += 1
        if trace is not None and not (
            self.exercises and all(each.is_whole for each in self.exercises)
        ):
            self.exercises = together((self.exercises, exercises_of(trace)))
        violated = []
        for verdict in verdicts:
            count = self.counts.get(verdict.property)
            if count is None:
                count = self.counts[verdict.property] = Count()
            count.add(verdict)
            if verdict.violation_count:
                violated.append(verdict.property)
        self.violated += bool(violated)
        return frozenset(violated)

    def add_unfinished(self) -> None:
        """Count a run that hit a bound: each property is inconclusive in it."""
        self.runs += 1
        self.unfinished += 1

    def absorb(self, other: "Tally") -> None:
        """Add the counts of another part."""
        self.runs += other.runs
        self.unfinished += other.unfinished
        self.violated += other.violated
        self.exercises = together((self.exercises, other.exercises))
        for name, count in other.counts.items():
            self.counts.setdefault(name, Count()).absorb(count)

    def verdicts(self) -> tuple[Verdict, ...]:
        """Return one verdict for each property; none holds in a run that hit a bound."""
        if not self.unfinished:
            return tuple(count.verdict(name) for name, count in self.counts.items())
        given_up = Count({"inconclusive": self.unfinished}, {"inconclusive": UNFINISHED})
        verdicts = []
        for name in self.counts or PROPERTIES:
            count = Count()
            if name in self.counts:
                count.absorb(self.counts[name])
            count.absorb(given_up)
            verdicts.append(count.verdict(name))
        return tuple(verdicts)
