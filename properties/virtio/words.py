"""Numbers and small functions that the rules of VIRTIO share.

Source:
    VIRTIO 1.2, 2.1 (status), 4.1.4.3 (vectors), 6 (features).
"""

from collections.abc import Hashable, Iterable
from enum import IntEnum, IntFlag

FEATURES_OK = 8
DRIVER_OK = 4
SUSPEND = 16
NEEDS_RESET = 64
FAILED = 128

INDIRECT_DESC, RING_PACKED, IN_ORDER = 28, 34, 35
NO_VECTOR = 0xFFFF
IDX_MODULUS = 1 << 16
CONFIG = -1
"""The index that stands for configuration changes."""

DESCRIPTOR_SIZE = 16
VERSION_ASSUMED = "1.2"
"""The version by which a device is judged if the trace does not show its own."""


class Silence(IntFlag):
    """Why a device must not access a queue."""

    NOT_LIVE = 1
    RESET_DONE = 2
    SUSPENDED = 4
    STOPPED = 8
    QUEUE_RESET = 16
    NOT_READY = 32
    READINESS_UNKNOWN = 64
    """QueueReady was written 0, and the driver has not yet read whether it is 0."""


# As plain numbers, because the tracker combines them at every access.
NOT_LIVE, RESET_DONE, SUSPENDED, STOPPED, QUEUE_RESET, NOT_READY, READINESS_UNKNOWN = map(
    int, Silence
)


class Stage(IntEnum):
    """How far a chain has come."""

    EXPOSED = 0
    AVAILABLE = 1
    USED = 2
    """The device has written the used element; the driver does not see it yet."""
    DONE = 3


def version_number(version: str) -> int:
    """Return a version as a number that orders like it.

    Example:
        >>> version_number("1.2") < version_number("1.10")
        True
    """
    major, _, minor = version.partition(".")
    return int(major) * 1000 + int(minor)


def frozen(value: object) -> Hashable:
    """Return a value in a hashable form; a value with a `key` gives its key."""
    if isinstance(value, dict):
        return tuple((key, frozen(each)) for key, each in sorted(value.items()))
    if isinstance(value, set):
        return tuple(sorted(value))
    if isinstance(value, list | tuple):
        return tuple(frozen(each) for each in value)
    key = getattr(value, "key", None)
    return key() if key is not None else value


def overlaps(addr: int, length: int, ranges: Iterable[tuple[int, int]]) -> bool:
    """Return whether a range of memory meets any of (address, length)."""
    end = addr + length
    return any(start < end and addr < start + size for start, size in ranges)
