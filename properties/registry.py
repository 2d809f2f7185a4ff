"""Every property by its name.  The names are stable: reports, command lines and files use them."""

from collections.abc import Iterable

from ..model.errors import QuiesceError, nearest
from .dma import EpochsMatch, FaultsContained, NoDmaAfterTeardown, NoDmaIntoNextEpoch
from .interrupts import IrqContainedAfterTeardown, NextOwnerGetsInterrupts, NoIrqAfterTeardown
from .monitor import Property
from .ordering import TeardownBounded, TeardownOrder, TimeoutQuarantines

__all__ = ["PROPERTIES", "UnknownPropertyError", "named"]

PROPERTIES: dict[str, type[Property]] = {
    kind.name: kind
    for kind in (
        NoDmaAfterTeardown,
        NoIrqAfterTeardown,
        NoDmaIntoNextEpoch,
        IrqContainedAfterTeardown,
        NextOwnerGetsInterrupts,
        TeardownOrder,
        TeardownBounded,
        TimeoutQuarantines,
        EpochsMatch,
        FaultsContained,
    )
}
"""All properties, the two about the teardown point first."""


class UnknownPropertyError(QuiesceError):
    """A property is asked for by a name that none has.

    Args:
        name: As it was written.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)

    def __str__(self) -> str:
        """Give the name, the nearest right one, and all there are."""
        near = nearest(self.name, PROPERTIES)
        hint = f"; did you mean {near!r}?" if near else ""
        return f"no property is named {self.name!r}{hint} There are: {', '.join(PROPERTIES)}"


def named(names: Iterable[str] | None = None) -> tuple[type[Property], ...]:
    """Return the properties with these names, in the order given; all of them for None.

    Raises:
        UnknownPropertyError: If there is no such property.
    """
    if names is None:
        return tuple(PROPERTIES.values())
    chosen = []
    for name in names:
        if name not in PROPERTIES:
            raise UnknownPropertyError(name)
        chosen.append(PROPERTIES[name])
    return tuple(chosen)
