"""Guest memory while a configuration is being read: RAM, ROM and reserved ranges.

Source:
    QNX 8.0 hypervisor guide, vm/ram: a `ram` without a start follows the highest RAM or ROM
    so far, and RAM comes before any entry that refers to guest memory.
"""

from .collector import Collector
from .config import RamRegion
from .locations import Locations
from .tokens import Token


class Regions:
    """The ranges in text order, and where the next one without a start would begin.

    Args:
        locations: Reads the ranges.
        collector: Gets what cannot be placed.
    """

    def __init__(self, locations: Locations, collector: Collector) -> None:
        self.ram: list[RamRegion] = []
        self.rom: list[RamRegion] = []
        self.reserve: list[RamRegion] = []
        self._locations = locations
        self._collector = collector
        self._top: int | None = 0

    def add_ram(self, word: Token) -> None:
        """Take `[start,]length`; the first region without a start begins at 0."""
        start, length = self._locations.span(word, "ram")
        if "," not in word.text:
            start = self._top
            if start is None:
                reason = "its start follows from a region that is not resolved"
                self._collector.not_modelled(word.place, f"ram {word.text}", reason)
        self._add(self.ram, start, length, word)

    def add_rom(self, word: Token) -> None:
        """Take `start,length`."""
        start, length = self._locations.span(word, "rom", start_needed=True)
        self._add(self.rom, start, length, word)

    def add_reserve(self, word: Token) -> None:
        """Take `start,length` of a range that `qvm` may not use; it moves no later start."""
        start, length = self._locations.span(word, "reserve", start_needed=True)
        if start is not None and length is not None:
            self.reserve.append(RamRegion(start, length, word.place))

    def _add(
        self, regions: list[RamRegion], start: int | None, length: int | None, word: Token
    ) -> None:
        if start is None or length is None:
            self._top = None
            return
        region = RamRegion(start, length, word.place)
        regions.append(region)
        if self._top is not None:
            self._top = max(self._top, region.end)
