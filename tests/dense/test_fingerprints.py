"""Which states have different fingerprints, and that runs in one state answer alike."""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Hashable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quiesce.model.base.choices import Earliest
from quiesce.model.dense import standing_runs
from quiesce.model.dense.encoder import Encoder, FingerprintError, SharedStateError
from quiesce.model.dense.interning import Fingerprint, Tokens, unfolded
from quiesce.model.dense.step import Step
from quiesce.model.dense.transition import Transition
from quiesce.model.dense.transition_system import TransitionSystem
from quiesce.model.sim.kernel import Kernel, Mailbox
from quiesce.properties.prove.system_proof import _system
from quiesce.properties.prove.zone_search import ZoneSearch
from quiesce.properties.registry import TEARDOWN, named
from quiesce.scenarios.prove.proof import _task
from quiesce.scenarios.resolve.library import resolved

from .small_models import Play, Program, programs
from .small_proofs import system_of_play

TOKENS = Tokens()
NOWHERE = Step(None, -1, -1, ())


def fingerprint_of(*things: object) -> Fingerprint:
    return Encoder({}, {}, TOKENS).encode("all", things)


class Frozen(msgspec.Struct, frozen=True):
    """A record of which one is as good as another."""

    value: Any


class Thing:
    """Something with attributes."""

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


def told(thing: Any) -> Hashable:
    """Tell a tree of values by their types and contents, as plainly as can be."""
    if isinstance(thing, dict):
        return ("dict", tuple((told(key), told(value)) for key, value in thing.items()))
    if isinstance(thing, list | tuple):
        return (type(thing).__name__, tuple(told(each) for each in thing))
    return (type(thing).__name__, repr(thing))


plain = st.one_of(
    st.integers(0, 1), st.booleans(), st.none(), st.sampled_from(["", "met", "dead"]),
    st.sampled_from([b"", b"a"]),
)  # fmt: skip
trees = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.lists(inner, max_size=2).map(tuple),
        st.dictionaries(plain, inner, max_size=2),
    ),
    max_leaves=5,
)


@pytest.mark.slow
@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(trees, trees)
def test_trees_have_equal_fingerprints_if_they_are_equal_in_every_type(
    one: Any, other: Any
) -> None:
    assert (fingerprint_of(one) == fingerprint_of(other)) == (told(one) == told(other))


def test_one_object_met_twice_is_not_two_equal_ones() -> None:
    shared: list[object] = []
    assert fingerprint_of(shared, [shared]) != fingerprint_of(shared, [[]])
    assert fingerprint_of([shared, shared]) != fingerprint_of([[], []])
    assert fingerprint_of([Frozen(1)] * 2) == fingerprint_of([Frozen(1), Frozen(1)])
    again: list[object] = []
    again.append(again)
    assert fingerprint_of(again) != fingerprint_of([[]])


def test_a_record_that_cannot_be_hashed_is_read_by_its_parts() -> None:
    content = [1]
    assert fingerprint_of(Frozen(content)) == fingerprint_of(Frozen([1]))
    assert fingerprint_of(Frozen(content)) != fingerprint_of(Frozen([2]))


def test_attributes_have_no_order_but_entries_of_a_dict_have() -> None:
    assert fingerprint_of(Thing(one=1, two=2)) == fingerprint_of(Thing(two=2, one=1))
    assert fingerprint_of({"one": 1, "two": 2}) != fingerprint_of({"two": 2, "one": 1})


def test_sets_have_no_order() -> None:
    names = [f"name {number}" for number in range(20)]
    backwards = names[::-1]
    assert fingerprint_of(set(names)) == fingerprint_of(set(backwards))
    pairs = [(number, Frozen(number)) for number in range(20)]
    backwards_too = pairs[::-1]
    assert fingerprint_of(set(pairs)) == fingerprint_of(set(backwards_too))
    assert fingerprint_of(set(names)) != fingerprint_of(set(names[1:]))


