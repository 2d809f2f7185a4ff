"""The numbers of the virtio device types, as a driver reads them from a transport.

Source:
    VIRTIO 1.2, 5.
"""

from enum import IntEnum


class VirtioDeviceId(IntEnum):
    """The device types that have a number in the standard and occur in VMs."""

    NET = 1
    BLOCK = 2
    CONSOLE = 3
    RNG = 4
    BALLOON = 5
    SCSI = 8
    P9 = 9
    GPU = 16
    INPUT = 18
    VSOCK = 19
    CRYPTO = 20
    IOMMU = 23
    MEM = 24
    SOUND = 25
    FS = 26
    PMEM = 27
    SCMI = 32
    I2C = 34
    GPIO = 41
