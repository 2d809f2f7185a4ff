"""The proof of a scenario, in slices where its devices fall into groups, else as a whole.

A slice has every run of the whole as its group sees it, and more (`plan_slices`).  So:

- A property *holds* of the whole if it holds in every slice, for a violation is about the devices
  of one group and the hubs; and it is *vacuous* if it is so in every slice.
- How long a VM takes to end is seen in every slice.  No run of the whole is beyond the tightest of
  the bounds found, so the *bound on a teardown* is kept if one slice keeps it.
- What violates a property in a slice is tried in the whole: the same run, with all other devices as
  fast as they can be, by the ordinary kernel.  If that does not violate it, the whole is searched
  with the time that is left.  What is shown is always a run of the whole.
- A *distance* is measured in the slice of whom it is about.  The values are bounds for the whole;
  whether they are attained there is tried in the same way.

Groups with callbacks come first; how long these take is measured, and no more than that is assumed
of them in the other slices, and in these groups' own, once more, if several have callbacks.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from ...model.base.clock import Span
from ...model.dense.slice_kernel import InfluenceError
from ...model.plan.independence import IndependentGroups
from ...model.plan.system_plan import SystemPlan
from ...properties.core.monitor import Property
from ...properties.core.verdict import Word
from ...properties.prove.counterexample import NotReplayedError
from ...properties.prove.judging import decisive
from ...properties.prove.search_results import Tell
from ...properties.prove.system_proof import Limits, SystemProof
from ..resolve.resolve import ResolvedScenario
from .plan_slices import CallbackName, PlanSlice, callback_measure, callbacks_of, slice_of
from .proof import Found, bounds_of, measures_of, prove_plan, run_path
from .slice_exploration import explore_all
from .slice_results import Explored, Extreme, Shown, explored_of
from .waits import OpenStates

__all__ = [
    "Bounds",
    "InfluenceError",
    "ScenarioProof",
    "in_whole",
    "prove_in_slices",
    "prove_whole",
]


class Bounds(NamedTuple):
    """What is known of a distance in all runs of the whole system.

    Attributes:
        name: Of the distance.
        least: It is never shorter.
        greatest: It is never longer.
    """

    name: str
    least: Extreme
    greatest: Extreme


class ScenarioProof(NamedTuple):
    """What has been found out about a scenario.

    Attributes:
        findings: By property.
        distances: Those that occur in some run.
        parts: What was explored: the whole, or slices, and then the whole if need be.
        examples: For each property that is violated a run of the whole that does so, as far as
            one is known; those that end a search first.
        is_whole: Whether every run was covered.
        is_sliced: Whether slices were explored.
        was_stopped: Whether the user stopped it.
        why_whole: Why there are no slices although they were wanted, or an empty string.
        proof: Of the whole system, if it was explored.
    """

    findings: dict[str, Shown]
    distances: tuple[Bounds, ...]
    parts: tuple[Explored, ...]
    examples: dict[str, Found]
    is_whole: bool
    is_sliced: bool = False
    was_stopped: bool = False
    why_whole: str = ""
    proof: SystemProof | None = None

    @property
    def example(self) -> tuple[str, Found] | None:
        """The first of the examples, with the property that it violates."""
        return next(iter(self.examples.items()), None)

    @property
    def is_endless(self) -> bool:
        """Whether some run stands still for ever before its end."""
        return any(part.is_endless for part in self.parts)

    @property
    def classes(self) -> int:
        """How many classes were explored in all."""
        return sum(part.classes for part in self.parts)

    @property
    def states(self) -> int:
        """How many states they belong to, those of each slice counted for themselves."""
        return sum(part.states for part in self.parts)

    @property
    def frontier(self) -> int:
        """How many classes were not followed."""
        return sum(part.frontier for part in self.parts)

    @property
    def depth(self) -> int:
        """Events of the longest path."""
        return max((part.depth for part in self.parts), default=0)

    @property
    def model_runs(self) -> int:
        """How often the model was run from its beginning."""
        return sum(part.model_runs for part in self.parts)


def prove_whole(
    scenario: ResolvedScenario,
    plan: SystemPlan,
    kinds: Sequence[type[Property]],
    limits: Limits,
    tell: Tell | None = None,
    *,
    why_whole: str = "",
    states: OpenStates | None = None,
) -> ScenarioProof:
    """Judge every run of a plan, explored as one whole.

    Args:
        scenario: Whose plan it is.
        plan: The system and its run.
        kinds: The properties.
        limits: When to give up.
        tell: Called now and then with how far it has come.
        why_whole: Why there are no slices, for the reader.
        states: Those known of plans that differ from this one in the length of waits alone.

    Raises:
        NotReplayedError: If a counterexample does not replay: our bug.
    """
    proof = prove_plan(plan, kinds, limits, tell, states=states)
    part = explored_of(proof)
    examples = {}
    for name, shown in part.findings.items():
        if shown.path is not None:
            found = in_whole(scenario, plan, name, shown, is_of_slice=False)
            if found is None:
                raise NotReplayedError(name)
            examples[name] = found
    distances = tuple(Bounds(name, *each) for name, each in part.distances.items())
    return ScenarioProof(
        part.findings,
        distances,
        (part,),
        _in_order(kinds, examples),
        proof.is_whole,
        was_stopped=proof.was_stopped,
        why_whole=why_whole,
        proof=proof,
    )


def prove_in_slices(
    scenario: ResolvedScenario,
    plan: SystemPlan,
    kinds: Sequence[type[Property]],
    groups: IndependentGroups,
    limits: Limits,
    tell: Tell | None = None,
    jobs: int = 1,
) -> ScenarioProof:
    """Judge every run of a plan, one group of devices after the other.

    Args:
        scenario: Whose plan it is.
        plan: The system and its run.
        kinds: The properties.
        groups: Of the plan; at least two.
        limits: Of each slice, and of the whole if it has to be searched.
        tell: Called now and then with how far it has come.
        jobs: How many processes share the work; the result does not depend on it.

    Raises:
        InfluenceError: If one group is found to influence another.
    """
    found = _Found()
    try:
        _explore(found, scenario, plan, kinds, groups, limits, tell, jobs)
    except KeyboardInterrupt:
        found.was_stopped = True
    proof = _together(plan, kinds, groups, found)
    doubted = [
        name
        for name, shown in proof.findings.items()
        if shown.path is not None and name not in found.examples
    ]
    if found.has_ended or found.was_stopped or not doubted:
        return proof
    whole = prove_whole(scenario, plan, kinds, limits, tell)
    return _decided_by_whole(kinds, proof, whole, doubted)


class _Found:
    """What has been found so far.

    Attributes:
        parts: What slices have shown, by the number of the group.
        examples: Runs of the whole by the property that each violates.
        measured: How long callbacks take.
        has_ended: Whether a violation has ended the search.
        was_stopped: Whether the user has.
    """

    def __init__(self) -> None:
        self.parts: dict[int, Explored] = {}
        self.examples: dict[str, Found] = {}
        self.measured: dict[CallbackName, Span] = {}
        self.has_ended = False
        self.was_stopped = False


def _explore(
    found: _Found,
    scenario: ResolvedScenario,
    plan: SystemPlan,
    kinds: Sequence[type[Property]],
    groups: IndependentGroups,
    limits: Limits,
    tell: Tell | None,
    jobs: int,
) -> None:
    """Explore the slices with callbacks, then all others and what was assumed too freely."""
    numbers = range(len(groups.groups))
    ending = {kind.name for kind in decisive(kinds)}
    first = [number for number in numbers if callbacks_of(plan, groups, number)]
    done: dict[int, PlanSlice] = {}
    for wave in (first, numbers):
        slices = [slice_of(plan, groups, number, found.measured) for number in wave]
        slices = [each for each in slices if done.get(each.number) != each]
        later = len(numbers) - len(first) if wave is first else 0
        with closing(explore_all(slices, kinds, limits, tell, jobs, later)) as team:
            for sliced, part in zip(slices, team, strict=False):
                found.parts[part.number], done[part.number] = part, sliced
                found.measured |= _measured(plan, groups, part)
                found.examples |= _examples(scenario, plan, kinds, part)
                found.was_stopped = part.was_stopped
                found.has_ended = bool(ending & found.examples.keys()) and not part.is_whole
                if found.has_ended or found.was_stopped:
                    return


def _in_order(kinds: Sequence[type[Property]], examples: dict[str, Found]) -> dict[str, Found]:
    """Return the examples, those of properties that end a search first."""
    ending = {kind.name for kind in decisive(kinds)}
    return dict(sorted(examples.items(), key=lambda item: item[0] not in ending))


def in_whole(
    scenario: ResolvedScenario, plan: SystemPlan, name: str, shown: Shown, *, is_of_slice: bool
) -> Found | None:
    """Return the run of the whole system along a path, if it violates a property."""
    assert shown.path is not None, "what is tried has a path"
    chosen = f"a run with the fewest events that violates {name}"
    if is_of_slice:
        chosen = f"a run that does what violates {name} in a slice, the fewest events of it"
    result = run_path(scenario, plan, shown.path, chosen, is_of_slice=is_of_slice)
    words = {each.property: each.verdict for each in result.judgement.verdicts}
    return Found(result, shown.events) if words.get(name) == "violated" else None


def _examples(
    scenario: ResolvedScenario, plan: SystemPlan, kinds: Sequence[type[Property]], part: Explored
) -> dict[str, Found]:
    """Return runs of the whole that do what violates properties in a slice."""
    found = {}
    for kind in kinds:
        shown = part.findings[kind.name]
        if shown.path is not None:
            example = in_whole(scenario, plan, kind.name, shown, is_of_slice=True)
            if example is not None:
                found[kind.name] = example
    return found


def _measured(
    plan: SystemPlan, groups: IndependentGroups, part: Explored
) -> dict[CallbackName, Span]:
    """Return how long the callbacks of a group take, if all its runs were covered."""
    names = {
        callback_measure(plan, name).name: name for name in callbacks_of(plan, groups, part.number)
    }
    return {
        names[told]: Span(least.ns, greatest.ns)
        for told, (least, greatest) in part.distances.items()
        if told in names
    }


# Putting slices together.


def _together(
    plan: SystemPlan, kinds: Sequence[type[Property]], groups: IndependentGroups, found: _Found
) -> ScenarioProof:
    parts = tuple(found.parts[number] for number in sorted(found.parts))
    has_all = len(parts) == len(groups.groups)
    findings = {}
    for kind in kinds:
        shown = [part.findings[kind.name] for part in parts]
        if not has_all:
            shown.append(Shown("inconclusive", _STOPPED if found.was_stopped else _UNFINISHED))
        findings[kind.name] = _one_of(kind, shown, kind.name in found.examples)
    is_whole = has_all and all(part.is_whole for part in parts)
    return ScenarioProof(
        findings,
        tuple(_bounds(plan, parts)) if is_whole else (),
        parts,
        _in_order(kinds, found.examples),
        is_whole,
        is_sliced=True,
        was_stopped=found.was_stopped,
    )


_STOPPED = "the user stopped it before all was explored"
_UNFINISHED = "the search ended at the violation of another property; ask for this one alone"


def _one_of(kind: type[Property], shown: Sequence[Shown], is_confirmed: bool) -> Shown:
    """Return what slices have found out about a property together."""
    by_word = {each.word: each for each in reversed(shown)}
    order: tuple[Word, ...] = ("violated", "inconclusive", "holds", "vacuous")
    if kind.compares_times and not is_confirmed:
        # Every slice has every duration of the whole, so that one which keeps the bound decides;
        # one that was cut short may be that one.
        order = ("holds", "inconclusive", "violated", "vacuous")
    return next(by_word[word] for word in order if word in by_word)


def _bounds(plan: SystemPlan, parts: Sequence[Explored]) -> Iterator[Bounds]:
    """Give what is known of each distance by all slices."""
    for measure in (*bounds_of(plan), *measures_of(plan)):
        found = [part.distances[measure.name] for part in parts if measure.name in part.distances]
        if not found:
            continue
        least, greatest = (list(each) for each in zip(*found, strict=True))
        tightest = min(greatest, key=lambda each: each.ns)
        if measure.bound_ns is not None:
            yield Bounds(measure.name, max(least, key=lambda each: each.ns), tightest)
        else:
            # The first piece of memory is released for the first of the groups that see it.
            yield Bounds(measure.name, min(least, key=lambda each: each.ns), tightest)


def _decided_by_whole(
    kinds: Sequence[type[Property]],
    sliced: ScenarioProof,
    whole: ScenarioProof,
    doubted: Sequence[str],
) -> ScenarioProof:
    """Return what the search of the whole says of what slices alone violate."""
    findings = dict(sliced.findings)
    for name in doubted:
        findings[name] = whole.findings[name]
        if findings[name].word == "inconclusive":
            findings[name] = Shown("inconclusive", _unconfirmed(sliced, name))
    for name, shown in whole.findings.items():
        if findings[name].word == "inconclusive" and name not in doubted:
            findings[name] = shown
    distances = whole.distances if whole.is_whole else sliced.distances
    return ScenarioProof(
        findings,
        distances,
        (*sliced.parts, *whole.parts),
        _in_order(kinds, sliced.examples | whole.examples),
        whole.is_whole,
        is_sliced=True,
        was_stopped=whole.was_stopped,
        proof=whole.proof,
    )


def _unconfirmed(sliced: ScenarioProof, name: str) -> str:
    part = next(part for part in sliced.parts if part.findings[name].path is not None)
    why = f" ({'; '.join(part.guesses)})" if part.guesses else ""
    return (
        f"the slice of {part.name} violates it, but no run of the whole was found that does; what "
        f"the slice assumes of the other devices may be the reason{why}"
    )
