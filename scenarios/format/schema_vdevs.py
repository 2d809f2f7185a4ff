"""What a scenario may say about a virtio vdev beyond the `qvm` configuration."""

from typing import Annotated, Literal, get_args

from msgspec import Meta

from ...model.plan.virtio_plan import RESET_POLICIES, WRITE_CACHES
from .schema_types import Closed

FEATURES = {
    "event_index": "VIRTIO_F_EVENT_IDX",
    "indirect": "VIRTIO_F_INDIRECT_DESC",
    "in_order": "VIRTIO_F_IN_ORDER",
    "notification_data": "VIRTIO_F_NOTIFICATION_DATA",
    "ring_reset": "VIRTIO_F_RING_RESET",
    "suspend": "VIRTIO_F_SUSPEND (VIRTIO 1.4)",
}
"""Features of the queues that a vdev may offer, and what the standard calls them."""

FeatureName = Literal[
    "event_index", "indirect", "in_order", "notification_data", "ring_reset", "suspend"
]
assert set(get_args(FeatureName)) == set(FEATURES)

_POLICIES = tuple(RESET_POLICIES)
_CACHES = tuple(WRITE_CACHES)


class VdevEntry(Closed, frozen=True):
    """What a virtio vdev offers, where the configuration cannot tell."""

    format: Annotated[
        Literal["split", "packed"] | None,
        Meta(description="The format of its virtqueues; split if left out."),
    ] = None
    features: Annotated[
        tuple[
            Literal[
                "event_index", "indirect", "in_order", "notification_data", "ring_reset", "suspend"
            ],
            ...,
        ],
        Meta(description="Features of the queues that it offers; none if left out."),
    ] = ()
    msix: Annotated[
        bool | None, Meta(description="On PCI: whether it has MSI-X; INTx only if not.")
    ] = None
    reset_policy: Annotated[
        str | None,
        Meta(
            description="What a reset does to requests in flight.",
            extra={"one_of": _POLICIES, "noun": "reset policy"},
            extra_json_schema={
                "oneOf": [
                    {"const": name, "description": meaning}
                    for name, meaning in RESET_POLICIES.items()
                ]
            },
        ),
    ] = None
    write_cache: Annotated[
        str | None,
        Meta(
            description="virtio-blk: how it treats writes.",
            extra={"one_of": _CACHES, "noun": "write cache"},
            extra_json_schema={
                "oneOf": [
                    {"const": name, "description": meaning}
                    for name, meaning in WRITE_CACHES.items()
                ]
            },
        ),
    ] = None
    capacity: Annotated[
        Annotated[int, Meta(ge=4_096, le=1 << 40)] | None,
        Meta(description="virtio-blk: its size in sectors of 512 bytes."),
    ] = None
    queue_pairs: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(description="virtio-net: pairs of receive and transmit queues."),
    ] = None
