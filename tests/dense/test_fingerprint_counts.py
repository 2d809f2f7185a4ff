"""Only one reading of a fingerprint is possible: each token has as many items as it says."""

from collections import deque
from functools import partial
from typing import Any

import pytest
from simpy.events import Event

from quiesce.model.base.choices import Earliest
from quiesce.model.base.clock import Span, exactly
from quiesce.model.dense.dense_kernel import DenseKernel
from quiesce.model.dense.encoder import Encoder, SharedStateError
from quiesce.model.dense.interning import Fingerprint, Token, Tokens
from quiesce.model.machine.system import builder
from quiesce.model.sim.kernel import Kernel, Mailbox, Steps
from quiesce.scenarios.resolve.library import resolved

from .test_counters import REFUSED, WAYS, Model

TOKENS = Tokens()
END = object()


def is_told_whole(fingerprint: Fingerprint, processes: int = 0) -> bool:
    """Return whether a fingerprint has one item in front, and nothing behind what belongs to it.

    A process is three items: what it waits for, where it stands, and who waits for it.
    """
    assert isinstance(fingerprint, tuple)
    rest = iter(fingerprint)
    left = 1 + 2 * processes
    while left:
        item = next(rest, END)
        if item is END:
            return False
        left -= 1
        if isinstance(item, Token):
            assert item.count >= 0
            left += item.count
    return next(rest, END) is END


def is_run_told_whole(kernel: DenseKernel) -> bool:
    processes = [process for process, _ in kernel.processes]
    names: dict[int, Fingerprint] = {id(process): at for at, process in enumerate(processes)}
    fingerprint = Encoder({}, names, TOKENS).encode("all", [*processes, kernel.outside])
    return is_told_whole(fingerprint, len(processes))


def fingerprint_of(*things: object) -> Fingerprint:
    return Encoder({}, {}, TOKENS).encode("all", things)


@pytest.mark.parametrize("name", sorted(WAYS.keys() - REFUSED.keys()))
def test_whatever_holds_a_count_is_told_whole(name: str) -> None:
    kernel = DenseKernel()
    Model(WAYS[name])(kernel)
    kernel.settle()
    for _ in range(2):
        assert is_run_told_whole(kernel)
        kernel.fire(next(iter(kernel.pending.values())))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nic-crash-quiesced", "blk-crash-drained", "article-any-instant"])
def test_every_moment_of_a_real_system_is_told_whole(name: str) -> None:
    plan = resolved(name).plan
    kernel = DenseKernel(pinned=plan.pinned)
    builder(plan)(kernel)
    kernel.settle()
    for _ in range(60):
        assert is_run_told_whole(kernel)
        awaited = [each for each in kernel.pending.values() if each.callbacks]
        if not awaited:
            return
        kernel.fire(min(awaited, key=lambda each: (each.span.hi_ns, each.label)))


def things(kernel: Kernel) -> list[Any]:
    def sum_of(one: int, two: int = 3, *, three: object = None) -> int:
        return one + two + len(cells) if three is None else 0

    cells = [1, 2, 3]
    box = Mailbox[int](kernel)
    box.put(4)
    return [
        object(), {}, {1: 2}, {1: 2, 3: 4, 5: 6}, {"a": [1], "b": (2, {})}, {(1, 2): 3, 2.5: 4},
        [], [[], [1, [2.0]]], deque([1], 4), {1, 2, 3}, frozenset({("a", 1), ("b", 2)}),
        sum_of, partial(sum_of, 1, two=2), [].append, iter([1, 2]), iter({1: 2}), box,
        kernel.event(), range(3), b"x", 2.5, ValueError(1, 2), sum_of.__code__.co_name,
    ]  # fmt: skip


def test_values_collections_and_functions_are_told_whole_also_within_others() -> None:
    kernel = Kernel(Earliest())
    for thing in things(kernel):
        assert is_told_whole(fingerprint_of(thing)), thing
        assert is_told_whole(fingerprint_of([thing, 1], {"in": thing}, 2))


# Events, told by what has become of them.


def test_events_that_have_failed_differ_from_those_that_have_not() -> None:
    kernel = Kernel(Earliest())
    value = ValueError(1)

    def event(*, fails: bool, is_defused: bool = False) -> Event:
        made = kernel.event()
        made._ok, made._value = not fails, value
        if is_defused:
            made._defused = True
        return made

    fingerprints = [
        fingerprint_of(event(fails=False)), fingerprint_of(event(fails=True)),
        fingerprint_of(event(fails=True, is_defused=True)),
    ]  # fmt: skip
    assert len(set(fingerprints)) == 3
    assert all(map(is_told_whole, fingerprints))
    assert fingerprint_of(event(fails=True)) == fingerprint_of(event(fails=True))


def test_events_with_attributes_of_the_models_own_are_told_whole() -> None:
    kernel = Kernel(Earliest())
    event: Any = kernel.event()
    event.count, event.name = 3, "x"
    assert is_told_whole(fingerprint_of(event))
    assert fingerprint_of(event) != fingerprint_of(kernel.event())


def test_a_delay_that_has_ended_is_told_by_its_label() -> None:
    def ended(label: str) -> Event:
        kernel = DenseKernel()
        found: list[Event] = []

        def process() -> Steps:
            found.append(kernel.delay(Span(1, 2), label))
            yield found[0]
            yield kernel.delay(exactly(1), "rest")

        kernel.process(process())
        kernel.settle()
        kernel.fire(next(iter(kernel.pending.values())))
        return found[0]

    one = fingerprint_of(ended("a"))
    assert is_told_whole(one)
    assert one == fingerprint_of(ended("a"))
    assert one != fingerprint_of(ended("b"))


def test_an_event_that_waits_for_nobody_is_claimed_by_its_part_alone() -> None:
    """Two parts that hold one untriggered event could tell each other something by it."""
    kernel = Kernel(Earliest())
    untold, told = kernel.event(), kernel.event()
    told._ok, told._value = True, 1
    for event, is_shared in ((untold, True), (told, False)):
        encoder = Encoder({1: "nothing"}, {}, TOKENS)
        encoder.encode("one", [[event]])
        if is_shared:
            with pytest.raises(SharedStateError, match="one and two share a Event"):
                encoder.encode("two", [(event,)])
        else:
            encoder.encode("two", [(event,)])
