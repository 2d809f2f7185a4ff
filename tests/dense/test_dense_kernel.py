"""The dense kernel and fingerprints of states: which states differ, which things are refused."""

import contextlib
from collections.abc import Iterator

import pytest

from quiesce.model.base.clock import Span, exactly
from quiesce.model.base.errors import BoundHit
from quiesce.model.dense.dense_kernel import Build, LateComponentError, LeftOutError
from quiesce.model.dense.encoder import SharedStateError
from quiesce.model.dense.model_run import HomelessProcessError
from quiesce.model.dense.no_number import TimeReadError
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.component import Component
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import IrqTaken, Record
from quiesce.properties.prove.model_proof import Proof
from quiesce.properties.prove.watches import Distance, NeverAfter, source_is

from .small_proofs import bounds, prove

TIMING = Timing()


def explored(build: Build, *, in_parts: bool = False) -> Proof:
    return prove(build, in_parts=in_parts)


def test_code_that_reads_the_time_is_told_its_line() -> None:
    def build(kernel: Kernel) -> None:
        def process() -> Steps:
            yield kernel.delay(exactly(1), "a.wait")
            if kernel.now > 3:
                yield kernel.delay(exactly(1), "a.late")

        kernel.process(process())

    with pytest.raises(TimeReadError, match=r"test_dense_kernel\.py:\d+ reads the time"):
        explored(build)


def test_an_instant_without_end_is_given_up() -> None:
    def build(kernel: Kernel) -> None:
        def process() -> Steps:
            while True:
                yield kernel.event().succeed()

        kernel.process(process())

    with pytest.raises(BoundHit, match="zero-delay"):
        explored(build)


def test_the_loser_of_a_race_leaves_the_state() -> None:
    def build(kernel: Kernel) -> None:
        def process() -> Steps:
            while True:
                yield kernel.first(
                    kernel.delay(Span(1, 2), "a.work"), kernel.delay(exactly(9), "a.timeout")
                )

        kernel.process(process())

    proof = explored(build)
    # One class goes round for ever; a time-out that lingered would add one with each round.
    assert (proof.verdict, proof.classes) == ("proved", 1)


def test_rounds_of_a_loop_over_equal_items_are_told_apart() -> None:
    """A fingerprint of locals alone takes the rounds for one moment and misses the last word."""

    def build(kernel: Kernel) -> None:
        def process() -> Steps:
            for _ in (7, 7, 7):
                yield kernel.delay(exactly(1), "a.wait")
            kernel.emit("end", IrqTaken(1, 0))

        def other() -> Steps:
            kernel.emit("begin", IrqTaken(1, 0))
            yield kernel.event()

        kernel.process(process())
        kernel.process(other())

    distance = lambda: Distance("d", source_is("begin"), source_is("end"))  # noqa: E731
    proof = prove(build, [], [distance])
    assert bounds(proof)["d"] == (3, 3)


def test_an_exception_that_was_handled_does_not_tell_states_apart() -> None:
    def build(kernel: Kernel) -> None:
        def process() -> Steps:
            if kernel.choices.happens("a.stumbles"):
                stumble()
            while True:
                yield kernel.delay(exactly(1), "a.wait")

        def stumble() -> None:
            with contextlib.suppress(KeyError):
                raise KeyError

        kernel.process(process())

    assert explored(build).classes == 1


def test_which_of_two_locals_holds_a_value_is_told_apart() -> None:
    def build(kernel: Kernel) -> None:
        def process() -> Iterator[object]:
            if kernel.choices.happens("a.left"):
                left = 1
            else:
                right = 1
            yield kernel.delay(exactly(1), "a.wait")
            try:
                kernel.emit(f"left{left}", IrqTaken(1, 0))
            except UnboundLocalError:
                kernel.emit(f"right{right}", IrqTaken(1, 0))

        def other() -> Steps:
            kernel.emit("begin", IrqTaken(1, 0))
            yield kernel.event()

        kernel.process(process())  # type: ignore[arg-type]
        kernel.process(other())

    distances = [
        lambda end=end: Distance(end, source_is("begin"), source_is(end))
        for end in ("left1", "right1")
    ]
    assert set(prove(build, [], distances).ranges) == {"left1", "right1"}


class Counter(Component):
    """Counts its own steps; may look at another one."""

    def __init__(self, kernel: Kernel, name: str, other: "Counter | None" = None) -> None:
        super().__init__(kernel, name, TIMING)
        self.count = 0
        self.other = other
        self.start(self._step)

    def is_odd(self) -> bool:
        return self.count % 2 == 1

    def reset(self) -> None:
        self.count = 0

    def _step(self) -> Steps:
        yield self.kernel.delay(Span(1, 2), f"{self.name}.step")
        self.count += 1
        if self.other is not None:
            self.other.reset()
            if self.other.is_odd():
                self.emit(IrqTaken(1, 0))


def test_an_influence_that_the_graph_lacks_is_an_error_and_no_proof() -> None:
    def build(kernel: Kernel) -> None:
        Counter(kernel, "b", Counter(kernel, "a"))

    with pytest.raises(LeftOutError, match=r"a was left out .* is_odd\(\) is used"):
        prove(build, in_parts=True, left_out=frozenset({"a"}))


def test_a_component_made_while_the_model_runs_cannot_be_a_part() -> None:
    def build(kernel: Kernel) -> None:
        class Mother(Component):
            def bear(self) -> Steps:
                yield kernel.delay(exactly(1), "mother.wait")
                Counter(kernel, "child")

        mother = Mother(kernel, "mother", TIMING)
        kernel.process(mother.bear())

    with pytest.raises(LateComponentError, match="child"):
        explored(build, in_parts=True)
    assert explored(build).verdict == "proved"


def test_a_process_of_no_component_cannot_be_in_a_part() -> None:
    def build(kernel: Kernel) -> None:
        def stray() -> Steps:
            yield kernel.delay(exactly(1), "stray.wait")

        kernel.process(stray())

    with pytest.raises(HomelessProcessError, match="stray"):
        explored(build, in_parts=True)


def test_a_list_that_two_parts_share_is_refused() -> None:
    def build(kernel: Kernel) -> None:
        first, second = Counter(kernel, "a"), Counter(kernel, "b")
        first.shared = second.shared = []  # type: ignore[attr-defined]

    with pytest.raises(SharedStateError, match="a and b share a list"):
        explored(build, in_parts=True)


def test_a_limit_makes_the_search_inconclusive() -> None:
    def build(kernel: Kernel) -> None:
        for name in "abc":
            Counter(kernel, name)

    proof = prove(build, classes_max=2)
    assert proof.verdict == "inconclusive"
    assert proof.reason.startswith("cut short after")


def test_a_claim_that_reads_the_time_of_a_record_is_told_its_line() -> None:
    class Late(NeverAfter):
        def reads(self, record: Record) -> bool:
            return record.at_ns > 3

    def build(kernel: Kernel) -> None:
        def process() -> Steps:
            yield kernel.delay(exactly(1), "a.wait")
            kernel.emit("a", IrqTaken(1, 0))

        kernel.process(process())

    late = lambda: Late("late", source_is("a"), source_is("a"))  # noqa: E731
    with pytest.raises(TimeReadError, match=r"test_dense_kernel\.py:\d+ reads the time"):
        prove(build, [late])
