"""Windows, budgets and margins against every integer timing of models drawn at random.

Fixing the instant of the moment, or a greatest length, at a whole number keeps all bounds whole;
so the integers suffice here as well.  What lies between them is seen by doubling all times.
`QUIESCE_DENSE_EXAMPLES=1000` draws that many.
"""

import os

import pytest
from hypothesis import assume, given, settings

from quiesce.model.dense.replay import replay
from quiesce.model.sim.delay_override import DelayOverride
from quiesce.properties.prove.budget import NoSuchWaitError
from quiesce.properties.prove.windows import Window
from quiesce.scenarios.prove import dense

from .small_models import (
    Act,
    Play,
    Program,
    brute_force,
    claim,
    distance,
    every_run,
    judged,
    moments,
    programs,
    unsafe_instants,
)

EXAMPLES = int(os.environ.get("QUIESCE_DENSE_EXAMPLES", "40"))
drawn = settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)


def windows(program: Program, *, in_parts: bool) -> dict[str, tuple[Window, ...]]:
    found = dense.windows(Play(program), [claim], moments(), in_parts=in_parts, seconds=20)
    assert found.reason == ""
    return found.by_moment


def doubled(act: Act) -> Act:
    first, second = ((2 * lo, 2 * hi) for lo, hi in (act.first, act.second))
    return act._replace(first=first, second=second)


def whole_instants(found: tuple[Window, ...]) -> set[int]:
    return {ns for window in found for ns in range(window.first_ns, window.last_ns + 1)}


@pytest.mark.slow
@drawn
@given(programs)
def test_windows_hold_exactly_the_instants_from_which_a_run_goes_wrong(program: Program) -> None:
    expected = unsafe_instants(Play(program))
    assume(expected is not None)
    assert expected is not None
    found = windows(program, in_parts=True)
    assert found == windows(program, in_parts=False)
    assert {name: whole_instants(each) for name, each in found.items()} == expected

    twice = tuple(tuple(map(doubled, acts)) for acts in program)
    found_twice = windows(twice, in_parts=True)
    assert found_twice == {
        name: tuple(Window(2 * first, 2 * last) for first, last in each)
        for name, each in found.items()
    }
    halves = unsafe_instants(Play(twice))
    if halves is not None:
        assert {name: whole_instants(each) for name, each in found_twice.items()} == halves


@pytest.mark.slow
@drawn
@given(programs)
def test_a_budget_is_the_last_bound_that_no_integer_timing_breaks(program: Program) -> None:
    play, name = Play(program), "a.wait"
    try:
        found = dense.budget(play, [claim], name, in_parts=True, seconds=20)
    except NoSuchWaitError:
        assume(False)
    again = dense.budget(play, [claim], name, in_parts=False, seconds=20)
    known = (found.verdict, found.largest_ns)
    assert known == (again.verdict, again.largest_ns)
    assert found.verdict in {"bounded", "unlimited", "violated"}
    for hi_ns in range(found.least_ns, found.least_ns + 5):
        counted = brute_force(DelayOverride(play, name, hi_ns))  # type: ignore[arg-type]
        if counted is None:
            break
        is_safe = found.verdict == "unlimited" or (
            found.largest_ns is not None and hi_ns <= found.largest_ns
        )
        assert counted.is_broken is not is_safe
    if found.limit is not None:
        # The run that it names keeps to one nanosecond more, and breaks the claim.
        beyond = (found.least_ns - 1 if found.largest_ns is None else found.largest_ns) + 1
        overridden = DelayOverride(play, name, beyond)
        assert judged(replay(overridden, *found.limit.schedule)[0])[0]


@pytest.mark.slow
@drawn
@given(programs)
def test_margins_and_bounds_are_attained_by_runs_that_repeat(program: Program) -> None:
    play = Play(program)
    counted = brute_force(play)
    assume(counted is not None)
    assert counted is not None
    for in_parts in (False, True):
        margin = dense.margins(play, [claim], in_parts=in_parts, seconds=20)[0]
        if counted.is_broken:
            assert margin.ns == 0
            assert margin.run is not None
            assert judged(replay(play, *margin.run)[0])[0]
        elif counted.bounds is None:
            assert margin.ns is None
        else:
            assert margin.ns == counted.bounds[0]
            assert margin.run is not None
            assert judged(replay(play, *margin.run)[0])[1][-1] == margin.ns

        answer = dense.prove(play, [], [distance], in_parts=in_parts, seconds=20)
        if counted.bounds is None:
            assert answer.distances == {}
            continue
        for attained, bound in zip(answer.distances["a to b"], counted.bounds, strict=True):
            assert attained.ns == bound
            assert judged(replay(play, *attained.schedule)[0])[1][-1] == bound


def test_the_brute_force_sees_runs_that_differ() -> None:
    """What counts runs must count more than one, or nothing was compared."""
    say, wait = Act("say"), Act("wait", first=(0, 2))
    assert len(list(every_run(Play(((wait, say), (wait, say)))))) > 9


def test_the_run_of_a_distance_keeps_the_order_in_which_its_words_were_heard() -> None:
    """Parts without order between them speak at one instant, and only one order gives the bound."""
    program = (
        (Act("wait", first=(0, 0)), Act("await", first=(0, 1)), Act("say")),
        (
            Act("wait", first=(0, 0)),
            Act("wait", first=(0, 0)),
            Act("race", first=(2, 2), second=(1, 1)),
            Act("wait", first=(0, 2)),
            Act("say"),
        ),
    )
    play = Play(program)
    counted = brute_force(play)
    assert counted is not None
    assert counted.bounds is not None
    answer = dense.prove(play, [], [distance], in_parts=True, seconds=20)
    for attained, bound in zip(answer.distances["a to b"], counted.bounds, strict=True):
        assert attained.ns == bound
        assert judged(replay(play, *attained.schedule)[0])[1][-1] == bound
