"""The address of a function on a PCI bus."""

import msgspec


class PciAddress(msgspec.Struct, frozen=True, order=True):
    """Bus, device and function number of a PCI function."""

    bus: int
    device: int
    function: int = 0

    def __str__(self) -> str:
        """Give it as a configuration writes it."""
        return f"pci:{self.bus}:{self.device}.{self.function}"
