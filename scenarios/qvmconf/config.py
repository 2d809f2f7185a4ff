"""What a `qvm` configuration says, as frozen plain data with all units resolved.

Every entry keeps the `Place` where it stands.  Addresses and lengths are in bytes.  A value
that could not be resolved (a `$asinfo_...{}` without a system page) is `None`.  The list
`VmConfig.not_modelled` then has the entry.

Everything here encodes to JSON and back with `msgspec.json`, because the resolved
configuration is part of a replay file.

Source:
    QNX 8.0 hypervisor guide, vm/vm and vdev_ref/options; QNX 7.0 hypervisor guide, vm/pass.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from ...model.base.clock import MS
from ...model.base.errors import Place, Problem
from ...model.base.pci_address import PciAddress

Release = Literal["7.x", "8.0"]
Architecture = Literal["arm", "x86"]
Space = Literal["mem", "io", "pci"]
Transport = Literal["mmio", "pci", "none"]
SafetyMode = Literal["none", "warn", "required"]

DEFAULT_BLOCK_TIMEOUT_MS = 10_000
"""Milliseconds; the default of `message-block-timeout` (QNX 7.0 hypervisor guide, vm/set)."""


class NotModelled(msgspec.Struct, frozen=True):
    """An entry that is understood but changes nothing in the model.

    Attributes:
        place: Where it stands.
        text: The entry as written.
        reason: Why it has no effect, as a clause; empty for the plain case.
    """

    place: Place
    text: str
    reason: str = ""


class OptionValue(msgspec.Struct, frozen=True):
    """One option with its arguments.

    Attributes:
        name: The option word.
        place: Where the option word stands.
        arguments: The arguments as written, without quotes.
        numbers: The arguments as numbers in their order, where they are numbers.
    """

    name: str
    place: Place
    arguments: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()


class RamRegion(msgspec.Struct, frozen=True):
    """Guest-physical memory: RAM, ROM or a range that `qvm` may not allocate.

    Attributes:
        start: First guest-physical address.
        length: Bytes, at least 1.
        place: Where it stands.
    """

    start: int
    length: int
    place: Place

    @property
    def end(self) -> int:
        """The first address behind the region."""
        return self.start + self.length


class PciIds(msgspec.Struct, frozen=True):
    """A host PCI function named by vendor and device identifier; `index` counts from 0."""

    vendor: int
    device: int
    index: int = 0

    def __str__(self) -> str:
        """Give it as a configuration writes it."""
        index = f"/{self.index}" if self.index else ""
        return f"pci:{self.vendor:#06x}/{self.device:#06x}{index}"


class Location(msgspec.Struct, frozen=True):
    """Where a vdev is for its guest.

    Attributes:
        place: Where the argument of `loc` stands.
        space: Guest-physical memory, x86 I/O ports or PCI.
        address: First address; `None` for PCI and for an unresolved value.
        pci: The function number; `None` unless the space is PCI.
    """

    place: Place
    space: Space
    address: int | None = None
    pci: PciAddress | None = None


class InterruptPin(msgspec.Struct, frozen=True):
    """An input of a virtual interrupt controller; `number` is `None` for a bare `apic`."""

    place: Place
    pic: str
    number: int | None = None

    def __str__(self) -> str:
        """Give it as a configuration writes it."""
        return self.pic if self.number is None else f"{self.pic}:{self.number}"


class HostEndpoint(msgspec.Struct, frozen=True):
    """What a vdev reads and writes in the host; the path `-` is standard input and output."""

    place: Place
    path: str
    mode: Literal["both", "read", "write"] = "both"


class VdevConfig(msgspec.Struct, frozen=True):
    """One virtual device.

    Attributes:
        place: Where the type stands.
        type: Normalised type, such as `virtio-blk`.
        name: The name below `/dev/qvm/<system>/`; empty if none is given.
        loc: Its location; `None` leaves it to the type: a PCI function, or a default.
        intr: Its interrupt pins, in text order.
        hostdev: Its host end points, in text order.
        safety_build: The `-safety` shared object was asked for.
        shipped: The type belongs to QNX; otherwise it is a user's own.
        options: All its other options, in text order.
        pci_capable: The type can be a PCI function; for a user's vdev unknown, so false.
    """

    place: Place
    type: str
    name: str = ""
    loc: Location | None = None
    intr: tuple[InterruptPin, ...] = ()
    hostdev: tuple[HostEndpoint, ...] = ()
    safety_build: bool = False
    shipped: bool = True
    options: tuple[OptionValue, ...] = ()
    pci_capable: bool = False

    @property
    def transport(self) -> Transport:
        """How the guest reaches it.

        `loc` and `intr` together make a memory-mapped device and neither of them a PCI
        function (QNX 7.1 hypervisor guide, vdev_ref/options and the virtio pages).  A vdev
        without either that cannot be a PCI function has no transport, such as `qvmterm`.
        """
        if self.loc is not None:
            return "pci" if self.loc.space == "pci" else "mmio"
        if self.pci_capable and not self.intr:
            return "pci"
        return "mmio" if self.intr else "none"

    @property
    def label(self) -> str:
        """The name if it has one, otherwise the type."""
        return self.name or self.type

    def option(self, name: str) -> OptionValue | None:
        """Return the last option of this name, which is the one that counts, if any."""
        return next((item for item in reversed(self.options) if item.name == name), None)


class PassWindow(msgspec.Struct, frozen=True):
    """One `loc` of a `pass` context.

    Attributes:
        place: Where the argument of `loc` stands.
        text: The argument as written.
        space: Memory, x86 I/O ports or PCI.
        guest: Guest-physical address or first port; `None` for PCI or if unresolved.
        length: Bytes; `None` for PCI, if left out or if unresolved.
        host: Host-physical address or first port; the guest's own if left out.
        attributes: The attribute letters that are set, in the order `rwxcemdnst`.
        removed: The attribute letters that are taken away with `-`, in the same order.
        pci_guest: Where the guest sees the function; `None` leaves it to `qvm`.
        pci_host: The host's function, if it is named by its number.
        pci_ids: The host's function, if it is named by its identifiers.
    """

    place: Place
    text: str
    space: Space
    guest: int | None = None
    length: int | None = None
    host: int | None = None
    attributes: str = ""
    removed: str = ""
    pci_guest: PciAddress | None = None
    pci_host: PciAddress | None = None
    pci_ids: PciIds | None = None

    @property
    def label(self) -> str:
        """The host side, which names the hardware, such as `mem:0xee080000`."""
        if self.space == "pci":
            return str(self.pci_host or self.pci_ids or self.pci_guest)
        return self.text if self.host is None else f"{self.space}:{self.host:#x}"

    @property
    def can_do_dma(self) -> bool:
        """Whether what lies behind the window may write memory on its own.

        Only the attribute `n` says that it does not; `d`, `s` and `t` say that it does.
        Without any of them, and for every PCI function, the safe reading is that it does.
        """
        if self.space == "pci":
            return True
        return bool(set("dst") & set(self.attributes)) or "n" not in self.attributes


class PassInterrupt(msgspec.Struct, frozen=True):
    """One `intr` of a `pass` context.

    Attributes:
        place: Where the argument of `intr` stands.
        pic: The guest's interrupt controller.
        number: The guest's pin; `None` for a bare `apic`.
        vector: The host's vector, if it is written out.
        flags: Letters: `t` delivers through a thread, `u` unmasks at once.
    """

    place: Place
    pic: str
    number: int | None = None
    vector: int | None = None
    flags: str = ""

    @property
    def host_vector(self) -> int | None:
        """The host's vector, as far as the entry alone tells it.

        On ARM the implicit `gic` has the host's own numbers.
        """
        if self.vector is not None:
            return self.vector
        return self.number if self.pic == "gic" else None


class PassConfig(msgspec.Struct, frozen=True):
    """A passed-through device: register windows, interrupts, or both.

    Attributes:
        place: Where `pass` stands.
        windows: Its `loc` entries, in text order.
        interrupts: Its `intr` entries, in text order.
        blob: The word before `pass`, such as `fdt`; empty if none.
    """

    place: Place
    windows: tuple[PassWindow, ...] = ()
    interrupts: tuple[PassInterrupt, ...] = ()
    blob: str = ""

    @property
    def kind(self) -> Literal["memory", "io", "pci", "interrupt"]:
        """What it is, by its first window; `interrupt` if it has no window."""
        if not self.windows:
            return "interrupt"
        space = self.windows[0].space
        return "memory" if space == "mem" else space

    @property
    def label(self) -> str:
        """The hardware it names: its first window, or else its first interrupt."""
        if self.windows:
            return self.windows[0].label
        if self.interrupts:
            first = self.interrupts[0]
            return str(InterruptPin(first.place, first.pic, first.number))
        return str(self.place)

    @property
    def can_do_dma(self) -> bool:
        """Whether any of its windows leads to a device that may write memory on its own."""
        return any(window.can_do_dma for window in self.windows)


class CpuConfig(msgspec.Struct, frozen=True):
    """One virtual CPU with its scheduling options, in text order."""

    place: Place
    options: tuple[OptionValue, ...] = ()


class LoadConfig(msgspec.Struct, frozen=True):
    """A file for the guest's memory; no blob type and no address leave both to `qvm`."""

    place: Place
    path: str
    blob: str = ""
    address: int | None = None


