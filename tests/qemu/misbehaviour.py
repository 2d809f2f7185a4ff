"""Ways to break the rules of initialisation and of the registers, and what can be seen of it.

Each takes a side whose device has just been reset, and returns what it read.
"""

from collections.abc import Callable

from quiesce.model.virtio.device_status import DeviceStatus
from quiesce.model.virtio.features import (
    VIRTIO_F_RING_PACKED,
    VIRTIO_F_SR_IOV,
    VIRTIO_F_VERSION_1,
    feature_mask,
)
from quiesce.model.virtio.layout import RingLayout, split_layout_at
from quiesce.model.virtio.pci_transport import COMMON_CFG_QUEUE_ENABLE, COMMON_CFG_QUEUE_SIZE
from quiesce.model.virtio.queues import driver_queue

from .actions import SLOT_BASE, Submit
from .side import RING_BASE, STATUS_AT, Observation, Side

Misbehaviour = Callable[[Side, int], Observation]

_VERSION_1 = feature_mask(VIRTIO_F_VERSION_1)
_READY = DeviceStatus.ACKNOWLEDGE | DeviceStatus.DRIVER | DeviceStatus.FEATURES_OK


def _set_up(side: Side, size: int = 16, shift: int = 0) -> None:
    """Place a split queue of 16 in memory; give the device another size, or another address."""
    sound = split_layout_at(RING_BASE, 16)
    side.queue = driver_queue(side.memory, sound, _VERSION_1)
    side.queue.initialise()
    side.driver.place_queue(0, RingLayout(size, *(addr + shift for addr in sound.areas())))


def _kick(side: Side) -> None:
    assert side.submit(Submit())
    side.publish()
    side.ring_doorbell()


def _seen(side: Side) -> Observation:
    """Return status and queue registers, and whether a read was carried out."""
    side.settle()
    side.driver.select_queue(0)
    return {
        "status": int(side.driver.status),
        "queue_enable": side.driver.read(COMMON_CFG_QUEUE_ENABLE),
        "queue_size": side.driver.read(COMMON_CFG_QUEUE_SIZE),
        "isr": side.driver.read_isr(),
        "status_byte": side.memory.read(SLOT_BASE + STATUS_AT, 1)[0],
        "has_used": side.queue is not None and side.queue.has_used(),
    }


def _accept(features: int) -> Misbehaviour:
    def misbehave(side: Side, offered: int) -> Observation:
        return {"agreed": side.driver.negotiate(features), "status": int(side.driver.status)}

    return misbehave


def _clear_status_bits(side: Side, offered: int) -> Observation:
    side.driver.negotiate(_VERSION_1)
    side.driver.set_status(DeviceStatus.ACKNOWLEDGE | DeviceStatus.DRIVER)
    return {"status": int(side.driver.status)}


def _queue_size(size: int) -> Misbehaviour:
    def misbehave(side: Side, offered: int) -> Observation:
        side.driver.negotiate(_VERSION_1)
        _set_up(side, size)
        side.driver.enable_queue(0)
        side.driver.go_live()
        _kick(side)
        return _seen(side)

    return misbehave


def _disable_queue(side: Side, offered: int) -> Observation:
    side.driver.negotiate(_VERSION_1)
    _set_up(side)
    side.driver.enable_queue(0)
    side.driver.write(COMMON_CFG_QUEUE_ENABLE, 0)
    side.driver.go_live()
    return _seen(side)


def _kick_before_driver_ok(side: Side, offered: int) -> Observation:
    side.driver.negotiate(_VERSION_1)
    _set_up(side)
    side.driver.enable_queue(0)
    _kick(side)
    return _seen(side)


def _kick_before_enable(side: Side, offered: int) -> Observation:
    side.driver.negotiate(_VERSION_1)
    _set_up(side)
    side.driver.go_live()
    _kick(side)
    return _seen(side)


def _resize_in_use(side: Side, offered: int) -> Observation:
    side.driver.negotiate(_VERSION_1)
    _set_up(side)
    side.driver.enable_queue(0)
    side.driver.write(COMMON_CFG_QUEUE_SIZE, 8)
    side.driver.go_live()
    _kick(side)
    return _seen(side)


def _ring_shifted(shift: int) -> Misbehaviour:
    def misbehave(side: Side, offered: int) -> Observation:
        side.driver.negotiate(_VERSION_1)
        _set_up(side, shift=shift)
        side.driver.enable_queue(0)
        side.driver.go_live()
        _kick(side)
        return _seen(side)

    return misbehave


def _go_on_after_failed(side: Side, offered: int) -> Observation:
    side.driver.set_status(DeviceStatus.ACKNOWLEDGE | DeviceStatus.DRIVER | DeviceStatus.FAILED)
    before = int(side.driver.status)
    side.driver.set_status(DeviceStatus.ACKNOWLEDGE | DeviceStatus.DRIVER)
    return {"status": before, "status_after": int(side.driver.status)}


def _driver_ok_without_features(side: Side, offered: int) -> Observation:
    side.driver.accept(0)
    side.driver.set_status(_READY | DeviceStatus.DRIVER_OK)
    return {"status": int(side.driver.status)}


def _needs_reset_by_driver(side: Side, offered: int) -> Observation:
    side.driver.set_status(DeviceStatus.ACKNOWLEDGE | DeviceStatus.DEVICE_NEEDS_RESET)
    return {"status": int(side.driver.status)}


def _select_missing_queue(side: Side, offered: int) -> Observation:
    side.driver.select_queue(7)
    return {
        "queue_size": side.driver.read(COMMON_CFG_QUEUE_SIZE),
        "queue_enable": side.driver.read(COMMON_CFG_QUEUE_ENABLE),
    }


MISBEHAVIOUR: dict[str, Misbehaviour] = {
    "a feature that is not offered": _accept(feature_mask(VIRTIO_F_VERSION_1, VIRTIO_F_SR_IOV)),
    "no VERSION_1": _accept(feature_mask(VIRTIO_F_RING_PACKED)),
    "status bits cleared": _clear_status_bits,
    "queue size 5": _queue_size(5),
    "queue size 512": _queue_size(512),
    "queue size 0": _queue_size(0),
    "queue_enable 0": _disable_queue,
    "doorbell before DRIVER_OK": _kick_before_driver_ok,
    "doorbell before queue_enable": _kick_before_enable,
    "queue size changed in use": _resize_in_use,
    "ring not aligned": _ring_shifted(1),
    "ring nowhere": _ring_shifted(0x7000_0000),
    "status after FAILED": _go_on_after_failed,
    "DRIVER_OK without VERSION_1": _driver_ok_without_features,
    "DEVICE_NEEDS_RESET by the driver": _needs_reset_by_driver,
    "a queue that does not exist": _select_missing_queue,
}
