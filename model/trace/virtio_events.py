"""What happens between a virtio driver and its device, register by register and ring by ring.

Properties judge the rules of the VIRTIO standard by these events.  A plan whose `detail` is
`teardown` leaves them out, because most questions about a teardown do not need them; `virtio` has
them all.

`vdev` is the component that plays the device role, `epoch` the VM instance, `queue` an index.
Addresses are guest-physical.  An event of the driver has the driver as its source, an event of the
device the vdev.
"""

from .virtio_device_events import (
    BlockRequestAnswered,
    BlockRequestTaken,
    BlockWriteCached,
    BlockWriteCommitted,
    BufferRead,
    BufferWritten,
    ChainTaken,
    CommandCompleted,
    ConfigChanged,
    DescriptorRead,
    DeviceActivated,
    DeviceStopped,
    LineLowered,
    NeedsResetSet,
    NetPairsSet,
    NotificationSent,
    QueueResetCompleted,
    ResetCompleted,
    SuspendEnded,
    SuspendShown,
    UsedElementWritten,
    UsedPublished,
)
from .virtio_driver_events import (
    AvailablePublished,
    BarrierPassed,
    BufferFreed,
    ChainChanged,
    ChainExposed,
    ConfigAccessed,
    FeaturesOffered,
    FeaturesWritten,
    InterruptAcknowledged,
    IsrRead,
    QueueEnableRead,
    QueueEnableWritten,
    QueueFieldWritten,
    QueueKicked,
    QueueResetRead,
    QueueResetWritten,
    QueueVectorRead,
    StatusRead,
    StatusWritten,
    SuppressionWritten,
)

__all__ = [
    "AvailablePublished",
    "BarrierPassed",
    "BlockRequestAnswered",
    "BlockRequestTaken",
    "BlockWriteCached",
    "BlockWriteCommitted",
    "BufferFreed",
    "BufferRead",
    "BufferWritten",
    "ChainChanged",
    "ChainExposed",
    "ChainTaken",
    "CommandCompleted",
    "ConfigAccessed",
    "ConfigChanged",
    "DescriptorRead",
    "DeviceActivated",
    "DeviceStopped",
    "FeaturesOffered",
    "FeaturesWritten",
    "InterruptAcknowledged",
    "IsrRead",
    "LineLowered",
    "NeedsResetSet",
    "NetPairsSet",
    "NotificationSent",
    "QueueEnableRead",
    "QueueEnableWritten",
    "QueueFieldWritten",
    "QueueKicked",
    "QueueResetCompleted",
    "QueueResetRead",
    "QueueResetWritten",
    "QueueVectorRead",
    "ResetCompleted",
    "StatusRead",
    "StatusWritten",
    "SuppressionWritten",
    "SuspendEnded",
    "SuspendShown",
    "UsedElementWritten",
    "UsedPublished",
    "VirtioEvent",
]

VirtioEvent = (
    StatusWritten
    | StatusRead
    | FeaturesOffered
    | FeaturesWritten
    | QueueFieldWritten
    | QueueVectorRead
    | QueueEnableWritten
    | QueueEnableRead
    | QueueResetWritten
    | QueueResetRead
    | QueueKicked
    | ConfigAccessed
    | IsrRead
    | InterruptAcknowledged
    | ChainExposed
    | ChainChanged
    | AvailablePublished
    | BarrierPassed
    | SuppressionWritten
    | BufferFreed
    | ResetCompleted
    | QueueResetCompleted
    | NeedsResetSet
    | SuspendShown
    | SuspendEnded
    | DeviceStopped
    | DeviceActivated
    | DescriptorRead
    | ChainTaken
    | BufferRead
    | BufferWritten
    | UsedElementWritten
    | UsedPublished
    | NotificationSent
    | LineLowered
    | ConfigChanged
    | BlockRequestTaken
    | BlockWriteCommitted
    | BlockWriteCached
    | BlockRequestAnswered
    | NetPairsSet
    | CommandCompleted
)
"""Every event type of this file."""
