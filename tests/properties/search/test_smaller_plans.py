"""What makes a system smaller leaves one that fits together."""

import pytest

from quiesce.properties.search.smaller_plans import cost, smaller, without_a_device
from quiesce.scenarios.resolve.library import resolved

NAMES = ["shared-line", "blk-crash-drained", "article-walk", "nvme-crash-bare"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_refers_to_what_is_gone(name: str) -> None:
    for plan in smaller(resolved(name).plan):
        hardware = {one.name for one in (*plan.passable, *plan.disks)}
        for vm in plan.vms:
            vdevs = {vdev.name for vdev in vm.vdevs}
            assert {*vm.passed_through, *(block.disk for block in vm.blocks)} <= hardware
            assert {callback.device for callback in vm.quiesce} <= vdevs | hardware


@pytest.mark.parametrize("name", NAMES)
def test_a_smaller_system_costs_no_more(name: str) -> None:
    plan = resolved(name).plan
    found = list(smaller(plan))
    assert found
    assert all(cost(less) <= cost(plan) for less in found)


def test_a_guest_takes_its_devices_with_it() -> None:
    plan = resolved("shared-line").plan
    assert len(plan.vms) == len(plan.nics) == 2
    alone = [less for less in smaller(plan) if len(less.vms) == 1]
    assert [len(less.nics) for less in alone] == [1, 1]


def test_each_device_is_left_out_once() -> None:
    plan = resolved("article-walk").plan
    devices = len(plan.passable) + len(plan.disks) + sum(len(vm.vdevs) for vm in plan.vms)
    assert len(list(without_a_device(plan))) == devices


def test_a_frame_always_fits_its_buffer() -> None:
    lengths = {
        (nic.buffer_length, nic.frame_length)
        for less in smaller(resolved("nic-crash-bare").plan)
        for nic in less.nics
    }
    assert len(lengths) > 3
    assert all(buffer > frame for buffer, frame in lengths)
