"""Windows, budgets and margins of small systems whose answers can be worked out by hand."""

import doctest
from pathlib import Path

import pytest

from quiesce.model.base.clock import Span, exactly
from quiesce.model.dense.dense_kernel import Build
from quiesce.model.dense.step import Moment
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.component import Component
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import DmaLanded, FramesReleased, TerminationBegun
from quiesce.properties.prove.budget import NoSuchWaitError, Trial, budget_of
from quiesce.properties.prove.watches import Distance, NeverAfter, event_is, source_is
from quiesce.properties.prove.windows import Window, united
from quiesce.properties.prove.zones import FOREVER
from quiesce.scenarios.prove import dense

TIMING = Timing()
CRASH = {
    cause: lambda record, cause=cause: (
        isinstance(record.event, TerminationBegun) and record.event.cause == cause
    )
    for cause in ("guest-crash", "kill")
}


class Writer(Component):
    """Writes at 10 and at 20, each on its way for 1..3; one write can be stopped."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel, "nic", TIMING)
        self.is_stopped = False
        self.start(self._write)

    def stop(self) -> None:
        self.is_stopped = True

    def _write(self) -> Steps:
        for _ in range(2):
            yield self.kernel.delay(exactly(10 - 3), "nic.wait")
            if self.is_stopped:
                return
            yield self.kernel.delay(Span(1, 3), "nic.landing")
            self.emit(DmaLanded("nic", 1, 0, 1, "data"))


class Ending(Component):
    """Ends at any instant, in one of two ways, and one of them stops the writer."""

    def __init__(self, kernel: Kernel, writer: Writer, drain: Span) -> None:
        super().__init__(kernel, "qvm", TIMING)
        self.writer = writer
        self.drain = drain
        self.start(self._live)

    def _live(self) -> Steps:
        is_killed = self.kernel.choices.happens("qvm.killed")
        yield self.kernel.delay(Span(0, 40), "qvm.life")
        self.emit(TerminationBegun("vm", 1, "kill" if is_killed else "guest-crash", True))
        if not is_killed:
            self.writer.stop()
        yield self.kernel.delay(self.drain, "qvm.drain")
        self.emit(FramesReleased("vm", 1, 0, 1))


def claim() -> NeverAfter:
    return NeverAfter("no landing after release", event_is(DmaLanded), event_is(FramesReleased))


def system(drain: Span) -> Build:
    def build(kernel: Kernel) -> None:
        Ending(kernel, Writer(kernel), drain)

    return build


@pytest.mark.parametrize("in_parts", [False, True])
def test_each_cause_has_its_own_unsafe_windows(in_parts: bool) -> None:
    found = dense.windows(system(exactly(2)), [claim], CRASH, in_parts=in_parts)
    assert found.verdict == "violated"
    # A write is issued at 7 and, its landing at 8..10 over, again at 15..17 and lands up to 20.
    # With the writer stopped only a write that is under way can come at 2 after the crash, when
    # it has been issued before the crash: that is at 7..8, and at 15..18.
    # Left alone, the writer lands its last up to 20: whoever dies up to 18 is hit.
    assert found.by_moment == {
        "guest-crash": (Window(7, 8), Window(15, 18)),
        "kill": (Window(0, 18),),
    }


def test_windows_are_empty_where_every_instant_is_safe() -> None:
    found = dense.windows(system(exactly(4)), [claim], {"guest-crash": CRASH["guest-crash"]})
    assert found.by_moment == {"guest-crash": ()}
    found = dense.windows(system(exactly(30)), [claim], CRASH)
    assert (found.verdict, found.by_moment) == ("proved", {"guest-crash": (), "kill": ()})


def test_windows_that_do_not_touch_stay_apart() -> None:
    windows = [Window(5, 6), Window(0, 1), Window(1, 3), Window(4, 4)]
    assert united(windows) == [Window(0, 3), Window(4, 4), Window(5, 6)]


def test_a_search_for_windows_that_was_cut_short_does_not_say_that_there_are_no_more() -> None:
    found = dense.windows(system(exactly(2)), [claim], CRASH, max_classes=3)
    assert found.verdict == "inconclusive"
    assert found.reason.startswith("cut short")


def stopped_late(kernel: Kernel) -> None:
    """The device issues until the callback is over, at most 6 after the crash; drain of 5..9."""

    def qvm() -> Steps:
        yield kernel.delay(Span(0, 8), "qvm.life")
        kernel.emit("qvm", TerminationBegun("vm", 1, "kill", True))
        yield kernel.delay(Span(5, 9), "qvm.drain")
        kernel.emit("qvm", FramesReleased("vm", 1, 0, 1))

    def nic() -> Steps:
        yield kernel.delay(Span(0, 3), "nic.wait")
        yield kernel.delay(Span(1, 1), "nic.landing")
        kernel.emit("nic", DmaLanded("nic", 1, 0, 1, "data"))

    kernel.process(qvm())
    kernel.process(nic())


def test_a_budget_is_what_keeps_the_last_landing_before_the_release() -> None:
    # Life 0 and drain 5 release at 5; a wait of 3 and a landing of 1 end at 4.
    found = dense.budget(stopped_late, [claim], "nic.landing")
    assert (found.verdict, found.declared_ns, found.largest_ns) == ("bounded", 1, 1)
    assert found.limit is not None
    assert found.limit.event == ("nic.landing", 0)
    assert dense.budget(stopped_late, [claim], "nic.wait").largest_ns == 3
    # Both share one bound of 2: at 4 they are over.
    assert dense.budget(stopped_late, [claim], "nic.*").largest_ns == 2


def test_a_wait_on_which_nothing_depends_has_no_bound() -> None:
    found = dense.budget(stopped_late, [claim], "qvm.drain")
    assert (found.verdict, found.largest_ns, found.proofs) == ("unlimited", None, 1)


def test_a_claim_that_no_bound_keeps_has_no_budget() -> None:
    found = dense.budget(system(exactly(2)), [claim], "qvm.life")
    assert (found.verdict, found.largest_ns) == ("violated", None)
    assert found.limit is not None
    assert found.limit.claim == "no landing after release"


def test_a_budget_of_a_wait_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(NoSuchWaitError, match=r"'qvm.drian'; did you mean 'qvm.drain'\?"):
        dense.budget(stopped_late, [claim], "qvm.drian")


def test_a_budget_that_was_cut_short_says_so() -> None:
    found = dense.budget(stopped_late, [claim], "nic.wait", max_classes=2)
    assert found.verdict == "inconclusive"
    assert found.reason.startswith("cut short")


@pytest.mark.parametrize("in_parts", [False, True])
def test_the_margin_comes_with_the_run_that_has_no_more(in_parts: bool) -> None:
    # Unstopped the last landing is at 20 at the latest, and the release at 30 at the earliest.
    margin = dense.margins(system(exactly(30)), [claim], in_parts=in_parts)[0]
    assert (margin.ns, margin.is_exact) == (10, True)
    assert margin.run is not None
    assert margin.run.last_ns == 30
    assert margin.run.lengths_ns["nic.landing", 1] == 3

    broken = dense.margins(system(exactly(2)), [claim], in_parts=in_parts)[0]
    assert broken.ns == 0
    assert broken.run is not None


def test_the_shortest_and_the_longest_distance_come_with_their_runs() -> None:
    def teardown() -> Distance:
        return Distance("teardown", event_is(TerminationBegun), event_is(FramesReleased))

    answer = dense.prove(system(Span(4, 6)), [], [teardown])
    shortest, longest = answer.distances["teardown"]
    assert (shortest.ns, longest.ns) == (4, 6)
    assert shortest.schedule.lengths_ns["qvm.drain", 0] == 4
    assert longest.schedule.lengths_ns["qvm.drain", 0] == 6


def test_a_distance_of_zero_between_two_events_has_its_run_too() -> None:
    def build(kernel: Kernel) -> None:
        def one() -> Steps:
            yield kernel.delay(Span(0, 3), "one.wait")
            kernel.emit("one", FramesReleased("vm", 1, 0, 1))

        def other() -> Steps:
            yield kernel.delay(exactly(2), "other.wait")
            kernel.emit("other", FramesReleased("vm", 1, 0, 1))

        kernel.process(one())
        kernel.process(other())

    clock = lambda: Distance("gap", source_is("one"), source_is("other"))  # noqa: E731
    shortest = dense.prove(build, [], [clock]).distances["gap"].shortest
    assert shortest.ns == 0
    assert shortest.schedule.lengths_ns["one.wait", 0] == 2


def test_a_counterexample_is_repeated_in_the_ordinary_kernel() -> None:
    answer = dense.prove(system(exactly(2)), [claim])
    assert answer.verdict == "violated"
    assert answer.counterexample is not None
    assert isinstance(answer.counterexample.records[-1].event, DmaLanded)


def test_the_example_in_the_documents_is_true() -> None:
    document = Path(__file__).parents[2] / "docs" / "proof.md"
    result = doctest.testfile(str(document), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0


def test_a_model_that_goes_on_for_ever_has_budgets_too() -> None:
    def build(kernel: Kernel) -> None:
        def ring() -> Steps:
            while True:
                yield kernel.delay(Span(1, 2), "ring.hold")
                is_late = yield kernel.first(
                    kernel.delay(Span(1, 3), "ring.pass"), kernel.delay(exactly(5), "ring.timer")
                )
                kernel.emit("late" if is_late else "well", FramesReleased("vm", 1, 0, 1))

        kernel.process(ring())

    def never_late() -> NeverAfter:
        return NeverAfter("never late", source_is("late"), source_is("late", "well"))

    # Without a greatest length the states still come again, and the proof has an end.
    assert dense.budget(build, [never_late], "ring.hold").verdict == "unlimited"
    # At 5 the timer may come first.
    found = dense.budget(build, [never_late], "ring.pass")
    assert (found.verdict, found.largest_ns) == ("bounded", 4)


class Threshold:
    """A model whose waits may take up to a threshold, and that is too large without any bound."""

    def __init__(self, largest_ns: int) -> None:
        self.largest_ns = largest_ns
        self.tried: list[int] = []

    def attempt(self, hi_ns: int) -> Trial:
        self.tried.append(hi_ns)
        verdict = "proved" if hi_ns <= self.largest_ns else "violated"
        if hi_ns == FOREVER:
            verdict = "inconclusive"
        # w ends after another delay that takes one nanosecond more than the threshold.
        late = (self.largest_ns + 1, self.largest_ns + 1)
        begun = ((("w", 0), 0, hi_ns), (("late", 0), *late))
        return Trial(verdict, "", ("c", "m"), (
            Moment(None, begun, (0,), (), (), ()),
            Moment(("late", 0), (), (0,), (("w", 0),), (), ()),
            Moment(("w", 0), (), (0,), (), (), ()),
        ))  # fmt: skip


@pytest.mark.parametrize("largest_ns", [5, 6, 100, 1_000_003])
def test_a_budget_is_found_from_below_where_no_bound_at_all_is_too_much(largest_ns: int) -> None:
    model = Threshold(largest_ns)
    found = budget_of("w", 0, 5, model.attempt, lambda label: label == "w")
    assert (found.verdict, found.largest_ns) == ("bounded", largest_ns)
    assert found.proofs == len(model.tried) <= 24
    assert model.tried[:2] == [FOREVER, 5]


def test_a_budget_that_is_never_reached_by_doubling_is_not_called_unlimited() -> None:
    model = Threshold(FOREVER - 1)
    found = budget_of("w", 0, 5, model.attempt, lambda _: True)
    assert found.verdict == "inconclusive"
    assert found.largest_ns is not None
    assert found.largest_ns > 1 << 48
