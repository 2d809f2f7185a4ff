"""Makes the two sides of a virtqueue, in the format of the negotiated features."""

from .features import VIRTIO_F_RING_PACKED, has_feature, ring_features
from .layout import RingLayout, packed_layout_at, split_layout_at
from .memory import GuestMemory
from .packed_device import PackedDeviceQueue
from .packed_driver import PackedDriverQueue
from .split_device import SplitDeviceQueue
from .split_driver import SplitDriverQueue
from .virtqueue import DeviceQueue, DriverQueue


def layout_at(base: int, size: int, negotiated: int) -> RingLayout:
    """Return a virtqueue of the negotiated format whose parts follow each other from `base`."""
    if has_feature(negotiated, VIRTIO_F_RING_PACKED):
        return packed_layout_at(base, size)
    return split_layout_at(base, size)


def driver_queue(memory: GuestMemory, layout: RingLayout, negotiated: int) -> DriverQueue:
    """Return the driver side of a fresh virtqueue; `initialise` writes it to memory."""
    features = ring_features(negotiated)
    if has_feature(negotiated, VIRTIO_F_RING_PACKED):
        return PackedDriverQueue(memory, layout, features)
    return SplitDriverQueue(memory, layout, features)


def device_queue(
    memory: GuestMemory, layout: RingLayout, negotiated: int, *, accepts_zero_length: bool = True
) -> DeviceQueue:
    """Return the device side of a fresh virtqueue.

    Args:
        memory: The memory as the device reaches it.
        layout: Size and addresses as the driver gave them.
        negotiated: The features in force, as a number.
        accepts_zero_length: Whether a buffer without bytes is accepted.
    """
    features = ring_features(negotiated)
    side = PackedDeviceQueue if has_feature(negotiated, VIRTIO_F_RING_PACKED) else SplitDeviceQueue
    return side(memory, layout, features, accepts_zero_length=accepts_zero_length)
