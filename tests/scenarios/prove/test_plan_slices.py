"""What a slice assumes of the devices that stand idle in it."""

from msgspec.structs import replace

from quiesce.model.base.clock import Span, exactly
from quiesce.model.plan.independence import independent_groups
from quiesce.model.plan.system_plan import NicPlan, QuiescePlan, StepPlan
from quiesce.model.vdev.virtio_vdev import duration_of_step
from quiesce.scenarios.prove.plan_slices import callback_measure, callbacks_of, slice_of

from .chained_plans import DRAIN, JOIN, chained


def test_a_callback_of_another_slice_takes_what_its_steps_allow() -> None:
    plan = chained(console=(*DRAIN, *JOIN), entropy=JOIN)
    groups = independent_groups(plan)
    for number, group in enumerate(groups.groups):
        other = ("vm", "rng") if "con" in group.name else ("vm", "con")
        steps = next(each.steps for each in plan.vms[0].quiesce if each.vdev == other[1])
        spans = [duration_of_step(plan.timing, step.name, step.bound_ns) for step in steps]
        found = slice_of(plan, groups, number, {}).callback_spans
        expected = Span(sum(each.lo_ns for each in spans), sum(each.hi_ns for each in spans))
        assert found == {other: expected}
        assert expected.hi_ns > 0


def test_a_callback_that_was_measured_takes_what_was_measured() -> None:
    plan = chained(console=DRAIN, entropy=JOIN)
    groups = independent_groups(plan)
    measured = {("vm", "rng"): Span(3, 7), ("vm", "con"): Span(4, 9)}
    for number, group in enumerate(groups.groups):
        other = ("vm", "rng") if "con" in group.name else ("vm", "con")
        assert slice_of(plan, groups, number, measured).callback_spans == {other: measured[other]}


def test_two_callbacks_of_one_vdev_take_as_little_and_as_much_as_either() -> None:
    plan = chained(console=DRAIN, entropy=JOIN)
    long = QuiescePlan("rng", "rng", (StepPlan("drain", 77_000), *JOIN))
    vm = replace(plan.vms[0], quiesce=(*plan.vms[0].quiesce, long))
    plan = replace(plan, vms=(vm,))
    groups = independent_groups(plan)
    number = next(at for at, each in enumerate(groups.groups) if "con" in each.name)
    span = slice_of(plan, groups, number, {}).callback_spans["vm", "rng"]
    each = [
        [duration_of_step(plan.timing, step.name, step.bound_ns) for step in steps]
        for steps in (JOIN, long.steps)
    ]
    assert span.lo_ns == min(sum(one.lo_ns for one in spans) for spans in each)
    assert span.hi_ns == max(sum(one.hi_ns for one in spans) for spans in each)


def test_a_callback_of_hardware_may_take_as_long_as_the_run() -> None:
    """Its steps wait for what is on its way, which no bound limits."""
    plan = chained()
    nic = NicPlan("eth0", 44)
    callback = QuiescePlan("quiesce-eth0", "eth0", (StepPlan("disable-receive"),))
    vm = replace(plan.vms[0], nics=("eth0",), quiesce=(callback,))
    plan = replace(plan, vms=(vm,), nics=(nic,))
    groups = independent_groups(plan)
    own = groups.number_of("eth0")
    assert own is not None
    assert len(groups.groups) == 3
    for number in range(3):
        found = slice_of(plan, groups, number, {}).callback_spans
        span = Span(0, plan.horizon_ns)
        assert found == ({} if number == own else {("vm", "quiesce-eth0"): span})


def test_guesses_are_told() -> None:
    plan = chained(console=DRAIN, entropy=JOIN)
    groups = independent_groups(plan)
    guesses_of = [slice_of(plan, groups, number, {}).guesses for number in range(2)]
    assert all("the callback of vm." in guesses[0] for guesses in guesses_of)
    assert (
        slice_of(plan, groups, 0, {("vm", "con"): exactly(5), ("vm", "rng"): exactly(5)})[-1] == ()
    )


def test_callbacks_worth_measuring_are_those_of_the_group_whose_length_varies() -> None:
    plan = chained(console=DRAIN, entropy=JOIN)
    groups = independent_groups(plan)
    names = {
        groups.groups[number].name: callbacks_of(plan, groups, number)
        for number in range(len(groups.groups))
    }
    assert sorted(name for found in names.values() for name in found) == [
        ("vm", "con"), ("vm", "rng"),
    ]  # fmt: skip
    assert callback_measure(plan, ("vm", "con")).name == "vm.con: its TERMINATE callback"
