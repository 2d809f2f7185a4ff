"""The judgement of a proof: verdicts, label, and the bounds within which they hold."""

from ...model.machine.system import header_of
from ...properties.core.exercise import CENTRAL, Exercise
from ...properties.core.verdict import Judgement, Verdict
from ..resolve.resolve import ResolvedScenario
from .proof import exercised
from .proof_extent import shortfall_in_words, slicing_in_words
from .proven_scenario import ProvenScenario
from .slice_results import Shown

__all__ = ["judgement_of_proof"]

_SETTLED = {"holds", "vacuous"}


def judgement_of_proof(
    scenario: ResolvedScenario, proven: ProvenScenario, *, any_instant: bool
) -> Judgement:
    """Return what the properties say of all runs, as far as the proof covered them.

    Args:
        scenario: What was proved.
        proven: What was found.
        any_instant: Whether each end was free to come at any instant.
    """
    exercises = exercised(scenario, proven.plan)
    return Judgement(
        scenario=proven.plan.name,
        label=_label(proven, exercises),
        bounds=tuple(_bounds(proven, any_instant=any_instant)),
        assumptions=scenario.assumptions + header_of(proven.plan).assumptions,
        verdicts=tuple(
            _verdict(name, finding, proven) for name, finding in proven.proof.findings.items()
        ),
        exercises=exercises,
    )


def _label(proven: ProvenScenario, exercises: tuple[Exercise, ...]) -> str:
    """Return what the search for a proof has come to; *proved* is said of nothing else."""
    words = {finding.word for finding in proven.proof.findings.values()}
    if "violated" in words or proven.violated:
        example = proven.example
        was_found_by_chance = example is not None and not example.events
        return "counterexample(sampled)" if was_found_by_chance else "counterexample(dense time)"
    if not proven.proof.is_whole:
        return "searched(dense time, cut short)"
    # Nothing is proved of a device that no run puts to the work that could break the claim.
    is_idle = any(not each.untested.isdisjoint(proven.proof.findings) for each in exercises)
    central = {each.word for name, each in proven.proof.findings.items() if name in CENTRAL}
    is_idle |= central == {"vacuous"}
    if is_idle or "holds" not in words or not words <= _SETTLED:
        return "searched(dense time)"
    return "proved(dense time)"


def _bounds(proven: ProvenScenario, *, any_instant: bool) -> list[str]:
    proof = proven.proof
    covered = (
        "every real-valued timing inside the spans, every order of what is due at one instant, and "
        "every answer to open questions that are not pinned"
    )
    end = "at any instant" if any_instant else "as the scenario has it"
    size = (
        f"{proof.classes} classes of {proof.states} states were explored; runs are followed to "
        "the end of the observation, however long they are"
    )
    bounds = [covered, f"the end comes {end}", size, *proven.unfinished]
    bounds += slicing_in_words(proof)
    if proof.was_stopped:
        words = {finding.word for finding in proof.findings.values()}
        left = "not all distances were measured" if words <= _SETTLED else "nothing is proved"
        bounds.append(f"stopped by the user; {left}")
        bounds += shortfall_in_words(proof)
    elif proven.example is not None and not proven.example.events:
        bounds.append(
            "the run that violates was found by sampling; the search for one with the fewest "
            "events was cut short"
        )
    elif not proof.is_whole and not proven.violated:
        bounds += shortfall_in_words(proof)
    if proof.is_endless:
        bounds.append("some run stands still for ever before its end")
    return bounds


def _verdict(name: str, finding: Shown, proven: ProvenScenario) -> Verdict:
    found = proven.example if name == proven.violated else proven.others.get(name)
    if found is not None:
        judged = found.result.judgement.verdicts
        return next(each for each in judged if each.property == name)
    return Verdict(
        property=name,
        verdict=finding.word,
        severity="none",
        antecedents=int(finding.word == "holds"),
        reason=finding.reason,
        violations=(),
        violation_count=0,
    )
