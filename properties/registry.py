"""Every property by its name. Names are stable: reports, command lines and files use them."""

from collections.abc import Iterable

from ..model.base.errors import QuiesceError, nearest
from .core.monitor import Property
from .teardown.disclosure import NoDmaReadAfterTeardown
from .teardown.dma import EpochsMatch, FaultsContained, NoDmaAfterTeardown
from .teardown.interrupts import (
    IrqContainedAfterTeardown,
    NextOwnerGetsInterrupts,
    NoIrqAfterTeardown,
)
from .teardown.next_owner import NextOwnerWorks
from .teardown.ordering import TeardownBounded, TeardownOrder, TimeoutQuarantines
from .teardown.responses import MemoryReclaimed, QuiesceCompleted, RestartHappened
from .virtio.table import RULES

__all__ = ["PROPERTIES", "TEARDOWN", "VIRTIO", "UnknownPropertyError", "named"]

TEARDOWN: dict[str, type[Property]] = {
    kind.name: kind
    for kind in (
        NoDmaAfterTeardown,
        NoIrqAfterTeardown,
        NoDmaReadAfterTeardown,
        IrqContainedAfterTeardown,
        NextOwnerGetsInterrupts,
        TeardownOrder,
        TeardownBounded,
        TimeoutQuarantines,
        EpochsMatch,
        FaultsContained,
        QuiesceCompleted,
        MemoryReclaimed,
        RestartHappened,
        NextOwnerWorks,
    )
}
"""The properties of a teardown: the three about the teardown point first, the costs last."""

VIRTIO: dict[str, type[Property]] = {rule.name: rule for rule in RULES}
"""The rules of VIRTIO, N1 to N50."""

PROPERTIES: dict[str, type[Property]] = TEARDOWN | VIRTIO
"""All properties, those of a teardown first."""


class UnknownPropertyError(QuiesceError):
    """A caller asked for a property by a name that no property has.

    Args:
        name: The name as the caller wrote it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)

    def __str__(self) -> str:
        """Give the name, the nearest existing name, and all names."""
        near = nearest(self.name, PROPERTIES)
        hint = f"; did you mean {near!r}?" if near else ""
        return f"no property is named {self.name!r}{hint} There are: {', '.join(PROPERTIES)}"


def named(
    names: Iterable[str] | None = None, detail: str = "teardown"
) -> tuple[type[Property], ...]:
    """Return the properties with these names, in the order given.

    Args:
        names: None for all properties that a trace of this detail can put to the test.
        detail: See `Header`; `virtio` adds the rules of VIRTIO.

    Raises:
        UnknownPropertyError: If there is no such property.
    """
    if names is None:
        return tuple((PROPERTIES if detail == "virtio" else TEARDOWN).values())
    chosen = []
    for name in names:
        if name not in PROPERTIES:
            raise UnknownPropertyError(name)
        chosen.append(PROPERTIES[name])
    return tuple(chosen)
