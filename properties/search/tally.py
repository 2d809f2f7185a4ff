"""The verdicts of many runs, kept in little memory and merged into one verdict per property.

What comes out is what `verdict.combined` makes of the same verdicts, however many there were, and
whether they were counted in one go or in parts.
"""

from collections.abc import Iterable

import msgspec

from ...model.trace.events import Trace
from ..core.exercise import Exercise, exercises_of, together
from ..core.verdict import VIOLATIONS_KEPT, Severity, Verdict, Violation, Word, most_alarming, worst
from ..registry import PROPERTIES

UNFINISHED = "the run hit its bound of events and was given up"
"""Why a property is inconclusive in a run that did not end."""


class Count(msgspec.Struct):
    """What many runs said of one property.

    Attributes:
        runs: How many runs said each word.
        reasons: The first reason for each word.
        antecedents: Over all runs.
        severity: The worst.
        violations: The first of them.
        violation_count: How many there were.
    """

    runs: dict[Word, int] = {}
    reasons: dict[Word, str] = {}
    antecedents: int = 0
    severity: Severity = "none"
    violations: list[Violation] = []
    violation_count: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count one run."""
        word = verdict.verdict
        self.runs[word] = self.runs.get(word, 0) + 1
        self.reasons.setdefault(word, verdict.reason)
        self.antecedents += verdict.antecedents
        if verdict.violation_count:
            self.severity = worst((self.severity, verdict.severity))
            self.violation_count += verdict.violation_count
            self._keep(verdict.violations)

    def absorb(self, other: "Count") -> None:
        """Count the runs of another part as well, which come after these."""
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
        """Return the verdict on all the runs."""
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
        violated: In how many of them something was violated.
        unfinished: How many of them hit a bound and were given up; they show nothing.
        counts: By name of the property.
        exercises: What the runs put to the test between them.
    """

    runs: int = 0
    violated: int = 0
    unfinished: int = 0
    counts: dict[str, Count] = {}
    exercises: tuple[Exercise, ...] = ()

    def add(self, verdicts: Iterable[Verdict], trace: Trace | None = None) -> frozenset[str]:
        """Count one run; returns the names of the properties that it violates.

        Args:
            verdicts: On the run.
            trace: Of the run; None if it is of no interest what it put to the test.
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
        """Count one run that hit a bound: each property is inconclusive in it."""
        self.runs += 1
        self.unfinished += 1

    def absorb(self, other: "Tally") -> None:
        """Count the runs of another part as well."""
        self.runs += other.runs
        self.unfinished += other.unfinished
        self.violated += other.violated
        self.exercises = together((self.exercises, other.exercises))
        for name, count in other.counts.items():
            self.counts.setdefault(name, Count()).absorb(count)

    def verdicts(self) -> tuple[Verdict, ...]:
        """Return one verdict for each property; no property holds in a run that was given up."""
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
