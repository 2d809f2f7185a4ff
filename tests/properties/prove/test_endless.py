"""A loop of states that no pending delay leads out of is a run without end."""

from quiesce.model.dense.step import PartAfter, Step, Wait
from quiesce.model.dense.transition import Transition
from quiesce.properties.prove.endless import endless_labels

NEW = Wait(-1, 1, 2)


def edge(target: int, *sources: int, label: str = "tick", is_last: bool = False) -> Transition:
    """An event that leads to a state; `sources` say which delays go on there, -1 for new ones."""
    waits = tuple(NEW if source < 0 else Wait(source, 0, 0) for source in sources)
    return Transition(
        picks=(),
        after=(PartAfter(0, target, waits),),
        open_fingerprint=-1,
        marks=(),
        hurried=(),
        faults=(),
        tested=frozenset(),
        endings=(),
        is_last=is_last,
        label=label,
        step=Step(None, 0, 0, ()),
    )


def test_a_run_that_comes_to_its_end_is_not_endless() -> None:
    assert endless_labels({(0, 0): [edge(1, -1)], (1, 0): [edge(0, is_last=True)]}) == []


def test_a_delay_that_starts_itself_again_goes_on_for_ever() -> None:
    assert endless_labels({(0, 0): [edge(0, -1, label="gic.storm")]}) == ["gic.storm"]


def test_traffic_beside_a_crash_that_is_to_come_does_not() -> None:
    crash = edge(0, is_last=True, label="vm.end")
    assert endless_labels({(0, 0): [edge(0, -1, 1)], (0, 1): [crash]}) == []


def test_a_loop_of_two_states_needs_one_delay_that_lasts_through_both() -> None:
    crash = edge(0, is_last=True, label="vm.end")
    lasting = {
        (0, 0): [edge(1, 1, -1, label="there")],
        (0, 1): [crash],
        (1, 1): [edge(0, -1, 0, label="back")],
        (1, 0): [crash],
    }
    assert endless_labels(lasting) == []
    renewed = lasting | {(1, 1): [edge(0, -1, -1, label="back")]}
    assert endless_labels(renewed) == ["back", "there"]


def test_a_delay_that_one_of_two_ways_round_ends_does_not_last() -> None:
    both = {
        (0, 0): [edge(0, -1, 1, label="a")],
        (0, 1): [edge(0, 0, -1, label="b"), edge(0, is_last=True, label="b")],
    }
    assert endless_labels(both) == ["a", "b"]
