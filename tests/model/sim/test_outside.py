"""The end of the outside: stimuli stop at once, what is under way goes on until all is quiet."""

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.dense.dense_kernel import DenseKernel
from quiesce.model.sim.kernel import QUIET_EVENTS_MAX, Kernel, Steps
from quiesce.model.sim.outside import Withheld
from quiesce.model.trace.events import IrqTaken

FRAMES = Withheld("eth0", 1, "both", "frames from the wire")


def ticking(kernel: Kernel, gap_ns: int = 10) -> None:
    """Bring in an interrupt again and again."""

    def wire() -> Steps:
        while not kernel.outside.is_over:
            yield kernel.delay(exactly(gap_ns), "eth0.gap")
            kernel.emit("eth0", IrqTaken(1, 1))
            yield kernel.delay(exactly(3), "eth0.store")
            kernel.emit("eth0", IrqTaken(2, 1))

    kernel.outside.add(kernel.process(wire()), "eth0.gap", lambda: FRAMES)


def closed_at(kernel: Kernel, at_ns: int, within_ns: int = 1_000) -> list[tuple[str, ...]]:
    """End the outside at an instant, run, and return what was under way at the end."""
    under_way: list[tuple[str, ...]] = []

    def observe() -> Steps:
        yield kernel.delay(exactly(at_ns), "run.observe")
        kernel.outside.close()
        under_way.append((yield kernel.quiet(within_ns)))

    kernel.execute(kernel.process(observe()))
    return under_way


def test_a_stimulus_that_waits_is_stopped_at_once() -> None:
    kernel = Kernel(Nominal())
    ticking(kernel)
    assert closed_at(kernel, 17) == [()]
    assert [record.at_ns for record in kernel.records] == [10, 13]
    assert kernel._now == 17


def test_what_a_stimulus_has_begun_runs_to_its_end_and_no_more_begins() -> None:
    kernel = Kernel(Nominal())
    ticking(kernel)
    assert closed_at(kernel, 11) == [()]
    assert [record.at_ns for record in kernel.records] == [10, 13]


def test_a_stopped_stimulus_says_what_it_would_have_started() -> None:
    kernel = Kernel(Nominal())
    ticking(kernel)
    closed_at(kernel, 17)
    assert kernel.outside.withheld() == [FRAMES]


def test_a_stimulus_that_had_run_out_withholds_nothing() -> None:
    kernel = Kernel(Nominal())

    def one_frame() -> Steps:
        yield kernel.delay(exactly(5), "eth0.gap")

    kernel.outside.add(kernel.process(one_frame()), "eth0.gap", lambda: FRAMES)
    closed_at(kernel, 17)
    assert kernel.outside.withheld() == []


def test_what_takes_longer_than_the_bound_is_named_and_ends_the_wait_at_the_bound() -> None:
    kernel = Kernel(Nominal())

    def slow() -> Steps:
        yield kernel.delay(exactly(5_000), "disk.service")

    kernel.process(slow())
    assert closed_at(kernel, 100, within_ns=1_000) == [("disk.service",)]
    assert kernel._now == 1_100


def test_what_ends_exactly_at_the_bound_has_ended() -> None:
    kernel = Kernel(Nominal())

    def slow() -> Steps:
        yield kernel.delay(exactly(1_100), "disk.service")

    kernel.process(slow())
    assert closed_at(kernel, 100, within_ns=1_000) == [()]


def test_what_never_rests_is_given_up_and_named() -> None:
    kernel = Kernel(Nominal())

    def storm() -> Steps:
        while True:
            yield kernel.delay(exactly(1), "gic.storm")

    kernel.process(storm())
    assert closed_at(kernel, 10, within_ns=10 * QUIET_EVENTS_MAX) == [("gic.storm",)]


def test_a_delay_that_nobody_waits_for_does_not_disturb_the_quiet() -> None:
    kernel = Kernel(Nominal())
    kernel.delay(exactly(900), "abandoned")
    assert closed_at(kernel, 10) == [()]
    assert kernel._now == 10


def test_in_the_dense_kernel_quiet_comes_when_no_delay_is_awaited() -> None:
    kernel = DenseKernel()
    ended: list[str] = []

    def slow() -> Steps:
        yield kernel.delay(exactly(5), "disk.service")
        ended.append("served")

    def observe() -> Steps:
        yield kernel.quiet(1_000)
        ended.append("quiet")

    kernel.process(slow())
    kernel.process(observe())
    kernel.settle()
    assert ended == []
    kernel.fire(kernel.pending["disk.service", 0])
    assert ended == ["served", "quiet"]
