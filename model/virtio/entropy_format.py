"""The virtio entropy device: one queue of writable buffers, no configuration, no features.

A buffer may wait a long time for the host's entropy; the device fills at least one byte of it.

Source:
    VIRTIO 1.2, 5.4.
"""

from .virtqueue import DescriptorChain

REQUEST_QUEUE = 0
CONFIG_SIZE = 0


def is_entropy_request(chain: DescriptorChain) -> bool:
    """Return whether a driver may put a chain into the queue: it is writable and not empty."""
    return not chain.readable and chain.writable_length > 0
