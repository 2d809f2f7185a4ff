"""Scores mutants, and over all of them also the properties and the controls."""

from collections.abc import Sequence
from typing import NamedTuple

from .cases import Mutant
from .mutant_scores import CONTROLS, ControlScore, Score, score_control, scores, sole_killers
from .mutants import MUTANTS

__all__ = ["ScoredSuite", "score_mutants"]


class ScoredSuite(NamedTuple):
    """The scores of some mutants or of all.

    Attributes:
        mutants: That were tried, in order.
        scores: What became of each, by its name.
        sole_killers: For each property of a teardown the cases that it alone notices; empty
            unless all mutants were tried.
        controls: What became of each control; empty unless all mutants were tried.
    """

    mutants: tuple[Mutant, ...]
    scores: dict[str, Score]
    sole_killers: dict[str, tuple[str, ...]]
    controls: dict[str, ControlScore]

    @property
    def is_whole(self) -> bool:
        """Whether all mutants were tried."""
        return len(self.mutants) == len(MUTANTS)

    @property
    def survivors(self) -> list[str]:
        """The mutants that the properties do not notice."""
        return [name for name, score in self.scores.items() if not score.is_killed]

    @property
    def condemned_controls(self) -> list[str]:
        """The controls that a property condemns, or that did not come about."""
        return [name for name, control in self.controls.items() if not control.passes]


def score_mutants(mutants: Sequence[Mutant], jobs: int = 1) -> ScoredSuite:
    """Try mutants in all their cases and return which properties notice each.

    Args:
        mutants: To be tried.
        jobs: Processes.
    """
    found = scores([mutant.name for mutant in mutants], jobs)
    # Invariant: only a suite with all mutants shows which property is needed, and tries controls.
    is_whole = len(mutants) == len(MUTANTS)
    needed = sole_killers(found) if is_whole else {}
    controls = {each.name: score_control(each) for each in CONTROLS} if is_whole else {}
    return ScoredSuite(tuple(mutants), found, needed, controls)
