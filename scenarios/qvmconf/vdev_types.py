"""The vdev types that QNX ships, as a table, and how their names are written.

A row says on which architecture the type exists and which options it has beyond the common ones.
It also says whether the type needs, allows or forbids `loc` and `intr`.

Source:
    QNX 7.1 and 8.0 hypervisor guides, vdev_ref pages named in each row; `field` marks what
    configurations in use contain and no readable page describes.  The need for a location
    and an interrupt follows the flags of a vdev factory (QNX vdev API, factory flags).
"""

import re
from typing import Literal

import msgspec

from .config import Architecture, Space
from .options import OptionSpec, table

Need = Literal["required", "optional", "forbidden"]


class VdevType(msgspec.Struct, frozen=True):
    """A row of the table.

    Attributes:
        name: The type as `vdev` takes it.
        source: The page that describes it.
        architecture: Where it exists; `None` for both.
        pci: Without `loc` and `intr` it is a PCI function, and with one it needs both.
        loc: Whether a location must be given; for a PCI type only in the pair rule.
        intr: Whether an interrupt must be given; likewise.
        space: The space of a location without a prefix, if it is not PCI.
        default_loc: The location without `loc`, if the page gives one.
        extent: Bytes of registers that it occupies at least; 1 where no page says more.
        is_pic: It is an interrupt controller that `intr` can name.
        shares_pins: It may stand on a pin that another device uses.
        at_most: How many of it a machine may have; 0 for any number.
        options: What it has beyond the common options, by name.
    """

    name: str
    source: str
    architecture: Architecture | None = None
    pci: bool = False
    loc: Need = "optional"
    intr: Need = "optional"
    space: Space = "mem"
    default_loc: int | None = None
    extent: int = 1
    is_pic: bool = False
    shares_pins: bool = False
    at_most: int = 0
    options: dict[str, OptionSpec] = {}


_HOSTDEV = OptionSpec("hostdev", source="U71 vdev_ref", modelled=True, repeatable=True)
_LEGACY = OptionSpec("legacy", (), source="U70 vdev_ref", modelled=True)
_DELAYED = OptionSpec("delayed", ("delay",), source="U70 vdev_ref", modelled=True)
_SCHED = OptionSpec("sched", ("schedule",), source="U71 vdev_ref")
_WATCHDOG_ACTION = OptionSpec("action", ("action",), source="U80 vdev_wdt-sp805", modelled=True)
_SERIAL = table(
    _HOSTDEV,
    OptionSpec("batch", ("number",), source="U71 vdev_pl011"),
    _DELAYED,
    _SCHED,
)

_VIRTIO_REGISTERS = 0x200  # virtio 1.2, 4.2.2: 0x100 bytes and a configuration space

