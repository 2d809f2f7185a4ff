"""The kernel: time, ties, races, death and causes."""

import itertools

import pytest

from quiesce.model.base.choices import ChoicePoint, Choices, Earliest, Nominal, Replay
from quiesce.model.base.clock import Span, exactly
from quiesce.model.base.errors import BoundHit
from quiesce.model.sim.kernel import Kernel, Mailbox, Signal, Steps
from quiesce.model.trace.events import NO_CAUSE, IrqTaken


def kernel_with(choices: Choices | None = None) -> Kernel:
    return Kernel(choices or Nominal())


def run_to_end(kernel: Kernel) -> None:
    kernel.execute(kernel.event())


def seen(kernel: Kernel) -> list[tuple[int, str]]:
    return [(record.at_ns, record.source) for record in kernel.records]


def test_a_delay_takes_what_the_choices_say() -> None:
    kernel = kernel_with()

    def waiter() -> Steps:
        yield kernel.delay(Span(10, 20), "a.wait")
        kernel.emit("a", IrqTaken(1, 0))

    kernel.process(waiter())
    run_to_end(kernel)
    assert seen(kernel) == [(15, "a")]
    assert kernel.choices.log == [("a.wait", 11, 5)]


def test_delays_that_end_together_can_fire_in_every_order() -> None:
    def orders(answers: list[int]) -> tuple[str, ...]:
        bounds = itertools.count(len(answers) + 1, -1)
        log: list[ChoicePoint] = [("kernel.tie", next(bounds), answer) for answer in answers]
        kernel = kernel_with(Replay(log))

        def waiter(name: str) -> Steps:
            yield kernel.delay(exactly(5), name)
            kernel.emit(name, IrqTaken(1, 0))

        for name in "abc":
            kernel.process(waiter(name))
        run_to_end(kernel)
        return tuple(source for _, source in seen(kernel))

    reached = {orders([first, second]) for first in range(3) for second in range(2)}
    assert reached == set(itertools.permutations("abc"))


def test_a_delay_that_nobody_waits_for_is_no_part_of_a_tie() -> None:
    kernel = kernel_with()
    kernel.delay(exactly(5), "abandoned")

    def waiter() -> Steps:
        yield kernel.delay(exactly(5), "awaited")
        kernel.emit("a", IrqTaken(1, 0))

    kernel.process(waiter())
    run_to_end(kernel)
    assert kernel.choices.log == []
    assert seen(kernel) == [(5, "a")]


def test_what_happens_now_is_over_before_the_next_delay_of_the_same_instant() -> None:
    kernel = kernel_with()
    signal = Signal(kernel)

    def first() -> Steps:
        yield kernel.delay(exactly(5), "first")
        signal.notify()

    def woken() -> Steps:
        yield signal.wait()
        kernel.emit("woken", IrqTaken(1, 0))

    def second() -> Steps:
        yield kernel.delay(exactly(5), "second")
        kernel.emit("second", IrqTaken(1, 0))

    for body in (woken, first, second):
        kernel.process(body())
    run_to_end(kernel)
    assert seen(kernel) == [(5, "woken"), (5, "second")]


def test_a_race_gives_the_winner_and_lets_the_loser_go() -> None:
    kernel = kernel_with()
    bound = []

    def racer() -> Steps:
        time_out = kernel.delay(exactly(10), "time-out")
        bound.append(time_out)
        winner = yield kernel.first(kernel.delay(exactly(3), "answer"), time_out)
        kernel.emit(f"winner {winner}", IrqTaken(1, 0))

    kernel.process(racer())
    run_to_end(kernel)
    assert seen(kernel) == [(3, "winner 0")]
    assert not bound[0].callbacks


