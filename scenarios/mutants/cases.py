"""What a mutant is: a pattern, published bugs of its kind, and the cases in which it is tried."""

import msgspec

from .designs import CRASH, ORDERLY, Change

BY_DRIVER = "the guest's own drivers have stopped the device by the documented procedure before"
NO_CALLBACK = "no callback runs: what a callback does wrong is not done at all, which is M1"
NO_DMA = "it writes no memory"


class Case(msgspec.Struct, frozen=True):
    """One face of a mutant in one design.

    Attributes:
        design: Its name, `CLASS/CONTAINED/EXIT`.
        change: What makes it wrong.
        face: Which face, in a few words; empty for the plain one.
    """

    design: str
    change: Change
    face: str = ""

    @property
    def device_class(self) -> str:
        """The class of devices."""
        return self.design.split("/")[0]

    @property
    def exit(self) -> str:
        """How the VM ends."""
        return self.design.rsplit("/", maxsplit=1)[1]


class Mutant(msgspec.Struct, frozen=True):
    """One way to go wrong.

    Attributes:
        name: `M1` to `M18`.
        pattern: What is wrong, in a few words.
        bugs: Published bugs of this kind.
        cases: Where it is tried, the plainest first.
        not_tried: Class of devices, or exit, to the reason why it cannot go wrong there.
    """

    name: str
    pattern: str
    bugs: str
    cases: tuple[Case, ...]
    not_tried: dict[str, str] = {}

    @property
    def changes(self) -> dict[str, Change]:
        """Design to the plainest change that makes it wrong."""
        found: dict[str, Change] = {}
        for case in self.cases:
            found.setdefault(case.design, case.change)
        return found


def across(
    classes: str,
    change: Change,
    face: str = "",
    *,
    contained: str = "vdev",
    exits: tuple[str, ...] = (CRASH, ORDERLY),
) -> tuple[Case, ...]:
    """Return the same change in every class that is named and every exit."""
    return tuple(
        Case(f"{name}/{contained}/{exit_}", change, face)
        for name in classes.split()
        for exit_ in exits
    )