def test_collections_of_different_kinds_differ() -> None:
    fingerprints = [
        fingerprint_of(each) for each in ([1], (1,), deque([1]), {1}, {1: 1}, bytearray(b"\1"), 1)
    ]
    assert len(set(fingerprints)) == len(fingerprints)
    assert fingerprint_of(bytearray(b"ab")) == fingerprint_of(bytearray(b"ab"))
    assert fingerprint_of(bytearray(b"ab")) != fingerprint_of(bytearray(b"ac"))


def test_an_iterator_is_where_it_stands() -> None:
    first, second = iter([7, 7]), iter([7, 7])
    assert fingerprint_of(first) == fingerprint_of(second)
    next(second)
    assert fingerprint_of(first) != fingerprint_of(second)


def test_what_led_to_an_item_of_a_mailbox_is_no_part_of_it() -> None:
    kernel = Kernel(Earliest())
    one, other = Mailbox[int](kernel), Mailbox[int](kernel)
    one.put(5)
    kernel._cause = 17
    other.put(5)
    assert fingerprint_of(one) == fingerprint_of(other)
    other.put(6)
    assert fingerprint_of(one) != fingerprint_of(other)


def test_a_part_is_not_read_within_another_and_shares_nothing_with_it() -> None:
    owned, shared = Thing(value=1), [1]
    encoder = Encoder({id(owned): "its part"}, {}, TOKENS)
    fingerprint = encoder.encode("another part", [[owned, shared]])
    assert unfolded(fingerprint) == ((list, ("part", "its part"), (list, 1)),)
    with pytest.raises(SharedStateError, match="another part and its part share a list"):
        encoder.encode("its part", [owned, shared])


def test_a_part_has_the_same_form_however_many_parts_there_are_elsewhere() -> None:
    shared: list[object] = []
    here = [shared, shared]
    few = Encoder({id(TOKENS): "one"}, {}, TOKENS)
    many = Encoder({id(TOKENS): "one", id(NOWHERE): "another"}, {id(few): "process"}, TOKENS)
    assert few.encode("here", [here]) == many.encode("here", [here])


@pytest.mark.parametrize("thing", [memoryview(b""), OrderedDict(a=1), defaultdict(list)])
def test_what_holds_more_than_is_read_is_refused(thing: object) -> None:
    with pytest.raises(FingerprintError, match=type(thing).__name__):
        fingerprint_of(thing)


def _without_path(transition: Transition) -> Transition:
    hurried = tuple((claim, "") for claim, _ in transition.hurried)
    faults = tuple((claim, "") for claim, _ in transition.faults)
    return transition._replace(step=NOWHERE, hurried=hurried, faults=faults)


def answers(system: TransitionSystem) -> list[tuple[tuple[int, int, int], list[Transition]]]:
    """Return all that a system has told, but for the paths to it and the records on them."""
    return [
        (asked, [_without_path(each) for entry in entries for each in entry.transitions])
        for asked, entries in system._entries.items()
    ]


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(programs)
def test_a_run_that_came_another_way_answers_as_one_run_anew(program: Program) -> None:
    found = []
    for kept in (0, 1_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(standing_runs, "RUNS_KEPT", kept)
            system = system_of_play(Play(program))
            ZoneSearch(system, stop_at_fault=False).run(120)
            found.append((answers(system), system.wait_counts))
    assert found[0] == found[1]


@pytest.mark.slow
def test_few_runs_answer_many_questions_about_a_real_system() -> None:
    """The same states and the same answers, open instants included, with a third of the runs."""
    found, runs = [], []
    for kept in (0, 10, 1_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(standing_runs, "RUNS_KEPT", kept)
            task = _task(resolved("can-crash-bare").plan, named(TEARDOWN))
            system = _system(task, watches_always=True)
            assert isinstance(system, TransitionSystem)
            ZoneSearch(system).run(250)
            found.append((answers(system), system.wait_counts))
            runs.append(system.runs)
    assert found[0] == found[1] == found[2]
    assert runs[0] > runs[1] > runs[2]
    assert runs[0] > 3 * runs[2]
