"""The rules as a table: `python -m quiesce.properties.virtio.table > docs/virtio-rules.md`."""

from .block import AcknowledgedWritesStable, BlockRequestsValid, ReadOnlyKept
from .devices import CancelBeforeAnswer, ConfigGenerationChanges, ReceiveQueuesLimited
from .notifications import (
    AvailableNotified,
    InterruptsAcknowledged,
    InterruptStatusTrue,
    IsrBeforeInterrupt,
    NoVectorNoInterrupt,
    ResetClearsInterrupts,
    UsedNotified,
    VectorReread,
)
from .queues import (
    MemoryKeptUntilResetSeen,
    QueueEnableNeverCleared,
    QueueFieldsLeftAlone,
    QueueReadyReadBack,
    QueueResetReadable,
    QueueResetStartsAnew,
    QueueSetBeforeEnable,
    ResetUnmapsVectors,
    RingsAligned,
)
from .rings import (
    AvailableIndexGrows,
    BarriersPassed,
    ChainsBounded,
    ExposedChainsKept,
    IndirectWellFormed,
    PackedHeadLast,
    PackedOwnership,
    ReadableBeforeWritable,
    UsedExactlyOnce,
    UsedIndexLast,
    UsedInOrder,
    WritesInsideBuffers,
)
from .rule import VirtioRule
from .silence import (
    NothingBeforeDriverOk,
    SilenceAfterQueueReset,
    SilenceAfterReset,
    SilenceWhileNotReady,
    SilenceWhileStopped,
    SilenceWhileSuspended,
)
from .status import (
    FeaturesAsOffered,
    FeaturesOkReread,
    InFlightNotTrusted,
    NeedsResetAnnounced,
    NoNotificationBeforeDriverOk,
    ResetAwaited,
    ResetCompletes,
    ResetFollowsFailed,
    StatusBitsKept,
)

RULES: tuple[type[VirtioRule], ...] = (
    StatusBitsKept,
    ResetFollowsFailed,
    NothingBeforeDriverOk,
    NeedsResetAnnounced,
    FeaturesAsOffered,
    FeaturesOkReread,
    NoNotificationBeforeDriverOk,
    ResetCompletes,
    SilenceAfterReset,
    ResetAwaited,
    SilenceAfterQueueReset,
    QueueResetStartsAnew,
    MemoryKeptUntilResetSeen,
    QueueResetReadable,
    QueueEnableNeverCleared,
    QueueSetBeforeEnable,
    QueueReadyReadBack,
    SilenceWhileNotReady,
    QueueFieldsLeftAlone,
    ResetClearsInterrupts,
    InterruptStatusTrue,
    InterruptsAcknowledged,
    IsrBeforeInterrupt,
    ResetUnmapsVectors,
    NoVectorNoInterrupt,
    VectorReread,
    RingsAligned,
    WritesInsideBuffers,
    ReadableBeforeWritable,
    ChainsBounded,
    IndirectWellFormed,
    AvailableIndexGrows,
    UsedIndexLast,
    UsedExactlyOnce,
    UsedNotified,
    AvailableNotified,
    BarriersPassed,
    PackedOwnership,
    PackedHeadLast,
    UsedInOrder,
    ExposedChainsKept,
    ReceiveQueuesLimited,
    BlockRequestsValid,
    AcknowledgedWritesStable,
    ReadOnlyKept,
    CancelBeforeAnswer,
    SilenceWhileSuspended,
    SilenceWhileStopped,
    InFlightNotTrusted,
    ConfigGenerationChanges,
)
"""All rules, in the order of their numbers."""

_HEAD = """\
# The rules of VIRTIO

The normative statements of the standard by which a trace with `detail = "virtio"` is judged.
Written by `python -m quiesce.properties.virtio.table` from the rules themselves.

*Since* is the first version of the standard that binds by the rule; 1.1 is the oldest that was
looked at. A device of an older version is not judged by it. Sections are those of VIRTIO 1.2
unless another version is named. *SHOULD* marks what the standard advises; all else is a MUST, or
follows from one.

| Rule | Name | What must hold | Who | Section | Since | On |
|---|---|---|---|---|---|---|
"""


def table() -> str:
    """Return the rules as a Markdown document."""
    return _HEAD + "".join(f"{_row(rule)}\n" for rule in RULES)


def _row(rule: type[VirtioRule]) -> str:
    section = rule.section if rule.cited == "1.2" else f"{rule.cited}: {rule.section}"
    since = rule.since + (f"; MMIO {rule.since_mmio}" if rule.since_mmio else "")
    level = " *SHOULD*" if rule.level == "SHOULD" else ""
    where = {"": "all", "mmio": "MMIO", "pci": "PCI"}[rule.transport]
    cells = (rule.rule, f"`{rule.name}`", rule.claim + level, rule.blames, section, since, where)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(table(), end="")
