"""Small models drawn at random, and what all their integer timings show, counted one by one."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from hypothesis import strategies as st

from quiesce.model.base.choices import ChoicePoint, Choices
from quiesce.model.base.clock import Span
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.component import Component
from quiesce.model.sim.kernel import Kernel, Signal, Steps
from quiesce.model.trace.events import IrqTaken, Record
from quiesce.properties.prove.watches import Distance, NeverAfter, Test, source_is

NAMES = ("a", "b", "c")
RUNS_MAX = 1_500


class Act(NamedTuple):
    """One line of a small program."""

    kind: Literal["wait", "poke", "skip", "say", "race", "await", "ask"]
    other: int = 0
    value: int = 0
    first: tuple[int, int] = (0, 0)
    second: tuple[int, int] = (0, 0)


Program = tuple[tuple[Act, ...], ...]

TIMING = Timing()


class Actor(Component):
    """Carries out one program; others poke it or look at what it was poked with."""

    def __init__(self, kernel: Kernel, name: str) -> None:
        super().__init__(kernel, name, TIMING)
        self.others: tuple[Actor, ...] = ()
        self.flag = 0
        self.poked = Signal(kernel)

    def poke(self, value: int) -> None:
        self.flag = value
        self.poked.notify()

    def say(self, what: int) -> None:
        self.emit(IrqTaken(what, 0))

    def carry_out(self, acts: tuple[Act, ...]) -> Steps:
        position = 0
        while position < len(acts):
            act = acts[position]
            position += 1
            if act.kind == "wait":
                yield self.kernel.delay(Span(*act.first), f"{self.name}.wait")
            elif act.kind == "race":
                slow = self.kernel.delay(Span(*act.second), f"{self.name}.slow")
                fast = self.kernel.delay(Span(*act.first), f"{self.name}.fast")
                if (yield self.kernel.first(slow, fast)) == 0:
                    self.say(1)
            elif act.kind == "await":
                timer = self.kernel.delay(Span(*act.first), f"{self.name}.timer")
                if (yield self.kernel.first(self.poked.wait(), timer)) == 1:
                    position += act.value
            elif not self._act(act):
                position += 1

    def _act(self, act: Act) -> bool:
        """Do what takes no time; returns whether the next act follows."""
        other = self.others[act.other % len(self.others)]
        if act.kind == "say":
            self.say(0)
        elif act.kind == "poke":
            other.poke(act.value)
        elif act.kind == "ask":
            return self.kernel.choices.below(2, f"{self.name}.ask") == 0
        else:
            return other.flag != act.value
        return True


class Play:
    """A program for each actor, as something that can be built."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def __call__(self, kernel: Kernel) -> None:
        actors = tuple(Actor(kernel, name) for name in NAMES[: len(self.program)])
        for actor, acts in zip(actors, self.program, strict=True):
            actor.others = actors
            kernel.process(actor.carry_out(acts))


spans = st.tuples(st.integers(0, 3), st.integers(0, 2)).map(lambda pair: (pair[0], sum(pair)))
acts = st.one_of(
    st.builds(Act, st.just("wait"), first=spans),
    st.builds(Act, st.just("say")),
    st.builds(Act, st.just("poke"), st.integers(0, 2), st.integers(0, 1)),
    st.builds(Act, st.just("skip"), st.integers(0, 2), st.integers(0, 1)),
    st.builds(Act, st.just("race"), first=spans, second=spans),
    st.builds(Act, st.just("await"), value=st.integers(0, 1), first=spans),
    st.builds(Act, st.just("ask")),
)
programs = st.lists(
    st.lists(acts, min_size=2, max_size=4).map(lambda each: (*each, Act("say"))),
    min_size=2,
    max_size=3,
).map(tuple)


def claim() -> NeverAfter:
    """a is silent as soon as b has spoken."""
    return NeverAfter("a before b", source_is("a"), source_is("b"))


def distance() -> Distance:
    """From the last word of a to the next word of b."""
    return Distance("a to b", source_is("a"), source_is("b"))


class Odometer(Choices):
    """Gives the answers of a script, then zeros; `following` is the next script of all."""

    def __init__(self, script: list[int]) -> None:
        super().__init__()
        self._script = script

    def _option(self, bound: int, label: str) -> int:
        position = len(self.log)
        return self._script[position] if position < len(self._script) else 0

    _offset = _option

    def following(self) -> list[int] | None:
        log: list[ChoicePoint] = list(self.log)
        while log:
            _, bound, value = log.pop()
            if value + 1 < bound:
                return [each for _, _, each in log] + [value + 1]
        return None


class Found(NamedTuple):
    """What all runs show: whether the claim is broken, and the bounds of the distance."""

    is_broken: bool
    bounds: tuple[int, int] | None


def records_of(play: Play, choices: Choices) -> list[Record]:
    kernel = Kernel(choices)
    play(kernel)
    kernel.execute(kernel.event())
    return kernel.records


def every_run(play: Play) -> Iterator[list[Record]]:
    script: list[int] | None = []
    while script is not None:
        choices = Odometer(script)
        yield records_of(play, choices)
        script = choices.following()


def judged(records: list[Record]) -> tuple[bool, list[int]]:
    watch, stopwatch = claim(), distance()
    started_ns = 0
    distances = []
    for index, record in enumerate(records):
        if watch.reads(record):
            watch.step(index, record)
        was_running = stopwatch.is_running
        mark = stopwatch.mark(record)
        if mark == "start":
            started_ns = record.at_ns
        elif mark == "stop" and was_running:
            distances.append(record.at_ns - started_ns)
    return bool(watch.fault), distances


def brute_force(play: Play) -> Found | None:
    """Return what every integer timing and every tie shows, or None if there are too many."""
    is_broken = False
    distances: list[int] = []
    for number, records in enumerate(every_run(play)):
        if number == RUNS_MAX:
            return None
        broken_here, found = judged(records)
        is_broken |= broken_here
        distances += found
    return Found(is_broken, (min(distances), max(distances)) if distances else None)


def moments() -> dict[str, Test]:
    """Who speaks first, as named moments."""
    return {"a speaks": source_is("a"), "b speaks": source_is("b")}


def unsafe_instants(play: Play) -> dict[str, set[int]] | None:
    """Return at which whole instants each moment comes in a run that goes wrong after it.

    Returns None if there are too many runs.
    """
    unsafe: dict[str, set[int]] = {name: set() for name in moments()}
    for number, records in enumerate(every_run(play)):
        if number == RUNS_MAX:
            return None
        spoken = [record for record in records if record.source in {"a", "b"}]
        if judged(records)[0]:
            # The claim can be broken by a word of a after one of b alone, so after the first word.
            unsafe[f"{spoken[0].source} speaks"].add(spoken[0].at_ns)
    return unsafe
