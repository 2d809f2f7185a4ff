"""The checker checked: each error sown into it makes it disagree with the count of all timings.

An error is a change of one place in the text of one function: in the arithmetic of the matrices,
in what tells states apart, in what is dropped.  Models are drawn until one of them shows it.
"""

import functools
import inspect
import textwrap
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample

from quiesce.model.base.clock import exactly
from quiesce.model.dense import encoder
from quiesce.model.dense.transition_system import TransitionSystem
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import IrqTaken
from quiesce.properties.prove import layout, observers, symbolic_state, zone_search, zones
from quiesce.properties.prove.watches import Distance, NeverAfter, source_is
from quiesce.properties.prove.windows import Window
from quiesce.scenarios.prove import dense

from .small_models import (
    Act,
    Found,
    Play,
    Program,
    brute_force,
    claim,
    distance,
    moments,
    programs,
    unsafe_instants,
)
from .small_proofs import bounds, prove

EXAMPLES = settings(max_examples=400, derandomize=True, deadline=None, database=None,
                    phases=[Phase.generate])  # fmt: skip
CLASSES_MAX = 5_000


class SeededError(NamedTuple):
    """One change: in the text of a function, `right` becomes `wrong`."""

    name: str
    owner: Any
    function: str
    right: str
    wrong: str


ERRORS = [
    SeededError("an event may come before a part that it enters was entered last",
                zones, "fired", "zones[:, :, earlier].min(axis=2, initial=FOREVER)", "FOREVER"),
    SeededError("an event may come after a delay that it should not overtake",
                zones, "fired", "zones[:, later].min(axis=1, initial=FOREVER)", "FOREVER"),
    SeededError("bounds of an event's order are open",
                zones, "fired", ">= 0", "> 0"),
    SeededError("a zone is not closed again",
                zones, "fired", "np.minimum(zones, to_now[:, :, None] + from_now[:, None, :])",
                "zones"),
    SeededError("a new delay has no least length",
                zones, "rebase_of", "hi[:, None] - lo[None, :]", "hi[:, None] + 0 * lo[None, :]"),
    SeededError("two instants that hang on one are as far apart as their greatest lengths",
                zones, "rebase_of", "hi[:, None] - lo[None, :]", "hi[:, None] - hi[None, :]"),
    SeededError("a moment that all parts have in common must last",
                zones, "synchronised", ">= 0", "> 0"),
    SeededError("a state around a known one is dropped instead of one inside it",
                zones.Antichain, "add", "kept >= flat", "kept <= flat"),
    SeededError("a state is dropped if one of its bounds is known",
                zones.Antichain, "add", ".all(axis=1)", ".any(axis=1)"),
    SeededError("where the start of a running distance stands is not compared",
                layout.Layouts, "_new", "[*measured, *range(past, size)]", "range(past, size)"),
    SeededError("a claim is judged although a part has run ahead",
                zone_search.ZoneSearch, "_judge", "indices(range(layout.past))", "indices([])"),
    SeededError("what an event does is taken to be the same in every state",
                TransitionSystem, "known", "state[needed] == fingerprint", "True"),
    SeededError("locals and stack of a process do not tell states apart",
                encoder.Encoder, "_generator", "self.each(held)", "self.each([])"),
]  # fmt: skip


