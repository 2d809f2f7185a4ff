"""Worker processes: the one place where work is shared out to several of them.

Results come in the order of the items, whichever process made them. The output therefore does not
depend on the number of processes. Workers ignore an interrupt by the user; the parent process
handles it and ends the workers.
"""

import multiprocessing
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType
from typing import Any, Generic, TypeVar

__all__ = ["WorkerPool", "can_fork", "results_in_order"]

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

Work = Callable[[ItemT], ResultT]


class WorkerPool(Generic[ItemT, ResultT]):
    """Several processes that all do the same work on different items.

    Leaving the `with` block drops what has not begun.  What is under way is waited for, but that
    of forked workers is broken off.

    Args:
        work: What to do with an item.
        jobs: How many processes.
        forks: Whether workers are forked, so that `work` need not be pickled; see `can_fork`.
    """

    def __init__(self, work: Work[ItemT, ResultT], jobs: int, *, forks: bool = False) -> None:
        self._forks = forks
        self._others = set(multiprocessing.active_children())
        context = multiprocessing.get_context("fork") if forks else None
        self._pool = ProcessPoolExecutor(jobs, context, _begin, (work,))
        self._futures: list[Future[ResultT]] = []

    def submit(self, item: ItemT) -> "Future[ResultT]":
        """Have an item worked on."""
        future: Future[ResultT] = self._pool.submit(_do, item)
        self._futures.append(future)
        return future

    def __enter__(self) -> "WorkerPool[ItemT, ResultT]":
        """Return the pool."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the workers."""
        self.close()

    def close(self) -> None:
        """End the workers."""
        busy = [each for each in self._futures if not each.cancel() and not each.done()]
        if busy and self._forks:
            for process in set(multiprocessing.active_children()) - self._others:
                process.terminate()
        # The pool alone waits for its processes: if two wait, both miss the end.
        self._pool.shutdown(wait=True, cancel_futures=True)


def can_fork() -> bool:
    """Return whether workers can be forked on this platform."""
    return "fork" in multiprocessing.get_all_start_methods()


def results_in_order(
    work: Work[ItemT, ResultT], items: Sequence[ItemT], jobs: int, *, forks: bool = False
) -> Generator[ResultT, None, None]:
    """Give what some work makes of each item, in the order of the items.

    Args:
        work: What to do with an item; must be picklable unless `forks`.
        items: What to work on.
        jobs: How many processes; with one, this process does it all when a result is asked for.
        forks: Whether workers are forked; where that is not possible, this process does it all.
    """
    if jobs == 1 or len(items) <= 1 or (forks and not can_fork()):
        yield from map(work, items)
        return
    with WorkerPool(work, min(jobs, len(items)), forks=forks) as pool:
        for future in [pool.submit(item) for item in items]:
            yield future.result()


_work: Callable[[Any], Any] | None = None
"""What a worker process does."""


def _begin(work: Callable[[Any], Any]) -> None:
    global _work  # noqa: PLW0603 - a process of a pool has no other place for what it keeps
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _work = work


def _do(item: Any) -> Any:
    assert _work is not None
    return _work(item)
