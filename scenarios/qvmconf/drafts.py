"""The contexts of a configuration while their options are still coming in."""

from ...model.base.errors import Place
from .config import (
    CpuConfig,
    HostEndpoint,
    InterruptPin,
    Location,
    OptionValue,
    PassInterrupt,
    PassWindow,
    VdevConfig,
)
from .options import CPU_OPTIONS, PASS_OPTIONS, RESERVE_OPTIONS, VDEV_OPTIONS, OptionSpec
from .vdev_types import VdevType


class Draft:
    """An open context.

    Args:
        place: Where it was opened.
        title: What messages call it, such as `vdev virtio-blk`.
        specs: The options it knows, by name.
    """

    def __init__(self, place: Place, title: str, specs: dict[str, OptionSpec]) -> None:
        self.place = place
        self.title = title
        self.specs = specs
        self.options: list[OptionValue] = []
        self.seen: dict[str, Place] = {}
        self.is_damaged = False


class VdevDraft(Draft):
    """An open `vdev` context; without a known type it is a user's own."""

    def __init__(self, place: Place, name: str, kind: VdevType | None, *, safety: bool) -> None:
        own = kind.options if kind else {"hostdev": USER_HOSTDEV}
        super().__init__(place, f"vdev {name}", {**VDEV_OPTIONS, **own})
        self.type_name = name
        self.kind = kind
        self.safety = safety
        self.name = ""
        self.loc: Location | None = None
        self.intr: tuple[InterruptPin, ...] = ()
        self.hostdev: list[HostEndpoint] = []

    def finished(self) -> VdevConfig:
        """Return the vdev as plain data, at its type's own location if it has no other."""
        loc = self.loc
        if loc is None and self.kind is not None and self.kind.default_loc is not None:
            loc = Location(self.place, self.kind.space, self.kind.default_loc)
        return VdevConfig(
            self.place,
            self.type_name,
            name=self.name,
            loc=loc,
            intr=self.intr,
            hostdev=tuple(self.hostdev),
            safety_build=self.safety,
            shipped=self.kind is not None,
            options=tuple(self.options),
            pci_capable=self.kind is not None and self.kind.pci,
        )


class PassDraft(Draft):
    """An open `pass` context."""

    def __init__(self, place: Place, blob: str, position: int) -> None:
        super().__init__(place, "pass", PASS_OPTIONS)
        self.blob = blob
        # The number of the context among all: entries of which none stands between follow on.
        self.position = position
        self.windows: list[PassWindow] = []
        self.interrupts: list[PassInterrupt] = []


class CpuDraft(Draft):
    """An open `cpu` context."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, "cpu", CPU_OPTIONS)

    def finished(self) -> CpuConfig:
        """Return the CPU as plain data."""
        return CpuConfig(self.place, tuple(self.options))


class ReserveDraft(Draft):
    """An open `reserve` context."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, "reserve", RESERVE_OPTIONS)


USER_HOSTDEV = OptionSpec("hostdev", source="U71 vdev_ref", modelled=True, repeatable=True)
"""A user's vdev that names a host end point most likely calls it as the shipped ones do."""
