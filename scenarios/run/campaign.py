"""Many runs of one scenario: chunks over processes, progress, and an end at any moment.

A campaign may stop at any moment: its counts are always a valid verdict on the runs made so far.
"""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from ...model.machine.system import run
from ...properties.core.worker_pool import WorkerPool
from ...properties.search.fuzz import (
    CHUNK,
    Campaign,
    FuzzTask,
    done_chunks,
    fuzz_chunk,
    keep,
    replayed,
)

__all__ = ["CampaignResult", "Effort", "carry_out"]

CampaignProgress = Callable[[Campaign, float], None]
"""Called after each chunk with the campaign so far and the seconds that it took."""


_HOME = "HYPOTHESIS_STORAGE_DIRECTORY"
"""Where Hypothesis keeps its caches, if the user says so."""


class Effort(msgspec.Struct, frozen=True):
    """Bounds and resources of a campaign.

    Attributes:
        examples: Runs in all, those of earlier campaigns with this seed included; 0 for no bound.
        seconds: After which to stop; 0 for no bound.
        jobs: Processes.
        database: Folder of the example database; None to remember nothing.
    """

    examples: int
    seconds: int = 0
    jobs: int = 1
    database: Path | None = None


class CampaignResult(msgspec.Struct, frozen=True):
    """A finished or stopped campaign.

    Attributes:
        campaign: What was found.
        seconds: How long it took, rounded up.
        resumed: How many of the runs an earlier campaign had made.
        tried_again: How many runs were repeated because they had violated something before; they
            are not counted among the runs.
        was_stopped: Whether the user stopped it.
    """

    campaign: Campaign
    seconds: float
    resumed: int
    tried_again: int
    was_stopped: bool


def carry_out(search: FuzzTask, effort: Effort, progress: CampaignProgress) -> CampaignResult:
    """Run a campaign to its end, its last second, or the user's interrupt."""
    from hypothesis.database import (  # noqa: PLC0415 - heavy
        DirectoryBasedExampleDatabase,
        InMemoryExampleDatabase,
    )

    begun = time.monotonic()
    database = (
        DirectoryBasedExampleDatabase(effort.database)
        if effort.database
        else InMemoryExampleDatabase()
    )
    campaign = Campaign()
    before = replayed(search, run, database)
    campaign.findings |= before.findings
    done = done_chunks(search, database)
    wanted = range(-(-effort.examples // CHUNK)) if effort.examples else None
    for number in sorted(done):
        if wanted is None or number in wanted:
            campaign.absorb(done[number])
    resumed = campaign.tally.runs
    # Invariant: `campaign` has whole chunks and, if stopped, the finished runs of the others.
    was_stopped = False
    todo = _chunks(effort.examples, done)
    deadline = begun + effort.seconds if effort.seconds else None

    def finished(number: int, part: Campaign) -> None:
        campaign.absorb(part)
        # Only a whole chunk is kept: a later campaign skips its number.
        if part.tally.runs == CHUNK:
            keep(search, number, part, database)
        progress(campaign, time.monotonic() - begun)

    try:
        work = _in_process if effort.jobs == 1 else _in_processes
        with _hypothesis_home():
            work(search, todo, finished, deadline, effort.jobs)
    except KeyboardInterrupt:
        was_stopped = True
    seconds = time.monotonic() - begun
    return CampaignResult(campaign, seconds, resumed, before.tally.runs, was_stopped)


@contextmanager
def _hypothesis_home() -> Iterator[None]:
    """Let Hypothesis keep its caches in a temporary folder, and not in that of the user."""
    from hypothesis.configuration import set_hypothesis_home_dir  # noqa: PLC0415 - heavy

    if _HOME in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="quiesce-") as folder:
        # Invariant: worker processes start inside this block. Forked ones inherit the setting,
        # and spawned ones the environment.
        set_hypothesis_home_dir(folder)
        os.environ[_HOME] = folder
        try:
            yield
        finally:
            del os.environ[_HOME]
            set_hypothesis_home_dir(None)


def _chunks(examples: int, done: dict[int, Campaign]) -> Iterator[tuple[int, int]]:
    """Yield number and size of each chunk that no earlier campaign has done."""
    number = 0
    while not examples or number * CHUNK < examples:
        if number not in done:
            yield number, min(CHUNK, examples - number * CHUNK) if examples else CHUNK
        number += 1


Finished = Callable[[int, Campaign], None]


def _in_process(
    search: FuzzTask,
    todo: Iterator[tuple[int, int]],
    finished: Finished,
    deadline: float | None,
    jobs: int,  # noqa: ARG001 - one
) -> None:
    for number, examples in todo:
        seconds = 0.0
        if deadline is not None:
            seconds = deadline - time.monotonic()
            if seconds <= 0:
                return
        part = Campaign()
        try:
            fuzz_chunk(search, run, number, examples=examples, seconds=seconds, campaign=part)
        finally:
            finished(number, part)


def _in_processes(
    search: FuzzTask,
    todo: Iterator[tuple[int, int]],
    finished: Finished,
    deadline: float | None,
    jobs: int,
) -> None:
    with WorkerPool(partial(_chunk, search), jobs) as pool:
        running: dict[Future[Campaign], int] = {}
        try:
            while True:
                now = time.monotonic()
                # Two chunks for each process, so that none waits for the parent.
                while len(running) < 2 * jobs and (deadline is None or now < deadline):
                    task = next(todo, None)
                    if task is None:
                        break
                    seconds = 0.0 if deadline is None else deadline - now
                    future = pool.submit((*task, seconds))
                    running[future] = task[0]
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    finished(running.pop(future), future.result())
        except KeyboardInterrupt:
            pool.close()
            for future, number in running.items():
                if future.done() and not future.cancelled():
                    finished(number, future.result())
            raise


def _chunk(search: FuzzTask, task: tuple[int, int, float]) -> Campaign:
    number, examples, seconds = task
    return fuzz_chunk(search, run, number, examples=examples, seconds=seconds)
