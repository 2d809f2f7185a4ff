"""Spans as long as can be are computed with exactly, and longer ones are refused."""

import numpy as np
import pytest

from quiesce.model.base.clock import LONGEST_NS, UNBOUNDED_NS, Span, SpanError
from quiesce.model.base.errors import BoundHit
from quiesce.model.base.symbolic_duration import SymbolicDuration
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.component import Component
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import IrqTaken
from quiesce.properties.prove.watches import Distance, NeverAfter, source_is
from quiesce.properties.prove.zones import FOREVER, ROOM, insist_on_room
from quiesce.scenarios.prove.dense import Answer, prove

TIMING = Timing()


@pytest.mark.parametrize(
    ("lo_ns", "hi_ns"),
    [
        (0, LONGEST_NS + 1),
        (0, UNBOUNDED_NS - 1),
        (0, UNBOUNDED_NS + 1),
        (LONGEST_NS + 1, UNBOUNDED_NS),
        (UNBOUNDED_NS, UNBOUNDED_NS),
        (0, 1 << 61),
        (1 << 61, 1 << 61),
        (0, 1 << 63),
        (0, 1 << 200),
    ],
)
def test_a_span_that_is_too_long_to_be_computed_with_is_refused(lo_ns: int, hi_ns: int) -> None:
    with pytest.raises(SpanError, match=r"two years.*; write 1152921504606846976 as the greatest"):
        Span(lo_ns, hi_ns)


@pytest.mark.parametrize("end", [1.5, np.int64(2), True, "2", None])
def test_an_end_that_is_no_whole_number_is_refused(end: object) -> None:
    with pytest.raises(SpanError, match="both ends must be of type int"):
        Span(0, end)  # type: ignore[arg-type]


def test_ends_that_are_left_open_are_ends() -> None:
    open_ns = SymbolicDuration("wait", 1, 5)
    assert Span(0, open_ns).hi_ns is open_ns  # type: ignore[arg-type, comparison-overlap]


def test_the_longest_span_and_the_unbounded_one_are_spans() -> None:
    assert Span(LONGEST_NS, LONGEST_NS).nominal_ns == LONGEST_NS
    assert Span(LONGEST_NS, UNBOUNDED_NS).hi_ns == FOREVER


class Runner(Component):
    """Waits as often as it is told, then speaks."""

    def run(self, unit_ns: int, rounds: int) -> Steps:
        for _ in range(rounds):
            yield self.kernel.delay(Span(unit_ns, 2 * unit_ns), f"{self.name}.wait")
        self.emit(IrqTaken(1, 0))


def answer(unit_ns: int, *, in_parts: bool) -> Answer:
    """Prove that five short waits of one runner end before eleven of another; they need not."""

    def build(kernel: Kernel) -> None:
        for name, rounds in (("hare", 11), ("tortoise", 5)):
            kernel.process(Runner(kernel, name, TIMING).run(unit_ns, rounds))

    return prove(
        build,
        [lambda: NeverAfter("hare first", source_is("tortoise"), source_is("hare"))],
        [lambda: Distance("between", source_is("tortoise"), source_is("hare"))],
        in_parts=in_parts,
    )


@pytest.mark.parametrize("in_parts", [False, True])
def test_verdicts_and_distances_are_the_same_in_another_unit(in_parts: bool) -> None:
    unit_ns = LONGEST_NS // 4
    small, large = answer(1, in_parts=in_parts), answer(unit_ns, in_parts=in_parts)
    assert small.verdict == large.verdict == "proved"
    short, long = small.distances["between"], large.distances["between"]
    assert (short.shortest.ns, short.longest.ns) == (1, 17)
    assert (long.shortest.ns, long.longest.ns) == (unit_ns, 17 * unit_ns)


def test_a_matrix_without_room_for_a_sum_is_refused() -> None:
    insist_on_room(np.array([[0, ROOM], [-ROOM, 0]]))
    insist_on_room(np.array([[0, FOREVER], [-ROOM, 0]]), is_open=True)
    for entry in (ROOM + 1, -ROOM - 1):
        with pytest.raises(BoundHit, match="nanoseconds between events"):
            insist_on_room(np.array([[0, entry], [0, 0]]))


@pytest.mark.parametrize("in_parts", [False, True])
def test_distances_that_would_seem_to_have_no_bound_are_refused(in_parts: bool) -> None:
    with pytest.raises(BoundHit, match="give its delays shorter spans"):
        answer(LONGEST_NS // 2, in_parts=in_parts)