class Setting(msgspec.Struct, frozen=True):
    """A variable given with `set`.

    Attributes:
        place: Where the variable stands.
        variable: Its name.
        value: The value as written.
        number: The value as a number (milliseconds, bytes, ...) or truth, if it is one.
        vdev: Index into `VmConfig.vdevs` for a variable of one vdev, otherwise -1.
        cpu: Index into `VmConfig.cpus` for a variable of one CPU, otherwise -1.
    """

    place: Place
    variable: str
    value: str
    number: int | None = None
    vdev: int = -1
    cpu: int = -1


class VmConfig(msgspec.Struct, frozen=True):
    """One virtual machine, as its configuration files describe it.

    Attributes:
        name: From `system`; empty if it has none.
        files: Every file that was read, in reading order.
        ram: Guest memory, in text order, default starts resolved.
        rom: Ranges taken out of the map that the guest sees.
        reserve: Ranges in which `qvm` may not place anything on its own.
        cpus: Virtual CPUs; an empty tuple means one with default options.
        vdevs: In text order.
        passes: In text order.
        loads: In text order.
        settings: Variables given with `set`, in text order.
        options: Every other top-level option, in text order.
        safety: The mode that `safety` asks for.
        dump: Where guest dumps go; empty means that none is written.
        dryrun: `qvm` would assemble the machine and exit.
        release: The release of `qvm` that was given or that the text gives away.
        notes: What is doubtful but no error.
        not_modelled: What is understood but changes nothing in the model.
    """

    name: str = ""
    files: tuple[str, ...] = ()
    ram: tuple[RamRegion, ...] = ()
    rom: tuple[RamRegion, ...] = ()
    reserve: tuple[RamRegion, ...] = ()
    cpus: tuple[CpuConfig, ...] = ()
    vdevs: tuple[VdevConfig, ...] = ()
    passes: tuple[PassConfig, ...] = ()
    loads: tuple[LoadConfig, ...] = ()
    settings: tuple[Setting, ...] = ()
    options: tuple[OptionValue, ...] = ()
    safety: SafetyMode = "none"
    dump: str = ""
    dryrun: bool = False
    release: Release | None = None
    notes: tuple[Problem, ...] = ()
    not_modelled: tuple[NotModelled, ...] = ()

    @property
    def vcpu_count(self) -> int:
        """The number of virtual CPUs; one if none is given."""
        return max(1, len(self.cpus))

    @property
    def block_timeout_ns(self) -> int | None:
        """Nanoseconds until `qvm` unblocks a message to a host server; `None` for never."""
        return self._timeout_ns(self._last("message-block-timeout"))

    def vdev_block_timeout_ns(self, index: int) -> int | None:
        """Return the same for one vdev, which may have its own; `None` for never."""
        own = self._last("vdev-message-block-timeout", vdev=index)
        return self.block_timeout_ns if own is None else self._timeout_ns(own)

    def _last(self, variable: str, vdev: int = -1) -> Setting | None:
        found: Iterator[Setting] = (
            item
            for item in reversed(self.settings)
            if item.variable == variable and item.vdev == vdev
        )
        return next(found, None)

    @staticmethod
    def _timeout_ns(setting: Setting | None) -> int | None:
        if setting is None or setting.number is None:
            return DEFAULT_BLOCK_TIMEOUT_MS * MS
        return setting.number * MS if setting.number else None