VDEV_TYPES: dict[str, VdevType] = {
    row.name: row
    for row in (
        VdevType(
            "virtio-blk",
            "U70 vdev_virtio-blk",
            pci=True,
            extent=_VIRTIO_REGISTERS,
            options=table(
                _HOSTDEV,
                _LEGACY,
                _DELAYED,
                _SCHED,
                OptionSpec(
                    "dio",
                    ("word",),
                    source="U71 vdev_virtio-blk",
                    modelled=True,
                    words=("enable", "disable"),
                ),
                OptionSpec("threads", ("number",), source="field", modelled=True, lowest=1),
            ),
        ),
        VdevType(
            "virtio-net",
            "U80 vdev_virtio-net",
            pci=True,
            extent=_VIRTIO_REGISTERS,
            options=table(
                OptionSpec("peer", source="U80 vdev_virtio-net", modelled=True, mandatory=True),
                OptionSpec("mac", ("mac",), source="U80 vdev_virtio-net"),
                OptionSpec("peerfeats", ("number",), source="U80 vdev_virtio-net"),
                OptionSpec(
                    "tapdev",
                    source="U70 vdev_virtio-net",
                    advice="tapdev is deprecated; peer takes its place",
                ),
                _LEGACY,
                _SCHED,
            ),
        ),
        VdevType(
            "virtio-console",
            "U71 vdev_virtio-console",
            pci=True,
            extent=_VIRTIO_REGISTERS,
            options=table(_HOSTDEV, _LEGACY, _DELAYED, _SCHED),
        ),
        VdevType(
            "virtio-entropy",
            "VG80 virtio/paravirt",
            pci=True,
            extent=_VIRTIO_REGISTERS,
            options=table(_DELAYED),
        ),
        VdevType(
            "virtio-input",
            "field",
            pci=True,
            extent=_VIRTIO_REGISTERS,
            at_most=3,
            options=table(
                OptionSpec("screen", source="field"),
                OptionSpec("size", ("numbers",), source="field"),
                OptionSpec("display", ("number",), source="field"),
                OptionSpec("protocol", source="field"),
                OptionSpec("options", ("mask",), source="field"),
                _SCHED,
            ),
        ),
        VdevType(
            "virtio-gpu",
            "field",
            pci=True,
            extent=_VIRTIO_REGISTERS,
            options=table(
                OptionSpec("scanout-display", source="field"),
                OptionSpec("scanout-width", ("number",), source="field"),
                OptionSpec("scanout-height", ("number",), source="field"),
                _SCHED,
            ),
        ),
        VdevType(
            "shmem",
            "U71 vdev_shmem",
            pci=True,
            extent=0x1000,
            options=table(
                OptionSpec("create", ("region",), "U71 vdev_shmem", True, repeatable=True),
                OptionSpec("allow", ("pattern",), "U71 vdev_shmem", repeatable=True),
                OptionSpec("deny", ("pattern",), "U71 vdev_shmem", repeatable=True),
                OptionSpec("gid", source="field"),
                OptionSpec("subst", source="field", repeatable=True),
                OptionSpec("umask", source="field"),
                _SCHED,
            ),
        ),
        VdevType("smmu", "U70 vdev_smmu"),
        VdevType(
            "wdt-sp805",
            "U80 vdev_wdt-sp805",
            architecture="arm",
            default_loc=0x1C0F0000,
            extent=0x1000,
            options=table(
                _WATCHDOG_ACTION,
                OptionSpec("frequency", ("number",), "U80 vdev_wdt-sp805", True, lowest=1),
            ),
        ),
        VdevType(
            "wdt-ib700",
            "VG70 emulate/emulate_wdogx86",
            architecture="x86",
            space="io",
            options=table(_WATCHDOG_ACTION),
        ),
        VdevType(
            "pl011",
            "U71 vdev_pl011",
            architecture="arm",
            loc="required",
            intr="required",
            extent=0x1000,
            options=_SERIAL,
        ),
        VdevType(
            "ser8250",
            "U71 vdev_ser8250",
            architecture="x86",
            intr="required",
            space="io",
            extent=8,
            options=_SERIAL,
        ),
        VdevType(
            "gic",
            "field",
            architecture="arm",
            is_pic=True,
            at_most=1,
            options=table(
                OptionSpec("version", ("number",), "field", lowest=2, highest=3),
                OptionSpec("msi", ("numbers",), "field"),
            ),
        ),
        VdevType(
            "ioapic",
            "U70 config/qvm_file",
            architecture="x86",
            loc="required",
            intr="required",
            extent=0x20,
            is_pic=True,
        ),
        VdevType(
            "8259",
            "U70 config/qvm_file",
            architecture="x86",
            loc="required",
            intr="forbidden",
            space="io",
            extent=2,
            is_pic=True,
        ),
        VdevType(
            "hpet",
            "U70 config/qvm_file",
            architecture="x86",
            extent=0x400,
            shares_pins=True,
            options=table(OptionSpec("intrmap", ("pins",), "U70 config/qvm_file", True)),
        ),
        VdevType("timer8254", "U70 config/qvm_file", architecture="x86", space="io"),
        VdevType(
            "mc146818",
            "U70 config/qvm_file",
            architecture="x86",
            space="io",
            options=table(OptionSpec("reg", ("numbers",), "field", repeatable=True)),
        ),
        VdevType("pckeyboard", "U70 config/qvm_file", architecture="x86", space="io"),
        VdevType(
            "pci-dummy",
            "field",
            architecture="x86",
            loc="optional",
            options=table(OptionSpec("clone", ("clone",), "field", mandatory=True)),
        ),
        VdevType("progress", "U71 vdev_ref/vdev_ref"),
        VdevType("trace", "VG70 tutorial"),
    )
}

IMPLICIT_PICS: dict[str, Architecture] = {"gic": "arm", "apic": "x86"}
"""The interrupt controllers that exist without a `vdev` entry, and where."""

_DECORATION = re.compile(r"(?:vdev-)?(?P<type>.*?)(?P<safety>-safety)?(?:\.so)?", re.DOTALL)


def normalised(word: str) -> tuple[str, bool]:
    """Return a vdev's type without its decoration, and whether the safety build is meant.

    Example:
        >>> normalised("vdev-virtio-blk-safety.so"), normalised("pl011")
        (('virtio-blk', True), ('pl011', False))
    """
    match = _DECORATION.fullmatch(word.rsplit("/", 1)[-1])
    assert match is not None, word
    return match["type"], match["safety"] is not None


def typo_of(word: str, known: tuple[str, ...]) -> str:
    """Return the known word that `word` misspells, or an empty string.

    Stricter than `errors.nearest`, because an unknown type is not wrong in itself: one slip
    of the pen counts, and two in a word of eight letters or more.

    Example:
        >>> typo_of("virtio-blck", ("virtio-blk", "virtio-net"))
        'virtio-blk'
    """
    allowed = 2 if len(word) >= 8 else 1
    best = ""
    for candidate in known:
        distance = _edit_distance(word.lower(), candidate, allowed)
        if 0 < distance <= allowed:
            best, allowed = candidate, distance - 1
    return best


def _edit_distance(left: str, right: str, limit: int) -> int:
    """Return the Levenshtein distance, or `limit + 1` if it is larger than `limit`."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    row = list(range(len(right) + 1))
    for i, letter in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(right, 1):
            best = min(row[j] + 1, row[j - 1] + 1, previous + (letter != other))
            previous, row[j] = row[j], best
    return min(row[-1], limit + 1)
