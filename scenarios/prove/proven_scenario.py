"""A proof together with the runs that the ordinary kernel made of its findings."""

import msgspec

from ...model.plan.system_plan import SystemPlan
from .attained_distances import AttainedDistance
from .proof import Found
from .sliced_proof import ScenarioProof
from .windows_and_budgets import WindowsAndBudgets

__all__ = ["ProvenScenario"]


class ProvenScenario(msgspec.Struct, frozen=True):
    """A proof with the runs that belong to it.

    Attributes:
        proof: What was found.
        plan: Of which system.
        seconds: How long it took.
        example: The counterexample, if a property is violated: with the fewest events, or, if
            the search was cut short, the run of a sample.
        violated: The property that it violates, or an empty string.
        unfinished: A sentence for each run of the sample that was given up.
        others: Runs that violate other properties, by their names.
        distances: With runs that attain them.
        more: Unsafe windows and budgets, if they were asked for.
    """

    proof: ScenarioProof
    plan: SystemPlan
    seconds: float
    example: Found | None = None
    violated: str = ""
    unfinished: tuple[str, ...] = ()
    others: dict[str, Found] = {}
    distances: tuple[AttainedDistance, ...] = ()
    more: WindowsAndBudgets | None = None

    @property
    def was_stopped(self) -> bool:
        """Whether the user stopped any part of it."""
        return self.proof.was_stopped or (self.more is not None and self.more.was_stopped)
