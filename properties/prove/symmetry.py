"""Slices that are alike are proved once, after it has been checked that they are alike.

Two models are *twins* if one search can stand for both.  What a search does depends on what the
model answers and on nothing else: the beginnings, what each event that it asks about does, how many
delays each form has and which forms are of a running stopwatch.  So the questions that the search
of one model has asked are put to the other, along the same path, in the same order; if all answers
are the same up to a one-to-one renaming of forms, the search of the other would be the same
step by step, and its result is known.  Names of components, delays and claims are free to differ;
that the code does not care for them is what the answers show.

The check runs the model's code as often as a proof would, and saves the search itself.  So that it
is not tried in vain, only slices of the same *shape* are compared: what the model looks like at
its beginning, with the names of the slice's components written as numbers.
"""

from collections.abc import Hashable, Sequence

from ...model.dense.step import Outcome, Step
from .prove import Asked, Explorable, Proof, Range, Search


def twin_proof(search: Search, other: Explorable) -> Proof | None:
    """Return the proof of another model, if the search of one can stand for both.

    Args:
        search: That has ended.
        other: The other model; its questions are asked here for the first time.
    """
    twin = _Twin(search.model, other)
    assert not search.faults, "what is broken is shown and not shared"
    return twin.proof(search) if twin.is_alike(search.beginnings, search.memory.asked) else None


class _Twin:
    """A comparison of two models."""

    def __init__(self, one: Explorable, other: Explorable) -> None:
        self._one = one
        self._other = other
        self._other_form: dict[int, int] = {}
        self._one_form: dict[int, int] = {}
        self._steps: dict[int, Step] = {}

    def is_alike(self, beginnings: Sequence[Outcome], asked: Sequence[Asked]) -> bool:
        """Return whether the other model gives the same answers to the same questions."""
        if not self._are_same(beginnings, self._other.beginnings()):
            return False
        one, other = self._one, self._other
        if len(one.part_names) != len(other.part_names):
            return False
        if one.first_stopwatch != other.first_stopwatch:
            return False
        return all(
            self._are_same(each.outcomes,
                           other.outcomes(self.step(each.step), each.part, each.position))
            for each in asked
        )  # fmt: skip

    def step(self, step: Step) -> Step:
        """Return a step of the other model; delays may have other names there."""
        path: list[Step] = []
        at: Step | None = step
        while at is not None and id(at) not in self._steps:
            path.append(at)
            at = at.parent
        found = None if at is None else self._steps[id(at)]
        for each in reversed(path):
            found = Step(found, each.part, each.position, each.picks)
            self._steps[id(each)] = found
        assert found is not None
        return found

    def _are_same(self, ones: Sequence[Outcome], others: Sequence[Outcome]) -> bool:
        return len(ones) == len(others) and all(
            self._is_same(one, other) for one, other in zip(ones, others, strict=True)
        )

    def _is_same(self, one: Outcome, other: Outcome) -> bool:
        if _plain(one, self._one) != _plain(other, self._other):
            return False
        pairs = zip(one.after, other.after, strict=True)
        return all(self._is_same_form(mine.form, its.form) for mine, its in pairs)

    def _is_same_form(self, mine: int, its: int) -> bool:
        is_new = mine not in self._other_form and its not in self._one_form
        if not is_new:
            return self._other_form.get(mine) == its and self._one_form.get(its) == mine
        self._other_form[mine], self._one_form[its] = its, mine
        one, other = self._one, self._other
        return one.wait_counts[mine] == other.wait_counts[its] and one.is_running(
            mine
        ) == other.is_running(its)

    def proof(self, search: Search) -> Proof:
        """Return what the search of the other model would have found."""
        found = search.proof()
        names = dict(zip(self._one.part_names, self._other.part_names, strict=True))
        ranges = {
            names[name]: Range(each.least_ns, each.greatest_ns,
                               self.step(each.least_by), self.step(each.greatest_by))
            for name, each in found.ranges.items()
        }  # fmt: skip
        return found._replace(classes=0, transitions=0, elapsed_s=0.0, ranges=ranges)


def _plain(outcome: Outcome, model: Explorable) -> Hashable:
    """Return what an outcome says without names and forms."""
    claims = model.claim_names
    return (
        tuple((bound, value) for _, bound, value in outcome.picks),
        tuple((each.part, each.waits) for each in outcome.after),
        outcome.is_last,
        tuple(claims.index(claim) for claim, _ in outcome.faults),
        outcome.readings,
    )
