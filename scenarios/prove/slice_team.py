"""Who explores slices: this process, or several.

Each slice is explored from its beginning to its end by whoever takes it, and results are taken in
the order of the slices; what comes behind the one that ends it all is thrown away.  So verdict
and numbers are the same for any number of processes.  Processes are forked; where there is no
fork, this process does all.
"""

import multiprocessing
import signal
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import NamedTuple

from ...properties.core.monitor import Property
from ...properties.prove.graph_search import Tell
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
        parts = sliced.chains.chains[sliced.number].parts
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
        tell: Told now and then how far this process has come.
        jobs: How many processes share the work.
        later: How many more slices will have to share the time.
    """
    jobs = min(jobs, len(slices))
    if jobs > 1 and "fork" in multiprocessing.get_all_start_methods():
        yield from _by_processes(_Work(slices, kinds, limits, None, jobs, later), jobs)
        return
    work = _Work(slices, kinds, limits, tell, 1, later)
    for position in range(len(slices)):
        yield work.do(position)


def _by_processes(work: _Work, jobs: int) -> Generator[Explored, None, None]:
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), _begin, (work,))
    futures: list[Future[Explored]] = []
    try:
        futures += [pool.submit(_do, position) for position in range(len(work.slices))]
        for future in futures:
            yield future.result()
    finally:
        busy = [each for each in futures if not each.cancel() and not each.done()]
        if busy:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
        # The pool waits for its processes itself; nobody else may, or both miss their end.
        pool.shutdown(wait=True)


_work: _Work | None = None
"""What a forked process has to do."""


def _begin(work: _Work) -> None:
    global _work  # noqa: PLW0603 - a process of a pool has no other place for what it keeps
    # The process that began it all hears of an interrupt and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _work = work


def _do(position: int) -> Explored:
    assert _work is not None
    return _work.do(position)
