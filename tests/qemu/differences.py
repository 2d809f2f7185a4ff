"""Where QEMU's virtio-blk and the model's are known to differ, one name for each.

`docs/fidelity.md` has a section of the same name for every entry: what either does, what the
standard says, who is right.  A finding that no entry explains fails the comparison.
"""

from collections.abc import Callable

import msgspec

from quiesce.model.virtio.block_format import (
    ID_LENGTH,
    SEGMENT_SIZE,
    VIRTIO_BLK_F_FLUSH,
    BlockStatus,
)
from quiesce.model.virtio.block_format import BlockRequestType as Kind
from quiesce.model.virtio.device_status import DeviceStatus
from quiesce.model.virtio.features import (
    VIRTIO_F_EVENT_IDX,
    VIRTIO_F_INDIRECT_DESC,
    VIRTIO_F_RING_PACKED,
    has_feature,
)

from .actions import Action, Corrupt, Initialise, Misbehave, Submit

LEGACY_BARRIER = 0x8000_0000
"""A bit of the request type that only legacy devices knew."""

LEGACY_SCSI = (2, 3)
"""Request types of legacy devices: SCSI commands."""

_HAS_ROOM = {Kind.IN, Kind.GET_ID}
_HAS_SEGMENTS = {Kind.DISCARD, Kind.WRITE_ZEROES}
_INTERRUPTS = {"messages", "pending", "intx", "isr"}


class Finding(msgspec.Struct, frozen=True):
    """One thing that was seen differently on both sides.

    Attributes:
        field: What was looked at.
        ours: As the model has it.
        theirs: As QEMU has it.
        features: What was negotiated.
        setting: How the device was brought to life.
        request: The request it belongs to, if it belongs to one.
        batch: All requests that were not collected yet.
        is_first: Whether nothing was used before in this life of the queue.
        is_due: Whether the driver has asked for a notification of the very next used buffer.
    """

    field: str
    ours: object
    theirs: object
    features: int
    setting: Initialise
    request: Submit | None
    batch: tuple[Submit, ...]
    is_first: bool
    is_due: bool


Rule = Callable[[Finding, Action], bool]


class Difference(msgspec.Struct, frozen=True):
    """A known difference.

    Attributes:
        name: Also the heading in the document.
        rule: Whether a finding is an instance of it.
        ends: Whether both sides have to start over, because their states have parted.
    """

    name: str
    rule: Rule
    ends: bool = False

    def explains(self, finding: Finding, action: Action) -> bool:
        """Return whether a finding is an instance of this difference."""
        return self.rule(finding, action)


def _corrupted(*hows: str) -> Rule:
    return lambda _, action: isinstance(action, Corrupt) and action.how in hows


def _misbehaved(*hows: str) -> Rule:
    return lambda _, action: isinstance(action, Misbehave) and action.how in hows


def _statuses(finding: Finding, ours: BlockStatus, *theirs: BlockStatus) -> bool:
    is_status = finding.field == "status_byte" and finding.request is not None
    return is_status and finding.ours == ours and finding.theirs in theirs


def _used_length(finding: Finding, _: Action) -> bool:
    """QEMU counts all that could be written; we count what was written without a gap."""
    request = finding.request
    if finding.field != "used_length" or request is None or request.kind not in _HAS_ROOM:
        return False
    written = min(request.length, ID_LENGTH) if request.kind == Kind.GET_ID else 0
    return (finding.ours, finding.theirs) == (written, request.length + 1)


def _identifier(finding: Finding, _: Action) -> bool:
    """QEMU stops behind the first NUL; we fill the 20 bytes."""
    request = finding.request
    if finding.field != "data" or request is None or request.kind != Kind.GET_ID:
        return False
    ours, theirs = finding.ours, finding.theirs
    assert isinstance(ours, bytes)
    assert isinstance(theirs, bytes)
    end = ours.index(0) + 1
    return ours[:end] == theirs[:end] and ours[ID_LENGTH:] == theirs[ID_LENGTH:]


def _write_flag(finding: Finding, _: Action) -> bool:
    return finding.field == "write_flag" and (finding.ours, finding.theirs) == (True, False)


def _first_notifies(finding: Finding, _: Action) -> bool:
    """A packed ring of QEMU counts as fresh again on every lap."""
    if finding.is_due:
        return False
    may_be_first = finding.is_first or has_feature(finding.features, VIRTIO_F_RING_PACKED)
    if not may_be_first or not has_feature(finding.features, VIRTIO_F_EVENT_IDX):
        return False
    return finding.field in _INTERRUPTS and not finding.ours and bool(finding.theirs)


