"""What proofs, runs and the oracle say of one system, compared."""

from collections import Counter
from typing import NamedTuple

from quiesce.model.base.choices import Earliest, Latest, Nominal, Seeded
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.trace.events import Trace
from quiesce.properties.check import check
from quiesce.properties.prove.system_proof import Limits
from quiesce.properties.registry import TEARDOWN
from quiesce.scenarios.prove.proof import counterexample, prove_plan
from quiesce.scenarios.resolve.resolve import ResolvedScenario

from .oracle import JUDGED, broken

CLASSES_MAX = 12_000


class Outcome(NamedTuple):
    """What came of one system.

    Attributes:
        disagreements: In words; empty if all agree.
        words: What proofs say, by property.
        found: In how many runs the oracle finds each property broken.
    """

    disagreements: list[str]
    words: dict[str, str]
    found: Counter[str]


def compared(plan: SystemPlan, runs: int) -> Outcome:
    """Prove each property, look at so many runs, and compare.

    Three must agree: what the properties say of a run with what the oracle says of it; what is
    proved with every run; and what is refuted with what the oracle says of the counterexample.
    """
    disagreements: list[str] = []
    words = _proved(plan, disagreements)
    found: Counter[str] = Counter()
    for choices in (Nominal(), Earliest(), Latest(), *map(Seeded, range(runs))):
        trace = run(plan, choices)
        names = broken(trace)
        found.update(names)
        if names != (judged := _judged(trace)):
            disagreements.append(f"{choices}: properties {judged}, oracle {names}")
        disagreements += [
            f"{choices}: {name} is broken, and was proved ({words[name]})"
            for name in names
            if words[name] in {"holds", "vacuous"}
        ]
    return Outcome(disagreements, words, found)


def _judged(trace: Trace) -> set[str]:
    return {each.property for each in check(trace, list(JUDGED)) if each.verdict == "violated"}


def _proved(plan: SystemPlan, disagreements: list[str]) -> dict[str, str]:
    """Return the word of each property; a violation ends a search, so others are asked again."""
    words: dict[str, str] = {}
    names = list(JUDGED)
    while names:
        kinds = tuple(TEARDOWN[name] for name in names)
        proof = prove_plan(plan, kinds, Limits(CLASSES_MAX), is_measured=False)
        refuted = [name for name in names if proof.findings[name].word == "violated"]
        for name in refuted:
            trace = counterexample(
                ResolvedScenario(plan, (), {}, ()), plan, proof, name
            ).result.trace
            if name not in broken(trace):
                disagreements.append(f"the counterexample to {name} breaks {broken(trace)}")
            words[name] = "violated"
        names = [name for name in names if name not in refuted]
        if not refuted:
            words |= {name: proof.findings[name].word for name in names}
            break
    return words
