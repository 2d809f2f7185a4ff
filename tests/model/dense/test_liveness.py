"""Dead locals, told from the bytecode of generators like those of the model."""

from collections.abc import Callable, Generator
from types import GeneratorType, SimpleNamespace
from typing import Any

import pytest

from quiesce.model.dense import liveness
from quiesce.model.dense.encoder import Encoder
from quiesce.model.dense.interning import Tokens
from quiesce.model.dense.liveness import dead_locals
from quiesce.model.dense.state_errors import UntestedInterpreterError

Steps = Generator[str, Any, Any]


def dead_at(steps: Steps, *, after: int = 1) -> set[str]:
    """Return the dead locals of a generator after so many of its `yield`s, those without a value
    included."""
    for _ in range(after):
        next(steps)
    assert isinstance(steps, GeneratorType)
    assert steps.gi_frame is not None
    return set(dead_locals(steps.gi_code, steps.gi_frame.f_lasti))


def test_what_a_loop_gets_anew_in_each_round_is_dead_between_the_rounds() -> None:
    def serve(inbox: list[str]) -> Steps:
        while True:
            yield "wait"
            request = inbox.pop()
            yield request
            inbox.append(request)

    assert dead_at(serve(["a"])) == {"request"}
    assert dead_at(serve(["a"]), after=2) == set()
    assert dead_at(serve(["a"]), after=3) == {"request"}


def test_what_is_read_on_one_way_only_is_live() -> None:
    def choose(flag: bool, first: int, second: int, third: int) -> Steps:
        yield "wait"
        if flag:
            yield str(first)
        else:
            yield str(second)

    assert dead_at(choose(True, 1, 2, 3)) == {"third"}
    assert dead_at(choose(True, 1, 2, 3), after=2) == {"flag", "first", "second", "third"}


def test_what_a_clean_up_reads_is_live_where_the_process_can_be_killed() -> None:
    def guarded(log: list[str], name: str) -> Steps:
        yield "before"
        try:
            yield "wait"
        finally:
            log.append(name)

    assert dead_at(guarded([], "x")) == set()
    assert dead_at(guarded([], "x"), after=2) == set()


def test_what_an_except_clause_reads_is_live_though_the_straight_way_sets_it_anew() -> None:
    def retried(log: list[int], count: int) -> Steps:
        try:
            yield "wait"
            count = 0
            yield "again"
        except ValueError:
            log.append(count)

    assert "count" not in dead_at(retried([], 1))


def test_a_loop_over_a_sequence_keeps_what_comes_after_it() -> None:
    def over(items: list[str], last: str) -> Steps:
        for item in items:
            yield item
        yield last

    assert dead_at(over(["a", "b"], "z")) == {"items", "item"}
    assert dead_at(over(["a"], "z"), after=2) == {"items", "item", "last"}


def test_what_an_inner_function_sees_is_never_dead() -> None:
    def outer(seen: str) -> Steps:
        def inner() -> str:
            return seen

        yield inner()

    assert "seen" not in dead_at(outer("x"))


def test_what_is_needed_after_yield_from_is_live_and_what_is_only_deleted_is_not() -> None:
    def inner() -> Steps:
        yield "wait"

    def outer(name: str, later: str) -> Steps:
        yield from inner()
        yield later + "."
        del name

    assert dead_at(outer("n", "l")) == {"name"}


def test_arguments_are_live_before_the_first_step() -> None:
    def unused(used: str, unused: str) -> Steps:
        yield used

    assert dead_at(unused("a", "b"), after=0) == {"unused"}


@pytest.mark.parametrize("at", [-2, 1, 100_000])
def test_at_no_known_instruction_nothing_is_dead(at: int) -> None:
    def steps(unused: str) -> Steps:
        yield "wait"

    make: Callable[[str], Steps] = steps
    assert dead_locals(make.__code__, at) == frozenset()


@pytest.mark.parametrize(
    ("implementation", "version", "free_threaded", "name"),
    [
        ("cpython", (3, 10), 0, "cpython 3.10"),
        ("cpython", (3, 14), 0, "cpython 3.14"),
        ("cpython", (3, 13), 1, "free-threaded cpython 3.13"),
        ("pypy", (3, 11), 0, "pypy 3.11"),
    ],
)
def test_an_interpreter_without_a_test_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
    implementation: str,
    version: tuple[int, int],
    free_threaded: int,
    name: str,
) -> None:
    running = SimpleNamespace(
        implementation=SimpleNamespace(name=implementation), version_info=version
    )
    monkeypatch.setattr(liveness, "sys", running)
    built = {"Py_GIL_DISABLED": free_threaded}
    monkeypatch.setattr(liveness, "sysconfig", SimpleNamespace(get_config_var=built.get))
    with pytest.raises(UntestedInterpreterError, match=rf"tested under {name}; use CPython 3\.11"):
        Encoder({}, {}, Tokens())
