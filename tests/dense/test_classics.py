"""Models whose answers are in the literature, each on both sides of its bound."""

from functools import partial

import pytest

from quiesce.model.base.clock import Span, exactly
from quiesce.model.dense.dense_kernel import Build
from quiesce.model.dense.step import MakeWatch
from quiesce.model.sim.kernel import Kernel, Signal, Steps
from quiesce.model.trace.events import IrqTaken, Record
from quiesce.properties.prove.model_proof import Proof
from quiesce.properties.prove.watches import Distance, Test, source_is

from .small_proofs import bounds, prove


def say(kernel: Kernel, source: str, what: int = 0) -> None:
    kernel.emit(source, IrqTaken(what, 0))


class AtMostOneInside:
    """Of all that enter (1) and leave (0), no two are inside at once."""

    name = "at most one inside"

    def __init__(self) -> None:
        self.inside: set[str] = set()
        self.fault = ""

    def reads(self, record: Record) -> bool:
        return isinstance(record.event, IrqTaken)

    def step(self, index: int, record: Record) -> None:
        assert isinstance(record.event, IrqTaken)
        if record.event.intid:
            self.inside.add(record.source)
        else:
            self.inside.discard(record.source)
        if len(self.inside) > 1:
            self.fault = f"record {index}: {sorted(self.inside)} are inside"

    def settle(self) -> None:
        pass

    def key(self) -> tuple[str, ...]:
        return tuple(sorted(self.inside))


def proof_of(build: Build, *makes: MakeWatch, distances: tuple[Distance, ...] = ()) -> Proof:
    clocks = [partial(Distance, each.name, each._start, each._stop) for each in distances]
    return prove(build, makes, clocks, seconds=30)


def fischer(count: int, write: int, wait: int) -> Build:
    """Fischer's protocol as Lamport gives it (A fast mutual exclusion algorithm, 1987)."""

    def build(kernel: Kernel) -> None:
        claimed_by = [0]

        def process(number: int) -> Steps:
            name = f"p{number}"
            while True:
                yield kernel.delay(Span(0, 2), f"{name}.idle")
                while claimed_by[0] != number:
                    if claimed_by[0] != 0:
                        yield kernel.delay(Span(1, 2), f"{name}.retry")
                        continue
                    yield kernel.delay(Span(0, write), f"{name}.write")
                    claimed_by[0] = number
                    yield kernel.delay(Span(wait, wait + 1), f"{name}.wait")
                say(kernel, name, 1)
                yield kernel.delay(Span(1, 9), f"{name}.inside")
                say(kernel, name, 0)
                claimed_by[0] = 0

        for number in range(1, count + 1):
            kernel.process(process(number))

    return build


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize(
    ("write", "wait", "verdict"),
    [(2, 3, "proved"), (3, 3, "violated"), (3, 2, "violated"), (1, 5, "proved")],
)
def test_fischer_is_safe_if_and_only_if_waiting_is_longer_than_writing(
    count: int, write: int, wait: int, verdict: str
) -> None:
    proof = proof_of(fischer(count, write, wait), AtMostOneInside)
    assert proof.verdict == verdict


def train_gate(controller: Span, lowering: Span) -> Build:
    """A train that announces itself 3..5 before the crossing, and a gate that has to be down.

    After Alur and Dill (A theory of timed automata, 1994), example 3.
    """

    def build(kernel: Kernel) -> None:
        approached = Signal(kernel)
        left = Signal(kernel)

        def train() -> Steps:
            while True:
                yield kernel.delay(Span(10, 20), "train.away")
                say(kernel, "approach")
                approached.notify()
                yield kernel.delay(Span(3, 5), "train.near")
                say(kernel, "crossing")
                yield kernel.delay(Span(1, 2), "train.crossing")
                left.notify()

        def gate() -> Steps:
            while True:
                yield approached.wait()
                yield kernel.delay(controller, "controller.react")
                yield kernel.delay(lowering, "gate.lower")
                say(kernel, "down")
                yield left.wait()

        kernel.process(gate())
        kernel.process(train())

    return build


