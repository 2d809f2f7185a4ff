"""The translations that a device keeps itself (ATS): the address translation cache.

A device with ATS asks the IOMMU for a translation once, keeps it, and puts the translated address
on the bus from then on.  The IOMMU does not translate such a request.  Only an invalidation that
the device itself carries out and answers ends it (PCI Express, chapter 10, Address Translation
Services).  Whether it does so is up to the device.

Left out: a translation that is on its way to the device when an invalidation arrives; a device has
to discard it, which here is the same as a later request for it.
"""

from ..base.addresses import FRAME_SHIFT, FRAME_SIZE

_OFFSET_MASK = FRAME_SIZE - 1


class DeviceCache:
    """The translations of one device.

    Attributes:
        frames: Device frame to host frame.
    """

    def __init__(self) -> None:
        self.frames: dict[int, int] = {}

    def find(self, addr: int) -> int | None:
        """Return the host address of a device address, if the device knows it."""
        frame = self.frames.get(addr >> FRAME_SHIFT)
        return None if frame is None else (frame << FRAME_SHIFT) | (addr & _OFFSET_MASK)

    def keep(self, addr: int, host_addr: int) -> None:
        """Remember a translation for the whole frame."""
        self.frames[addr >> FRAME_SHIFT] = host_addr >> FRAME_SHIFT

    def clear(self) -> None:
        """Forget everything."""
        self.frames.clear()
