"""Stories about the status field: the right way up, the wrong ways, reset and suspension."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from quiesce.model.virtio.device_status import (
    DeviceStatus,
    OperatingMode,
    StatusChange,
    StatusFault,
    StatusMachine,
)
from quiesce.model.virtio.features import (
    VIRTIO_F_ACCESS_PLATFORM,
    VIRTIO_F_EVENT_IDX,
    VIRTIO_F_RING_RESET,
    VIRTIO_F_SUSPEND,
    VIRTIO_F_VERSION_1,
    feature_mask,
)

A, D, OK, F = 1, 2, 4, 8
SUSPEND, NEEDS_RESET, FAILED = 16, 64, 128
OFFERED = feature_mask(VIRTIO_F_VERSION_1, VIRTIO_F_EVENT_IDX, VIRTIO_F_SUSPEND)


def negotiated(accepted: int = OFFERED) -> StatusMachine:
    machine = StatusMachine(OFFERED)
    machine.write(A)
    machine.write(A | D)
    machine.accept_features(accepted)
    machine.write(A | D | F)
    return machine


def live() -> StatusMachine:
    machine = negotiated()
    machine.write(A | D | F | OK)
    return machine


def test_driver_that_keeps_the_order_goes_live_without_a_fault() -> None:
    machine = StatusMachine(OFFERED)
    assert machine.write(A) == (StatusChange.NOTHING, None)
    assert machine.write(A | D) == (StatusChange.NOTHING, None)
    machine.accept_features(feature_mask(VIRTIO_F_VERSION_1))
    assert machine.negotiated == 0
    assert machine.write(A | D | F) == (StatusChange.FEATURES_ACCEPTED, None)
    assert machine.negotiated == feature_mask(VIRTIO_F_VERSION_1)
    assert not machine.may_touch_guest
    assert machine.write(A | D | F | OK) == (StatusChange.WENT_LIVE, None)
    assert machine.may_touch_guest


@pytest.mark.parametrize(
    "accepted",
    [
        OFFERED | feature_mask(VIRTIO_F_RING_RESET),
        feature_mask(VIRTIO_F_EVENT_IDX),
        0,
    ],
    ids=["not offered", "no VERSION_1", "nothing"],
)
def test_features_the_device_cannot_agree_to_leave_features_ok_clear(accepted: int) -> None:
    machine = StatusMachine(OFFERED)
    machine.write(A | D)
    machine.accept_features(accepted)
    assert machine.write(A | D | F)[0] is StatusChange.FEATURES_REFUSED
    assert machine.status == DeviceStatus(A | D)
    assert machine.negotiated == 0


def test_access_platform_must_be_accepted_where_it_is_offered() -> None:
    machine = StatusMachine(feature_mask(VIRTIO_F_VERSION_1, VIRTIO_F_ACCESS_PLATFORM))
    machine.write(A | D)
    machine.accept_features(feature_mask(VIRTIO_F_VERSION_1))
    assert machine.write(A | D | F)[0] is StatusChange.FEATURES_REFUSED


def test_features_written_after_features_ok_change_nothing() -> None:
    machine = negotiated()
    machine.accept_features(0)
    assert machine.negotiated == OFFERED


def test_reset_is_an_interval_in_which_the_old_status_stays() -> None:
    machine = live()
    assert machine.write(0) == (StatusChange.RESET_REQUESTED, None)
    assert machine.status == DeviceStatus(A | D | F | OK)
    assert machine.may_touch_guest, "work in flight may still land"
    assert machine.write(A) == (StatusChange.NOTHING, StatusFault.WRITTEN_DURING_RESET)
    assert machine.write(0) == (StatusChange.NOTHING, None), "one reset is under way already"
    machine.complete_reset()
    assert machine.status == DeviceStatus(0)
    assert not machine.may_touch_guest
    assert machine.negotiated == 0
    assert machine.state() == StatusMachine(OFFERED).state()


@pytest.mark.parametrize(
    ("before", "value", "fault"),
    [
        (A | D, A, StatusFault.CLEARED_BITS),
        (A, D, StatusFault.CLEARED_BITS),
        (0, D, StatusFault.OUT_OF_ORDER),
        (A, A | F, StatusFault.OUT_OF_ORDER),
        (A | D, A | D | OK, StatusFault.DRIVER_OK_WITHOUT_FEATURES),
        (A | D, A | D | FAILED, None),
        (A | D | FAILED, A | D | FAILED | F, StatusFault.SET_AFTER_FAILED),
        (A | D, A | D | NEEDS_RESET, StatusFault.DEVICE_BIT_SET),
        (A | D, A | D | SUSPEND, StatusFault.SUSPEND_NOT_NEGOTIATED),
        (A, A, None),
    ],
)
def test_write_that_breaks_a_rule_is_told(
    before: int, value: int, fault: StatusFault | None
) -> None:
    machine = StatusMachine(OFFERED)
    machine.status = DeviceStatus(before)
    assert machine.write(value)[1] is fault


def test_device_that_fails_while_live_owes_the_driver_a_notification() -> None:
    machine = live()
    assert machine.fail()
    assert DeviceStatus.DEVICE_NEEDS_RESET in machine.status
    assert not machine.may_touch_guest
    assert not negotiated().fail()


def test_driver_may_repeat_the_status_without_the_device_bit() -> None:
    machine = live()
    machine.fail()
    assert machine.write(A | D | F | OK)[1] is None
    assert DeviceStatus.DEVICE_NEEDS_RESET in machine.status


def test_suspension_is_an_interval_and_resuming_ends_it() -> None:
    machine = live()
    assert machine.write(A | D | F | OK | SUSPEND) == (StatusChange.SUSPEND_REQUESTED, None)
    assert machine.may_touch_guest
    machine.complete_suspend()
    assert machine.status == DeviceStatus(A | D | F | SUSPEND)
    assert not machine.may_touch_guest
    assert machine.write(A | D | F | OK) == (StatusChange.RESUMED, None)
    assert machine.status == DeviceStatus(A | D | F | OK)
    assert machine.may_touch_guest


def test_suspension_without_the_feature_is_not_begun() -> None:
    machine = negotiated(feature_mask(VIRTIO_F_VERSION_1))
    machine.write(A | D | F | OK)
    change, fault = machine.write(A | D | F | OK | SUSPEND)
    assert (change, fault) == (StatusChange.NOTHING, StatusFault.SUSPEND_NOT_NEGOTIATED)
    assert not machine.is_suspending


def test_stopped_device_may_not_touch_the_guest_whatever_its_status() -> None:
    machine = live()
    machine.mode = OperatingMode.STOPPED
    assert machine.is_live
    assert not machine.may_touch_guest


@given(st.lists(st.one_of(st.integers(0, 255), st.sampled_from(["reset done", "fail"]))))
def test_whatever_is_written_the_device_is_live_only_through_driver_ok(
    steps: list[int | str],
) -> None:
    machine = StatusMachine(OFFERED)
    machine.accept_features(OFFERED)
    driver_ok_written = False
    for step in steps:
        if isinstance(step, int):
            was_resetting = machine.is_resetting
            machine.write(step)
            driver_ok_written |= bool(step & OK) and not was_resetting
        elif step == "fail":
            machine.fail()
        elif machine.is_resetting:
            machine.complete_reset()
            driver_ok_written = False
            assert machine.status == 0
            machine.accept_features(OFFERED)
        assert driver_ok_written or not machine.may_touch_guest