def sow(error: SeededError, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an error into the checker, wherever the function is known."""
    right = getattr(error.owner, error.function)
    text = textwrap.dedent(inspect.getsource(right))
    assert text.count(error.right) == 1, error
    scope = dict(right.__globals__)
    exec(compile(text.replace(error.right, error.wrong), error.name, "exec"), scope)
    users = {error.owner, zone_search, layout, symbolic_state}
    for owner in users if inspect.ismodule(error.owner) else [error.owner]:
        if hasattr(owner, error.function):
            monkeypatch.setattr(owner, error.function, scope[error.function])


@functools.cache
def counted(program: Program) -> Found | None:
    return brute_force(Play(program))


@functools.cache
def counted_instants(program: Program) -> dict[str, set[int]] | None:
    return unsafe_instants(Play(program))


def disagrees(program: Program) -> bool:
    """Return whether the prover and the count of all timings differ."""
    expected = counted(program)
    if expected is None:
        return False
    for in_parts in (True, False):
        try:
            proof = prove(
                Play(program), [claim], [distance],
                in_parts=in_parts, stop_at_fault=False, classes_max=CLASSES_MAX,
            )  # fmt: skip
        except AssertionError:
            return True
        if Found(proof.verdict == "violated", bounds(proof).get("a to b")) != expected:
            return True
    return False


def windows_disagree(program: Program) -> bool:
    expected = counted_instants(program)
    if expected is None:
        return False
    found = dense.windows(Play(program), [claim], moments(), in_parts=True, max_classes=CLASSES_MAX)
    return expected != {
        name: {ns for each in some for ns in range(each.first_ns, each.last_ns + 1)}
        for name, some in found.by_moment.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.name)
def test_an_error_in_the_checker_is_caught(
    error: SeededError, monkeypatch: pytest.MonkeyPatch
) -> None:
    sow(error, monkeypatch)
    find(programs, disagrees, settings=EXAMPLES)


def test_forgetting_attributes_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two beginnings differ in one attribute alone, and on that it depends what a says after b."""
    wait = Act("wait", first=(1, 1))
    program: Program = (
        (wait, wait, Act("skip", 0, 1), Act("say")),
        (Act("ask"), Act("poke", 0, 1), wait, Act("say")),
    )
    assert not disagrees(program)
    sow(
        SeededError("attributes of components do not tell states apart",
                    encoder.Encoder, "_instance", "values_of(attributes)",
                    "values_of({**attributes, 'flag': 0} if 'flag' in attributes else attributes)"),
        monkeypatch,
    )  # fmt: skip
    assert disagrees(program)


def test_forgetting_where_a_process_stands_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two waits that differ in nothing but their place in the code."""

    def build(kernel: Kernel) -> None:
        def process() -> Steps:
            kernel.emit("begin", IrqTaken(1, 0))
            yield kernel.delay(exactly(1), "wait")
            yield kernel.delay(exactly(1), "wait")
            kernel.emit("end", IrqTaken(1, 0))

        kernel.process(process())

    def found() -> list[tuple[int, int]]:
        clock = lambda: Distance("d", source_is("begin"), source_is("end"))  # noqa: E731
        return [*bounds(prove(build, [], [clock], classes_max=100)).values()]

    assert found() == [(2, 2)]
    sow(
        SeededError("where a process stands in its code does not tell states apart",
                    encoder.Encoder, "_generator", "frame.f_lasti", "0"),
        monkeypatch,
    )  # fmt: skip
    assert found() == []


WINDOW_ERRORS = [
    SeededError("a window ends where it begins",
                observers, "_window", "int(zone[moment, beginning])",
                "-int(zone[beginning, moment])"),
    SeededError("what is broken before the moment counts",
                observers.UnsafeWindows, "turns", "return (Turn(mode, (0, 1)",
                "return (Turn(mode or 'a speaks', (0, 1)"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("error", WINDOW_ERRORS, ids=lambda error: error.name)
def test_an_error_in_the_windows_is_caught(
    error: SeededError, monkeypatch: pytest.MonkeyPatch
) -> None:
    sow(error, monkeypatch)
    find(programs, windows_disagree, settings=EXAMPLES)


def test_forgetting_the_moment_when_classes_are_compared_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """a speaks first at 0 or at 1, and is at the same place later: one must not stand for both."""
    at_once = Act("wait", first=(0, 0))
    program: Program = (
        (Act("wait", first=(0, 1)), at_once, Act("say")),
        (at_once, at_once, Act("race", first=(0, 1), second=(1, 1)), Act("say")),
    )
    assert not windows_disagree(program)
    wrong = "range(past, size)"
    sow(SeededError("", layout.Layouts, "_new", f"[*measured, *{wrong}]", wrong), monkeypatch)
    assert windows_disagree(program)


@pytest.mark.slow
def test_without_an_error_nothing_is_caught() -> None:
    few = settings(EXAMPLES, max_examples=25)
    for check in (disagrees, windows_disagree):
        with pytest.raises(NoSuchExample):
            find(programs, check, settings=few)


def test_forgetting_the_place_of_a_distance_that_stands_still_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """b speaks before a, which is vain; then a must not be taken to have spoken before that."""
    at_once = Act("wait")
    program: Program = (
        (at_once, at_once, Act("say")),
        (at_once, at_once, Act("race", first=(2, 2), second=(0, 1)),
         Act("race", first=(0, 1), second=(1, 1)), Act("say")),
    )  # fmt: skip

    def found() -> dict[str, tuple[int, int]]:
        # Without the claim nothing else orders what a and b say.
        return bounds(prove(Play(program), [], [distance], in_parts=True))

    assert found() == {"a to b": (0, 1)}
    sow(
        SeededError(
            "", observers.DistanceObserver, "turns", "is_noted and not is_running", "False"
        ),
        monkeypatch,
    )
    assert found() != {"a to b": (0, 1)}


def test_letting_a_later_moment_come_before_the_first_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """a and b never meet; c breaks the claim in any case."""

    def unsafe() -> dict[str, tuple[Window, ...]]:
        program = (
            (Act("wait", first=(0, 10)), Act("say")),
            (Act("wait", first=(5, 5)), Act("say")),
            (Act("wait", first=(20, 20)), Act("say"), Act("say")),
        )
        never = lambda: NeverAfter("c once", source_is("c"), source_is("c"))  # noqa: E731
        return dense.windows(Play(program), [never], moments(), in_parts=True).by_moment

    known = {"a speaks": (Window(0, 5),), "b speaks": (Window(5, 5),)}
    assert unsafe() == known
    sow(
        SeededError(
            "", observers.UnsafeWindows, "turns", "is_noted=bool(moment)", "is_noted=False"
        ),
        monkeypatch,
    )
    assert unsafe() != known