class DownBeforeCrossing:
    """When a train is on the crossing, the gate is down."""

    name = "down before crossing"

    def __init__(self) -> None:
        self.is_down = False
        self.fault = ""

    def reads(self, record: Record) -> bool:
        return True

    def step(self, index: int, record: Record) -> None:
        if record.source == "approach":
            self.is_down = False
        elif record.source == "down":
            self.is_down = True
        elif not self.is_down:
            self.fault = f"record {index}: a train crosses while the gate is up"

    def settle(self) -> None:
        pass

    def key(self) -> bool:
        return self.is_down


@pytest.mark.parametrize(
    ("reaction", "lowering", "verdict"),
    [(Span(0, 1), Span(0, 1), "proved"), (exactly(1), Span(1, 2), "violated")],
)
def test_the_gate_is_down_in_time_if_its_parts_take_less_than_the_train(
    reaction: Span, lowering: Span, verdict: str
) -> None:
    assert proof_of(train_gate(reaction, lowering), DownBeforeCrossing).verdict == verdict


def test_the_train_is_on_the_crossing_exactly_as_long_after_its_approach_as_declared() -> None:
    distance = Distance("near", source_is("approach"), source_is("crossing"))
    found = proof_of(train_gate(Span(0, 1), Span(0, 1)), distances=(distance,))
    assert found.verdict == "proved"
    assert bounds(found)["near"] == (3, 5)


def token_ring(stations: int, holding: Span, passing: Span) -> Build:
    def build(kernel: Kernel) -> None:
        def ring() -> Steps:
            while True:
                for number in range(stations):
                    say(kernel, f"s{number}", 1)
                    yield kernel.delay(holding, f"s{number}.hold")
                    say(kernel, f"s{number}", 0)
                    yield kernel.delay(passing, f"s{number}.pass")

        kernel.process(ring())

    return build


@pytest.mark.parametrize("stations", [2, 5])
def test_a_token_comes_round_within_the_sum_of_holding_and_passing(stations: int) -> None:
    build = token_ring(stations, Span(1, 4), Span(1, 2))

    def first_says(what: int) -> Test:
        return lambda record: record.source == "s0" and record.event == IrqTaken(what, 0)

    distance = Distance("rotation", first_says(0), first_says(1))
    proof = proof_of(build, AtMostOneInside, distances=(distance,))
    assert proof.verdict == "proved"
    # From letting go to holding again: the others hold, and all pass on.
    assert bounds(proof)["rotation"] == (2 * stations - 1, 6 * stations - 4)


def alternating_bit(timeout: int) -> Build:
    """One frame and its acknowledgement, each 1..3 under way and possibly lost."""

    def build(kernel: Kernel) -> None:
        frames: list[int] = []
        answers: list[int] = []
        sent = Signal(kernel)
        answered = Signal(kernel)

        def sender() -> Steps:
            bit = 0
            while True:
                frames.append(bit)
                sent.notify()
                timer = kernel.delay(exactly(timeout), "sender.timeout")
                if (yield kernel.first(answered.wait(), timer)) == 1:
                    say(kernel, "again")
                    if frames or answers:
                        say(kernel, "crossed")
                    continue
                answers.pop()
                bit ^= 1

        def channel() -> Steps:
            while True:
                while not frames:
                    yield sent.wait()
                yield kernel.delay(Span(1, 3), "channel.frame")
                bit = frames.pop(0)
                if kernel.choices.happens("channel.lost"):
                    continue
                answers.append(bit)
                yield kernel.delay(Span(1, 3), "channel.answer")
                answered.notify()

        kernel.process(channel())
        kernel.process(sender())

    return build


class NeverCrossed:
    """The time-out never comes while a frame or its answer is still under way."""

    name = "no premature time-out"

    def __init__(self) -> None:
        self.fault = ""

    def reads(self, record: Record) -> bool:
        return record.source == "crossed"

    def step(self, index: int, record: Record) -> None:
        self.fault = f"record {index}: a time-out while something is under way"

    def settle(self) -> None:
        pass

    def key(self) -> None:
        return None


@pytest.mark.parametrize(("timeout", "verdict"), [(7, "proved"), (6, "violated"), (4, "violated")])
def test_a_time_out_is_premature_unless_it_is_longer_than_the_way_there_and_back(
    timeout: int, verdict: str
) -> None:
    assert proof_of(alternating_bit(timeout), NeverCrossed).verdict == verdict
