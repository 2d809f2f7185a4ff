"""Makes a run that violates a property small enough to read.

First the system shrinks: VMs, devices, faults, work. Then the choices shrink: whole kinds of delay
to their least, then single answers. At last the shrinker groups the events of each component, as
far as their causes allow. It moves a delay to an end of its span if fewer changes of component then
lead to the violation.

The result is 1-minimal: no single further step of these kinds leaves a run that violates the same
property. If the bound on attempts was hit, the result says so. The order of steps is fixed, so the
same run always shrinks to the same result.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

import msgspec

from ...model.base.choices import ChoicePoint, Choices, Guided, by_label
from ...model.base.errors import BoundHit
from ...model.plan.system_plan import SystemPlan
from ...model.trace.events import DmaRequested, RequestSubmitted, Trace
from ..check import check
from .smaller_plans import cost, smaller

__all__ = ["Shrunk", "events_to_read", "shrink", "sizes"]

Run = Callable[[SystemPlan, Choices], Trace]

Answers = Mapping[str, tuple[int, ...]]
"""The answers of each label, in order."""

ATTEMPTS_MAX = 4_000
"""The bound on runs; the shrinker then stops with the smallest run so far."""

_SUBMITS = (RequestSubmitted, DmaRequested)


class Shrunk(msgspec.Struct, frozen=True):
    """A small run that violates a property.

    Attributes:
        plan: The system.
        choices: The answers, for a replay.
        property: Name of the property that it violates.
        attempts: How many runs the shrinker made.
        is_minimal: Whether no single further step is possible; False if the bound was hit.
        events: Records up to the violation.
        events_to_read: Records from the last submit before the violation to it.
    """

    plan: SystemPlan
    choices: tuple[ChoicePoint, ...]
    property: str
    attempts: int
    is_minimal: bool
    events: int
    events_to_read: int


def shrink(
    plan: SystemPlan,
    choices: tuple[ChoicePoint, ...],
    name: str,
    run: Run,
    attempts_max: int = ATTEMPTS_MAX,
) -> Shrunk:
    """Return a small run that violates the same property.

    Args:
        plan: The plan of a run that violates the property.
        choices: The answers of that run.
        name: Name of the property.
        run: Makes a run.
        attempts_max: Bound on the number of runs.

    Raises:
        AssertionError: If the given run does not violate the property.
    """
    shrinker = _Shrinker(plan, by_label(choices), name, run, attempts_max)
    assert shrinker.found is not None, f"the run does not violate {name}"
    is_minimal = shrinker.work()
    trace, log = shrinker.found
    at = _violated_at(trace, name)
    assert at is not None
    return Shrunk(
        plan=shrinker.plan,
        choices=log,
        property=name,
        attempts=shrinker.attempts,
        is_minimal=is_minimal,
        events=at + 1,
        events_to_read=events_to_read(trace, at),
    )


def events_to_read(trace: Trace, violation: int) -> int:
    """Return how many records stand between the last submit before a violation and the violation.

    A submit is a request that a guest's driver makes of a device.
    """
    for index in range(violation, -1, -1):
        if isinstance(trace.records[index].event, _SUBMITS):
            return violation - index
    return violation


def _violated_at(trace: Trace, name: str) -> int | None:
    (verdict,) = check(trace, (name,))
    return min((each.index for each in verdict.violations), default=None)


class _Enough(Exception):
    """The bound on attempts is hit."""


class _Shrinker:
    """Keeps the smallest run so far, and tries smaller ones."""

    def __init__(
        self, plan: SystemPlan, answers: Answers, name: str, run: Run, attempts_max: int
    ) -> None:
        self.plan = plan
        self.answers = answers
        self.attempts = 0
        self.found: tuple[Trace, tuple[ChoicePoint, ...]] | None = None
        self._name = name
        self._run = run
        self._attempts_max = attempts_max
        self._weight: tuple[int, ...] = ()
        self._try(plan, answers)

    def work(self) -> bool:
        """Shrink until no step helps; returns False if the bound on attempts stopped it."""
        try:
            while self._pass():
                pass
        except _Enough:
            return False
        return True

    def _pass(self) -> bool:
        """Try every step once more; returns whether any step helped."""
        before = self._weight
        self._shrink_plan()
        self._shrink_labels()
        self._shrink_answers()
        self._disentangle()
        return self._weight < before

    def _shrink_plan(self) -> None:
        """Take the first smaller plan that still fails, and start over with it."""
        progress = True
        while progress:
            progress = any(self._try(plan, self.answers) for plan in smaller(self.plan))

    def _shrink_labels(self) -> None:
        for label in sorted(self.answers):
            if any(self.answers.get(label, ())):
                self._try(self.plan, {**self.answers, label: ()})

    def _shrink_answers(self) -> None:
        for label in sorted(self.answers):
            # Sizes halve from all answers of a label down to single answers.
            size = max(1, len(self.answers.get(label, ())) // 2)
            while True:
                for start in range(0, len(self.answers.get(label, ())), size):
                    self._clear(label, start, size)
                if size == 1:
                    break
                size //= 2

    def _clear(self, label: str, start: int, size: int) -> None:
        values = self.answers.get(label, ())
        piece = values[start : start + size]
        if not any(piece):
            return
        cleared = (*values[:start], *([0] * len(piece)), *values[start + size :])
        if not self._try(self.plan, {**self.answers, label: cleared}) and len(piece) == 1:
            self._lower(label, start, piece[0])

    def _lower(self, label: str, at: int, value: int) -> None:
        """Find by halving a smaller answer in this place that still violates the property."""
        too_low = 0
        while value - too_low > max(1, value // 64):
            middle = (too_low + value) // 2
            if self._try(self.plan, self._changed(label, at, middle)):
                value = middle
            else:
                too_low = middle

    # Invariant: the smallest run so far violates the property; only `_try` replaces it.

    def _changed(self, label: str, at: int, value: int) -> Answers:
        values = self.answers.get(label, ())
        return {**self.answers, label: (*values[:at], value, *values[at + 1 :])}

    def _disentangle(self) -> None:
        """Move single delays to the end of their spans where that leaves fewer changes of lane."""
        assert self.found is not None
        trace, log = self.found
        at = _violated_at(trace, self._name)
        assert at is not None
        seen: dict[str, int] = {}
        for label, bound, value in log:
            place = seen.get(label, 0)
            seen[label] = place + 1
            if value != bound - 1:
                self._try(self.plan, self._changed(label, place, bound - 1))

    def _try(self, plan: SystemPlan, answers: Answers) -> bool:
        """Take a run if it violates the property and is smaller than the smallest so far."""
        if self.attempts >= self._attempts_max:
            raise _Enough
        self.attempts += 1
        choices = Guided(answers)
        try:
            trace = self._run(plan, choices)
        except BoundHit:
            return False
        at = _violated_at(trace, self._name)
        if at is None:
            return False
        log = tuple(choices.log)
        weight = self._weigh(plan, trace, at, log)
        if self._weight and weight >= self._weight:
            return False
        self.plan, self.answers = plan, by_label(log)
        self.found, self._weight = (trace, log), weight
        return True

    @staticmethod
    def _weigh(
        plan: SystemPlan, trace: Trace, at: int, log: tuple[ChoicePoint, ...]
    ) -> tuple[int, ...]:
        """Return the sizes to be minimised, the most important first."""
        parts, faults, work = cost(plan)
        delays = sum(value != 0 for _, _, value in log)
        bits = sum(value.bit_length() for _, _, value in log)
        return (
            parts,
            faults,
            events_to_read(trace, at),
            at,
            work,
            _switches(trace, at),
            delays,
            bits,
        )


def _switches(trace: Trace, at: int) -> int:
    """Return how often two records next to each other, up to an index, have different sources."""
    sources = [record.source for record in trace.records[: at + 1]]
    return sum(one != other for one, other in pairwise(sources))


def sizes(shrunk: Shrunk) -> Iterator[str]:
    """Give the sentences that say how small a run is."""
    minimal = (
        "1-minimal: no single step makes it smaller"
        if shrunk.is_minimal
        else (f"not known to be minimal: stopped after {shrunk.attempts} attempts")
    )
    yield minimal
    yield f"{shrunk.events} events, {shrunk.events_to_read} of them from the last submit on"
