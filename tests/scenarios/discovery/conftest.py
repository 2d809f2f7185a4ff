"""Guests described by a few words of configuration, and what they find."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from quiesce.model.pci.walk import FoundFunction, enumerate_functions
from quiesce.scenarios.discovery.assembly import GuestHardware, Numbering, assemble
from quiesce.scenarios.qvmconf.config import VmConfig
from quiesce.scenarios.qvmconf.parser import parse_text

BLK = "vdev virtio-blk hostdev /dev/hd0 "
NET = "vdev virtio-net peer /dev/vdevpeer/vp0 "
CONSOLE = "vdev virtio-console hostdev >- "
SHMEM = "vdev shmem allow * "


class Guest(NamedTuple):
    """A machine, its hardware, and what its PCI server has found."""

    config: VmConfig
    hardware: GuestHardware
    found: tuple[FoundFunction, ...]

    def places(self) -> list[str]:
        return [str(function.address).removeprefix("pci:") for function in self.found]

    def at(self, place: str) -> FoundFunction:
        return next(each for each in self.found if str(each.address) == f"pci:{place}")

    def origin(self, place: str) -> str:
        return self.hardware.bus.slots[self.at(place).address].origin


def boot(text: str, limit: int = 255, numbering: Numbering = "as-configured") -> Guest:
    """Give the guest of a configuration text after its walk over the bus."""
    config = parse_text(f"system vm ram 0x80000000,16M\n{text}", "vm")
    hardware = assemble(config, numbering)
    return Guest(config, hardware, enumerate_functions(hardware.bus, limit))


@pytest.fixture
def four_vdevs() -> Guest:
    """The machine of the article."""
    return boot(BLK + NET + SHMEM + CONSOLE)


Boot = Callable[..., Guest]
