"""A run that does not end says which process of the model keeps it going."""

import pickle
import re

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Earliest, Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.base.errors import BoundHit
from quiesce.model.machine.system import run
from quiesce.model.plan.short_timing import SHORT
from quiesce.model.plan.system_plan import AfterPlan, EndPlan
from quiesce.model.sim import kernel as kernels
from quiesce.model.sim.component import Component
from quiesce.model.sim.kernel import Kernel, Mailbox, Steps
from quiesce.scenarios.resolve.library import resolved

HERE = r"(tests/model/)?sim/test_runaway\.py:\d"
"""This file: from the root of the checkout, or its last parts where an installed model runs."""


class Clock(Component):
    """Ticks for ever, and lets another process work once for each tick."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel, "clock0", SHORT)
        self.ticks: Mailbox[int] = Mailbox(kernel)
        self.start(self._work)
        self.start(self._tick)

    def _tick(self) -> Steps:
        while True:
            yield self.kernel.delay(exactly(5), "clock0.tick")
            self.ticks.put(1)

    def _work(self) -> Steps:
        while True:
            while not self.ticks:
                yield self.ticks.wait()
            self.ticks.take()
            for _ in range(3):
                yield self.kernel.delay(exactly(1), "clock0.work")


def given_up(kernel: Kernel, events_max: int = 400) -> BoundHit:
    with pytest.raises(BoundHit) as caught:
        kernel.execute(kernel.event(), events_max)
    return caught.value


def test_the_process_that_waits_for_no_other_is_named_and_not_the_busiest() -> None:
    kernel = Kernel(Nominal())
    Clock(kernel)
    hit = given_up(kernel)
    assert re.search(rf"clock0 goes on without end in Clock\._tick \({HERE}", str(hit))
    assert "most frequent delays: clock0.work (" in hit.process
    assert "clock0.tick (" in hit.process


def test_two_processes_that_wake_each_other_at_one_instant_are_named() -> None:
    kernel = Kernel(Nominal())
    one: Mailbox[int] = Mailbox(kernel)
    other: Mailbox[int] = Mailbox(kernel)

    def passes_on(mine: Mailbox[int], next_one: Mailbox[int]) -> Steps:
        while True:
            while not mine:
                yield mine.wait()
            next_one.put(mine.take())

    kernel.process(passes_on(one, other))
    kernel.process(passes_on(other, one))
    one.put(1)
    hit = given_up(kernel)
    assert re.search(rf"passes_on \({HERE}", hit.process)
    assert "none, all at one instant" in hit.process


def test_a_loser_of_a_race_counts_as_waiting_for_itself_alone() -> None:
    kernel = Kernel(Nominal())

    def polls() -> Steps:
        while True:
            yield kernel.first(kernel.event(), kernel.delay(exactly(2), "a.poll"))

    kernel.process(polls())
    assert re.search(rf"polls \({HERE}", given_up(kernel).process)


def test_a_run_that_ends_with_its_last_event_is_whole() -> None:
    def ends_after(ticks: int) -> tuple[Kernel, object]:
        kernel = Kernel(Earliest())

        def body() -> Steps:
            for _ in range(ticks):
                yield kernel.delay(exactly(1), "a.tick")

        return kernel, kernel.process(body())

    kernel, done = ends_after(3)
    kernel.execute(done)  # type: ignore[arg-type]
    needed = kernel.events_run
    kernel, done = ends_after(3)
    kernel.execute(done, needed)  # type: ignore[arg-type]
    assert kernel.events_run == needed
    kernel, done = ends_after(3)
    with pytest.raises(BoundHit):
        kernel.execute(done, needed - 1)  # type: ignore[arg-type]


def test_a_guest_whose_end_waits_in_vain_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "EVENTS_MAX", 3_000)
    plan = resolved("nic-crash-quiesced").plan
    (vm,) = plan.vms
    end = EndPlan("guest-crash", exactly(0), AfterPlan("StopConfirmed"))
    with pytest.raises(BoundHit) as caught:
        run(replace(plan, vms=(replace(vm, end=end),)), Nominal())
    said = str(caught.value)
    assert "eth0 goes on without end in Nic._wire (model/hardware/nic.py:" in said
    assert f"{vm.name} has not ended: its end waits for StopConfirmed" in said


def test_a_bound_that_was_hit_survives_the_way_between_processes() -> None:
    hit = BoundHit("events", 7, "do something", "a goes on")
    again = pickle.loads(pickle.dumps(hit))
    assert str(again) == str(hit) == "the run hit its bound of 7 events; a goes on; do something"
