"""Exploring slices in this process or in several.

One process explores a slice from its beginning to its end, and results are taken in the order of
the slices; what comes behind the one that ends the proof is thrown away.  So verdict and numbers
are the same for any number of processes.  Plans cannot be pickled, so processes are forked.
"""

import time
from collections.abc import Generator, Sequence
from typing import NamedTuple

from ...properties.core.monitor import Property
from ...properties.core.worker_pool import can_fork, results_in_order
from ...properties.prove.search_results import Tell
from ...properties.prove.system_proof import Limits, prove_system
from .plan_slices import PlanSlice, task_of
from .slice_results import Explored, explored_of

__all__ = ["explore_all"]


class _Work(NamedTuple):
    """What there is to do."""

    slices: Sequence[PlanSlice]
    kinds: Sequence[type[Property]]
    limits: Limits
    tell: Tell | None
    jobs: int
    later: int

    def do(self, position: int) -> Explored:
        """Explore one slice, in its share of the time that is left."""
        sliced = self.slices[position]
        now_s = time.monotonic()
        left = max(self.jobs, len(self.slices) - position + self.later)
        share_s = max(0.0, self.limits.deadline_s - now_s) * self.jobs / left
        limits = self.limits._replace(deadline_s=now_s + share_s)
        proof = prove_system(task_of(sliced, self.kinds), limits, self.tell)
        parts = sliced.groups.groups[sliced.number].parts
        return explored_of(proof, sliced.number, sliced.name, parts, sliced.guesses)


def explore_all(
    slices: Sequence[PlanSlice],
    kinds: Sequence[type[Property]],
    limits: Limits,
    tell: Tell | None,
    jobs: int,
    later: int = 0,
) -> Generator[Explored, None, None]:
    """Give what each slice shows, in their order; the user's interrupt ends it with what there is.

    Args:
        slices: To explore.
        kinds: The properties.
        limits: Of each slice.
        tell: Called now and then with how far this process has come.
        jobs: How many processes share the work.
        later: How many more slices will have to share the time.
    """
    jobs = min(jobs, len(slices)) if can_fork() else 1
    work = _Work(slices, kinds, limits, tell if jobs <= 1 else None, max(jobs, 1), later)
    yield from results_in_order(work.do, range(len(slices)), work.jobs, forks=True)
