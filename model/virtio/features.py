"""Feature bits that belong to no device type, and those of them that change a ring.

Bits 0 to 23 and 50 to 127 belong to the device type; the module of its request format has them.

Source:
    VIRTIO 1.2, 2.2 and 6; VIRTIO_F_ADMIN_VQ since 1.3, VIRTIO_F_SUSPEND since 1.4.
"""

from .virtqueue import RingFeatures

VIRTIO_F_INDIRECT_DESC = 28
VIRTIO_F_EVENT_IDX = 29
VIRTIO_F_VERSION_1 = 32
VIRTIO_F_ACCESS_PLATFORM = 33
VIRTIO_F_RING_PACKED = 34
VIRTIO_F_IN_ORDER = 35
VIRTIO_F_ORDER_PLATFORM = 36
VIRTIO_F_SR_IOV = 37
VIRTIO_F_NOTIFICATION_DATA = 38
VIRTIO_F_NOTIF_CONFIG_DATA = 39
VIRTIO_F_RING_RESET = 40
VIRTIO_F_ADMIN_VQ = 41
VIRTIO_F_SUSPEND = 43

FEATURE_BITS_MAX = 128

FEATURE_NAMES: dict[int, str] = {
    value: name for name, value in sorted(globals().items()) if name.startswith("VIRTIO_F_")
}
"""Bit to name, verbatim."""


def feature_mask(*bits: int) -> int:
    """Return the features as one number with these bits set.

    Example:
        >>> hex(feature_mask(VIRTIO_F_VERSION_1, VIRTIO_F_EVENT_IDX))
        '0x120000000'
    """
    mask = 0
    for bit in bits:
        assert 0 <= bit < FEATURE_BITS_MAX, bit
        mask |= 1 << bit
    return mask


def has_feature(features: int, bit: int) -> bool:
    """Return whether a feature is among `features`."""
    return bool(features >> bit & 1)


def feature_names(features: int) -> list[str]:
    """Return the names of the features, and `bit N` for those of a device type."""
    bits = [bit for bit in range(features.bit_length()) if has_feature(features, bit)]
    return [FEATURE_NAMES.get(bit, f"bit {bit}") for bit in bits]


def ring_features(negotiated: int) -> RingFeatures:
    """Return the negotiated features that change how a ring is used."""
    return RingFeatures(
        event_index=has_feature(negotiated, VIRTIO_F_EVENT_IDX),
        indirect=has_feature(negotiated, VIRTIO_F_INDIRECT_DESC),
        in_order=has_feature(negotiated, VIRTIO_F_IN_ORDER),
    )


def acceptance_fault(offered: int, accepted: int) -> str | None:
    """Return why a device may not agree to the accepted features, or `None`.

    A device may also refuse for reasons of its own.

    Source:
        VIRTIO 1.2, 2.2.1, 2.2.2 and 6.1.
    """
    extra = accepted & ~offered
    if extra:
        return f"accepted without being offered: {', '.join(feature_names(extra))}"
    if not has_feature(accepted, VIRTIO_F_VERSION_1):
        return "VIRTIO_F_VERSION_1 is not accepted"
    if has_feature(offered & ~accepted, VIRTIO_F_ACCESS_PLATFORM):
        # Without it the driver would hand out addresses that the device cannot reach.
        return "VIRTIO_F_ACCESS_PLATFORM is not accepted"
    return None
