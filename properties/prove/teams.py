"""Who does the work of a proof in slices: this process, or several.

The work is cut in the same way either way: groups of slices, each explored up to the same number
of classes before all others have had their turn.  A task (group, limit) has one result, whoever
does it, and results are taken in the order of the groups; those behind the first broken claim are
thrown away.  So the verdict and all numbers are the same for any number of processes.

Processes are forked, so that a model, which cannot be pickled, need not be.  Where there is no
fork, this process does all.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, NamedTuple, Protocol

from ...model.dense.step import Pick, Step
from .prove import Explorable, Progress, Proof, Search
from .symmetry import twin_proof

MakeModel = Callable[[int], Explorable]
"""Makes the model of a slice, by its number."""


class Task(NamedTuple):
    """A group of slices to explore.

    Attributes:
        slices: Their numbers; the first is proved, and may stand for the others.
        max_classes: For each of them.
        seconds: For each of them, beside what was spent on it before.
        is_final: Whether no more classes will be allowed.
    """

    slices: tuple[int, ...]
    max_classes: int
    seconds: float
    is_final: bool


class Found(NamedTuple):
    """What is known of a slice.

    Attributes:
        proof: So far.
        twin_of: The slice that was proved in its place; -1 if it was explored itself.
        is_over: Whether nothing is left to explore.
    """

    proof: Proof
    twin_of: int
    is_over: bool


Result = dict[int, Found]
Report = Callable[[Progress], None]


class Team(Protocol):
    """Does tasks."""

    def results(self, tasks: Sequence[Task]) -> Iterator[Result]:
        """Give what is found, in the order of the tasks."""
        ...

    def close(self) -> None:
        """Stop whatever is still under way."""
        ...


def team_of(make: MakeModel, jobs: int, progress: Report | None) -> Team:
    """Return a team of so many processes."""
    if jobs > 1 and "fork" in multiprocessing.get_all_start_methods():
        return Processes(make, jobs, progress)
    return Alone(make, progress)


class Alone:
    """This process does everything, and remembers how far it has come."""

    def __init__(self, make: MakeModel, progress: Report | None) -> None:
        self._make = make
        self._progress = progress
        self._searches: dict[int, Search] = {}
        self._twins: dict[int, Found | None] = {}

    def results(self, tasks: Sequence[Task]) -> Iterator[Result]:
        """Do each task when its result is asked for."""
        for task in tasks:
            yield self.do(task)

    def do(self, task: Task) -> Result:
        """Do one task: the first slice, and as soon as it is proved the others."""
        first, *others = task.slices
        found = {first: self._explore(first, task)}
        if found[first].proof.verdict == "proved":
            for number in others:
                found[number] = self._twin(number, first) or self._explore(number, task)
                if found[number].proof.verdict == "violated":
                    break
        return found

    def _twin(self, number: int, first: int) -> Found | None:
        if number not in self._twins:
            proof = twin_proof(self._searches[first], self._make(number))
            self._twins[number] = None if proof is None else Found(proof, first, is_over=True)
        return self._twins[number]

    def _explore(self, number: int, task: Task) -> Found:
        search = self._searches.get(number)
        if search is None:
            search = self._searches[number] = Search(self._make(number))
        seconds = search.elapsed_s + task.seconds
        proof = search.run(task.max_classes, seconds, self._progress)
        is_over = not search.frontier or search.is_decided
        if task.is_final or search.elapsed_s >= seconds:
            proof = search.explained(proof)
        return Found(proof, -1, is_over)

    def close(self) -> None:
        """Nothing is under way."""


class Processes:
    """Several processes, each of which remembers what it has done.

    A task that comes to another process than before is done there from the beginning; the result
    is the same.
    """

    def __init__(self, make: MakeModel, jobs: int, progress: Report | None) -> None:
        self._progress = progress
        self._others = set(multiprocessing.active_children())
        self._pool = ProcessPoolExecutor(
            jobs, multiprocessing.get_context("fork"), _begin_work, (make,)
        )
        self._futures: list[Future[Result]] = []

    def results(self, tasks: Sequence[Task]) -> Iterator[Result]:
        """Do all tasks at once, and give the results in order."""
        futures = self._futures = [self._pool.submit(_work, task) for task in tasks]
        for future in futures:
            result = {number: _mapped(found, _linked) for number, found in future.result().items()}
            if self._progress is not None:
                proofs = [found.proof for found in result.values()]
                self._progress(_progress_of(proofs, sum(not each.done() for each in futures)))
            yield result

    def close(self) -> None:
        """End the processes: what they are still doing is no longer needed."""
        busy = [each for each in self._futures if not each.cancel() and not each.done()]
        if busy:
            for process in set(multiprocessing.active_children()) - self._others:
                process.terminate()
        # The pool waits for its processes itself; nobody else may, or both miss their end.
        self._pool.shutdown(wait=True)


_worker: Alone | None = None
"""What a forked process works with."""


def _begin_work(make: MakeModel) -> None:
    global _worker  # noqa: PLW0603 - a process of a pool has no other place for what it keeps
    # The process that began it all hears of an interrupt and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = Alone(make, None)


def _work(task: Task) -> Result:
    assert _worker is not None
    return {number: _mapped(found, _packed) for number, found in _worker.do(task).items()}


def _progress_of(proofs: Iterable[Proof], waiting: int) -> Progress:
    found = list(proofs)
    return Progress(
        sum(proof.classes for proof in found),
        waiting,
        max(proof.depth for proof in found),
        sum(proof.elapsed_s for proof in found),
    )


def _mapped(found: Found, change: Callable[[Any], Any]) -> Found:
    """Return what was found with every path written in another way."""
    proof = found.proof
    ranges = {
        name: each._replace(least_by=change(each.least_by), greatest_by=change(each.greatest_by))
        for name, each in proof.ranges.items()
    }
    faults = tuple(fault._replace(step=change(fault.step)) for fault in proof.faults)
    return found._replace(proof=proof._replace(ranges=ranges, faults=faults))


Path = tuple[tuple[int, int, tuple[Pick, ...]], ...]


def _packed(step: Step) -> Path:
    """Return a path as plain data: links would be pickled one inside the other, too deep."""
    path = []
    at: Step | None = step
    while at is not None:
        path.append((at.part, at.position, at.picks))
        at = at.parent
    return tuple(reversed(path))


def _linked(path: Path) -> Step:
    step = None
    for part, position, picks in path:
        step = Step(step, part, position, picks)
    assert step is not None
    return step