def _flush_sector(finding: Finding, _: Action) -> bool:
    request = finding.request
    if request is None or request.kind != Kind.FLUSH or not request.sector:
        return False
    return _statuses(finding, BlockStatus.IOERR, BlockStatus.OK)


def _starts_in_write_back(finding: Finding, _: Action) -> bool:
    if finding.field != "writeback" or has_feature(finding.features, VIRTIO_BLK_F_FLUSH):
        return False
    return (finding.ours, finding.theirs) == (0, 1)


def _isr_with_msix(finding: Finding, _: Action) -> bool:
    return finding.field == "isr" and finding.setting.msix and finding.ours == 0


def _bits_ignored(finding: Finding, _: Action) -> bool:
    odd = [r for r in finding.batch if r.kind in {5, 9} or r.kind & LEGACY_BARRIER]
    return bool(odd) and finding.field in {"status_byte", "disk"}


def _scsi(finding: Finding, _: Action) -> bool:
    request = finding.request
    if request is None or request.kind not in LEGACY_SCSI:
        return False
    return _statuses(finding, BlockStatus.UNSUPP, BlockStatus.IOERR)


def _flags_after_range(finding: Finding, _: Action) -> bool:
    request = finding.request
    if request is None or request.kind not in _HAS_SEGMENTS or request.segment is None:
        return False
    return bool(request.segment[2]) and _statuses(finding, BlockStatus.UNSUPP, BlockStatus.IOERR)


def _several_segments(finding: Finding, _: Action) -> bool:
    request = finding.request
    if request is None or request.kind not in _HAS_SEGMENTS or request.length <= SEGMENT_SIZE:
        return False
    return _statuses(finding, BlockStatus.IOERR, BlockStatus.UNSUPP)


def _short_segment(finding: Finding, action: Action) -> bool:
    """Theirs gives up with DEVICE_NEEDS_RESET, and all that follows from it."""
    return any(r.kind in _HAS_SEGMENTS and r.length < SEGMENT_SIZE for r in finding.batch) and (
        finding.field != "status"
        or finding.theirs == int(str(finding.ours)) | DeviceStatus.DEVICE_NEEDS_RESET
    )


def _unannounced_table(finding: Finding, action: Action) -> bool:
    is_it = isinstance(action, Corrupt) and action.how == "unannounced table"
    return is_it and not has_feature(finding.features, VIRTIO_F_INDIRECT_DESC)


def _nested_table(_: Finding, action: Action) -> bool:
    return isinstance(action, Corrupt) and action.how == "table chained on" and action.indirect


def _tail_in_table(finding: Finding, action: Action) -> bool:
    if not isinstance(action, Corrupt) or action.how != "tail in a table" or action.indirect:
        return False
    return has_feature(finding.features, VIRTIO_F_INDIRECT_DESC)


DIFFERENCES: tuple[Difference, ...] = (
    Difference("used length of what was not written", _used_length),
    Difference("identifier without padding", _identifier),
    Difference("packed ring without the write flag", _write_flag),
    Difference("interrupt status with MSI-X", _isr_with_msix),
    Difference("first completion always notifies", _first_notifies, ends=True),
    Difference("flush with a sector", _flush_sector),
    Difference("write-through without FLUSH", _starts_in_write_back),
    Difference("bits of the request type ignored", _bits_ignored, ends=True),
    Difference("legacy SCSI commands", _scsi),
    Difference("segment flags after the range", _flags_after_range),
    Difference("several segments", _several_segments),
    Difference("segment cut short", _short_segment, ends=True),
    Difference(
        "buffer where there is no memory",
        _corrupted("header nowhere", "data nowhere", "status nowhere"),
    ),
    Difference("available index too far ahead", _corrupted("index too far ahead")),
    Difference("indirect table without the feature", _unannounced_table),
    Difference("table inside a table", _nested_table),
    Difference("table behind other descriptors", _tail_in_table),
    Difference(
        "features that were not offered",
        _misbehaved("a feature that is not offered", "no VERSION_1", "DRIVER_OK without VERSION_1"),
    ),
    Difference(
        "status bits cleared by the driver",
        _misbehaved("status bits cleared", "status after FAILED"),
    ),
    Difference(
        "DEVICE_NEEDS_RESET set by the driver", _misbehaved("DEVICE_NEEDS_RESET by the driver")
    ),
    Difference(
        "queue size that is not allowed",
        _misbehaved("queue size 5", "queue size 512", "queue size 0"),
    ),
    Difference("queue_enable written with 0", _misbehaved("queue_enable 0")),
    Difference("queue size changed in use", _misbehaved("queue size changed in use")),
    Difference("doorbell before DRIVER_OK", _misbehaved("doorbell before DRIVER_OK")),
    Difference("ring in a wrong place", _misbehaved("ring not aligned", "ring nowhere")),
)