def test_a_killed_process_does_nothing_more_and_its_waiters_go_on() -> None:
    kernel = kernel_with()

    def victim() -> Steps:
        time_out = kernel.delay(exactly(10), "time-out")
        yield kernel.first(kernel.event(), time_out)
        kernel.emit("victim", IrqTaken(1, 0))

    process = kernel.process(victim())

    def killer() -> Steps:
        yield kernel.delay(exactly(4), "killer")
        kernel.kill(process)
        kernel.kill(process)

    def mourner() -> Steps:
        yield process
        kernel.emit("mourner", IrqTaken(1, 0))

    kernel.process(killer())
    kernel.process(mourner())
    run_to_end(kernel)
    assert seen(kernel) == [(4, "mourner")]


def test_a_process_killed_before_it_began_never_begins() -> None:
    kernel = kernel_with()

    def victim() -> Steps:
        kernel.emit("victim", IrqTaken(1, 0))
        yield kernel.delay(exactly(1), "x")

    kernel.kill(kernel.process(victim()))
    run_to_end(kernel)
    assert kernel.records == []


def test_causes_follow_the_way_of_control() -> None:
    """A message keeps its own story, however long it waited behind another one."""
    kernel = kernel_with()
    mailbox: Mailbox[str] = Mailbox(kernel)

    def sender(name: str) -> Steps:
        kernel.emit(name, IrqTaken(1, 0))
        mailbox.put(name)
        yield kernel.delay(exactly(0), name)

    def receiver() -> Steps:
        for _ in range(2):
            while not mailbox:
                yield mailbox.wait()
            name = mailbox.take()
            yield kernel.delay(exactly(10), "work")
            kernel.emit(f"received {name}", IrqTaken(2, 0))

    for body in (sender("a"), sender("b"), receiver()):
        kernel.process(body)
    run_to_end(kernel)
    causes = {record.source: record.cause for record in kernel.records}
    assert causes == {"a": NO_CAUSE, "b": NO_CAUSE, "received a": 0, "received b": 1}


def test_a_story_can_begin_anew() -> None:
    kernel = kernel_with()

    def wire() -> Steps:
        for _ in range(2):
            yield kernel.delay(exactly(5), "gap")
            kernel.emit("wire", IrqTaken(1, 0))
            kernel.begin_story()

    kernel.process(wire())
    run_to_end(kernel)
    assert [record.cause for record in kernel.records] == [NO_CAUSE, NO_CAUSE]


def test_an_observer_sees_each_record_until_it_stops() -> None:
    kernel = kernel_with()
    sources: list[str] = []
    stop = kernel.observe(lambda record: sources.append(record.source))
    kernel.emit("a", IrqTaken(1, 0))
    stop()
    kernel.emit("b", IrqTaken(1, 0))
    assert sources == ["a"]


def test_a_run_that_does_not_end_is_given_up_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("quiesce.model.sim.kernel.EVENTS_MAX", 100)
    kernel = kernel_with(Earliest())

    def endless() -> Steps:
        while True:
            yield kernel.delay(exactly(1), "tick")

    kernel.process(endless())
    with pytest.raises(BoundHit, match=r"bound of 100 events.*shorten the workload"):
        run_to_end(kernel)


def test_a_failure_in_the_model_is_not_swallowed() -> None:
    kernel = kernel_with()

    def broken() -> Steps:
        yield kernel.delay(exactly(1), "x")
        raise ValueError("bug")

    kernel.process(broken())
    with pytest.raises(ValueError, match="bug"):
        run_to_end(kernel)


def test_a_process_killed_by_another_that_waited_for_the_same_event_ends_once() -> None:
    """Found by drawing: a guest stopped by the interrupt that one of its drivers waited for too."""
    kernel = Kernel(Nominal())
    shared = kernel.event()
    ended = []

    def victim() -> Steps:
        yield shared
        ended.append("went on")

    def killer() -> Steps:
        yield shared
        kernel.kill(doomed)
        yield kernel.delay(exactly(5), "after")
        ended.append("killer")

    def witness() -> Steps:
        yield doomed
        ended.append("witness")

    kernel.process(killer())
    doomed = kernel.process(victim())
    kernel.process(witness())
    shared.succeed()
    kernel.execute(kernel.event())
    assert ended == ["witness", "killer"]
