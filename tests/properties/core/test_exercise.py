"""Which devices put a property to the test, and the headline that follows from it."""

from collections.abc import Callable
from typing import get_args

from msgspec.structs import replace

from quiesce.model.base.choices import Earliest, Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import EndPlan, SystemPlan
from quiesce.model.trace.events import Trace
from quiesce.properties.check import judge
from quiesce.properties.core.exercise import Exercise, exercises_of, together
from quiesce.properties.core.verdict import (
    HEADLINES,
    Headline,
    Judgement,
    Severity,
    Verdict,
    Violation,
    Word,
)

PlanMaker = Callable[..., SystemPlan]
Steps = tuple[tuple[str, int], ...]
WRITE, IRQ = "no-dma-after-teardown", "no-irq-after-teardown"
AT_WORK = Exercise(
    "eth0", "vm1", True, True, 3, 1, was_at_work=True, is_written=True, is_heard=True
)
IDLE = Exercise("ahci0", "vm1", can_write=True, can_interrupt=False, reason="it had no work")


def only(trace: Trace) -> Exercise:
    (found,) = exercises_of(trace)
    return found


def dying_at(nic_system: PlanMaker, at_ns: int, steps: Steps = ()) -> SystemPlan:
    end = EndPlan("guest-crash", exactly(at_ns))
    return nic_system(steps, vm={"end": end, "restart": False})


def test_a_busy_controller_puts_both_central_properties_to_the_test(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    found = only(run(nic_system(documented_steps), Nominal()))
    assert (found.device, found.vm, found.reason) == ("eth0", "qvm178", "")
    assert found.tested == {WRITE, IRQ}
    assert found.landings > 0
    assert found.interrupts > 0
    assert found.was_at_work


def test_a_guest_that_dies_before_its_drivers_work_tests_nothing(nic_system: PlanMaker) -> None:
    trace = run(dying_at(nic_system, 1_000), Nominal())
    found = only(trace)
    assert found.untested == {WRITE, IRQ}
    assert found.reason.startswith("the guest ended at 1us, before its drivers had set")
    assert "guest_boot takes" in found.reason
    judgement = judge(trace)
    assert judgement.headline == "not exercised"
    assert judgement.verdict == "vacuous"
    assert "not exercised: eth0: the guest ended at 1us" in str(judgement)


def test_memory_that_is_kept_puts_no_write_to_the_test(nic_system: PlanMaker) -> None:
    steps: Steps = (("disable-receive", 0), ("reset", 0), ("await-idle", 80_000_000))
    found = only(run(nic_system(steps), Nominal()))
    assert found.untested == {WRITE}
    assert found.reason == "the memory of qvm178 went into quarantine and was never released"


def test_a_vm_whose_end_does_not_come_tests_nothing(nic_system: PlanMaker) -> None:
    plan = replace(dying_at(nic_system, 10_000_000), horizon_ns=400_000)
    found = only(run(plan, Earliest()))
    assert found.untested == {WRITE, IRQ}
    assert found.reason == "qvm178 did not end"


def test_a_vdev_cannot_be_heard_and_the_disk_behind_it_writes_too(
    block_system: PlanMaker,
) -> None:
    found = {each.device: each for each in exercises_of(run(block_system(), Nominal()))}
    assert list(found) == ["qvm178.virtio-blk_qvm178", "ahci0"]
    assert not any(each.can_interrupt for each in found.values())
    assert all(each.tested == {WRITE} for each in found.values())
    bounce = run(block_system(block={"zero_copy": False}), Nominal())
    assert [each.device for each in exercises_of(bounce)] == ["qvm178.virtio-blk_qvm178"]


def test_a_vm_that_lives_on_is_asked_for_nothing(nic_system: PlanMaker) -> None:
    assert exercises_of(run(nic_system(vm={"end": None}), Nominal())) == ()


def test_runs_put_to_the_test_together_what_none_does_alone() -> None:
    written = replace(AT_WORK, is_heard=False, reason="never heard")
    heard = replace(AT_WORK, is_written=False, reason="never wrote")
    (both,) = together([(written,), (heard,)])
    assert both.is_whole
    assert (both.reason, both.landings, both.interrupts) == ("", 6, 2)
    (still,) = together([(written,), (written,)])
    assert still.untested == {IRQ}
    assert still.reason == "never heard"


# Headlines.


def verdict(name: str, word: Word, severity: Severity = "none") -> Verdict:
    violations = (Violation(0, 0, "it broke", severity),) if word == "violated" else ()
    count = int(word not in {"vacuous"})
    return Verdict(name, word, severity, count, "", violations, len(violations))


def headline(*verdicts: Verdict, exercises: tuple[Exercise, ...] = (AT_WORK,)) -> Headline:
    return Judgement(
        scenario="s",
        label="run",
        bounds=("one trace",),
        assumptions=(),
        verdicts=verdicts,
        exercises=exercises,
    ).headline


HOLDS = (verdict(WRITE, "holds"), verdict(IRQ, "holds"))


def test_holds_stands_only_where_every_device_was_at_work() -> None:
    assert headline(*HOLDS) == "holds"
    assert headline(*HOLDS, exercises=(AT_WORK, IDLE)) == "not exercised"


def test_an_idle_device_is_no_matter_of_properties_that_it_cannot_break() -> None:
    assert headline(verdict(IRQ, "holds"), exercises=(AT_WORK, IDLE)) == "holds"
    assert headline(verdict("teardown-bounded", "holds"), exercises=(IDLE,)) == "holds"


def test_a_run_in_which_all_is_vacuous_is_not_exercised() -> None:
    assert headline(verdict(WRITE, "vacuous"), exercises=()) == "not exercised"


def test_a_violation_or_a_doubt_comes_before_an_idle_device() -> None:
    broken, open_one = verdict(IRQ, "violated", "spurious"), verdict(IRQ, "inconclusive")
    assert headline(HOLDS[0], broken, exercises=(IDLE,)) == "violated"
    assert headline(HOLDS[0], open_one, exercises=(IDLE,)) == "inconclusive"


def test_what_costs_memory_alone_is_a_headline_of_its_own() -> None:
    lost = verdict("memory-reclaimed", "violated", "withheld")
    cut_off = verdict("quiesce-completed", "violated", "unfinished")
    assert headline(*HOLDS, lost) == headline(*HOLDS, lost, cut_off) == "withheld"
    assert headline(*HOLDS, cut_off) == "violated"
    assert HEADLINES["withheld"] == "safe by losing the memory"
    assert headline(verdict(WRITE, "violated", "stray"), lost) == "violated"
    assert headline(verdict(WRITE, "inconclusive"), lost) == "inconclusive"


def test_every_headline_has_words() -> None:
    assert set(HEADLINES) == set(get_args(Headline))


def test_devices_that_were_idle_for_the_same_reason_are_reported_together() -> None:
    other = replace(IDLE, device="ahci1")
    judgement = Judgement(
        scenario="s",
        label="run",
        bounds=("one trace",),
        assumptions=(),
        verdicts=HOLDS,
        exercises=(AT_WORK, IDLE, other),
    )
    assert judgement.idle_reasons == ("ahci0, ahci1: it had no work",)
