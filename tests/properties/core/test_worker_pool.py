"""Work that is shared out to processes gives the results that one process gives."""

import multiprocessing
import signal
from collections.abc import Generator
from contextlib import closing
from functools import partial

import pytest

from quiesce.properties.core.worker_pool import WorkerPool, can_fork, results_in_order


def doubled(item: int) -> int:
    return 2 * item


@pytest.mark.parametrize("jobs", [1, 3])
def test_results_come_in_the_order_of_the_items(jobs: int) -> None:
    assert list(results_in_order(doubled, range(7), jobs)) == [0, 2, 4, 6, 8, 10, 12]


def test_one_process_works_only_on_what_is_asked_for() -> None:
    done: list[int] = []
    with closing(results_in_order(done.append, [1, 2, 3], 1)) as results:
        next(results)
    assert done == [1]


@pytest.mark.skipif(not can_fork(), reason="workers are forked")
def test_forked_workers_need_not_be_pickled() -> None:
    offset = 5

    def shifted(item: int) -> int:
        return item + offset

    assert list(results_in_order(shifted, [1, 2], 2, forks=True)) == [6, 7]


@pytest.mark.skipif(not can_fork(), reason="workers are forked")
def test_results_that_are_not_taken_leave_no_process_behind() -> None:
    def endless(item: int) -> int:
        while item:
            pass
        return item

    with closing(results_in_order(endless, [0, 1, 1, 1], 2, forks=True)) as results:
        assert next(results) == 0
    assert not multiprocessing.active_children()


def interrupted(item: int) -> int:
    # Only the process that began it all hears of an interrupt.
    signal.raise_signal(signal.SIGINT)
    return item


def test_workers_do_not_hear_of_an_interrupt() -> None:
    assert list(results_in_order(interrupted, [1, 2], 2)) == [1, 2]


def failing(wrong: int, item: int) -> int:
    if item == wrong:
        raise ValueError(item)
    return item


def test_an_error_in_a_worker_is_raised_where_the_result_is_taken() -> None:
    results: Generator[int, None, None] = results_in_order(partial(failing, 2), [1, 2, 3], 2)
    assert next(results) == 1
    with pytest.raises(ValueError, match="2"):
        next(results)


def test_what_has_not_begun_is_dropped_when_the_pool_is_left() -> None:
    with WorkerPool(doubled, 1) as pool:
        first = pool.submit(4)
        assert first.result() == 8
    with pytest.raises(RuntimeError):
        pool.submit(5)
