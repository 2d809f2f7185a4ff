"""Checks that need the whole machine: pairs, overlaps, pins, pages, architectures.

Overlaps count between RAM, ROM, vdevs and pass-through windows, and between RAM and
reserved ranges.  Reserved ranges may hold vdevs and windows, for which they are kept free.

An interrupt pin belongs to one memory-mapped vdev alone; PCI functions share pins, and so
does an HPET that takes over the pins of the timers it replaces.  A pin that a pass-through
device shares is a matter of design and left to the design rules.

Source:
    QNX 7.1 hypervisor guide, vdev_ref/options (`loc` and `intr`), and the factory flags and
    interrupt assignment classes of the vdev API; QNX 8.0 hypervisor guide, vm/ram and
    vm/pass (pages).
"""

from collections.abc import Iterator

from ...model.base.addresses import FRAME_SIZE
from ...model.base.errors import Place, nearest
from .collector import Collector
from .config import Architecture, PassWindow, VdevConfig, VmConfig
from .numbers import shown
from .vdev_types import IMPLICIT_PICS, VDEV_TYPES, VdevType

MAX_GIC_PIN = 1019
"""The highest interrupt of the GIC that is neither special nor a message (GICv3, INTIDs)."""


def check(config: VmConfig, collector: Collector, damaged: frozenset[Place]) -> None:
    """Report everything about a machine that its single entries do not show.

    Args:
        config: The machine.
        collector: Gets errors and notes.
        damaged: Places of contexts in which an error was found already; what they lack may
            be that error's doing and is not reported again.
    """
    for vdev in config.vdevs:
        kind = VDEV_TYPES.get(vdev.type)
        if kind is not None and vdev.place not in damaged:
            _check_placement(vdev, kind, collector)
            _check_options(vdev, kind, collector)
    _check_counts(config, collector)
    _check_names(config, collector)
    _check_pics(config, collector)
    _check_pins(config, collector)
    _check_architecture(config, collector)
    _check_pages(config, collector)
    _check_overlaps(config, collector)
    _check_pci(config, collector)
    for item in config.passes:
        if not item.windows and not item.interrupts and item.place not in damaged:
            message = "pass names neither a location nor an interrupt"
            collector.error(item.place, message, word="pass", remedy="add loc or intr")
    if not config.ram:
        place = Place(config.files[0] if config.files else "<no file>")
        collector.note(place, "no ram is configured; the machine has no memory of its own")


def _check_placement(vdev: VdevConfig, kind: VdevType, collector: Collector) -> None:
    if vdev.loc is not None and vdev.loc.space == "pci":
        if not kind.pci:
            message = f"vdev {vdev.type} is no PCI function"
            remedy = "give an address in memory or x86 I/O space"
            collector.error(vdev.loc.place, message, word=vdev.type, remedy=remedy)
        return
    title = f"vdev {vdev.type}"
    if kind.pci and (vdev.loc is None) != (not vdev.intr):
        given, missing = ("loc", "intr") if vdev.loc is not None else ("intr", "loc")
        message = f"{title} has {given} but no {missing}"
        remedy = "give both for a memory-mapped device or neither for a PCI function"
        collector.error(vdev.place, message, word=vdev.type, remedy=remedy)
        return
    both = (("loc", kind.loc, vdev.loc is not None), ("intr", kind.intr, bool(vdev.intr)))
    for name, need, is_given in both:
        if need == "required" and not is_given:
            message = f"{title} has no {name}, which it needs because it is no PCI function"
            collector.error(vdev.place, message, word=vdev.type, remedy=f"add {name}")
        elif need == "forbidden" and is_given:
            message = f"{title} takes no {name}"
            collector.error(vdev.place, message, word=vdev.type, remedy=f"remove {name}")


def _check_options(vdev: VdevConfig, kind: VdevType, collector: Collector) -> None:
    given = {option.name for option in vdev.options}
    for name, spec in kind.options.items():
        if spec.mandatory and name not in given:
            message = f"vdev {vdev.type} has no {name}, which is mandatory"
            collector.error(vdev.place, message, word=vdev.type, remedy=f"add {name}")
    if _barks_by_interrupt(vdev) and not vdev.intr:
        message = f"{vdev.type} has the action fiq, which raises its interrupt, but no intr"
        collector.error(vdev.place, message, word=vdev.type, remedy="add intr")
    if {"allow", "deny"} <= given:
        message = "vdev shmem has both allow and deny, which exclude each other"
        remedy = "allow denies all others, deny allows all others: keep one kind"
        collector.error(vdev.place, message, word=vdev.type, remedy=remedy)
    if "hostvector" in given and not kind.is_pic:
        message = f"vdev {vdev.type} is no interrupt controller and has no hostvector"
        collector.error(vdev.place, message, word="hostvector", remedy="remove hostvector")
    if "hostdev" in kind.options and not vdev.hostdev:
        collector.note(vdev.place, f"vdev {vdev.type} has no hostdev and nothing to work on")


def _barks_by_interrupt(vdev: VdevConfig) -> bool:
    """Return whether a watchdog raises its interrupt: it does so for the action `fiq` alone."""
    return any(option.name == "action" and "fiq" in option.arguments for option in vdev.options)


def _check_counts(config: VmConfig, collector: Collector) -> None:
    count: dict[str, int] = {}
    for vdev in config.vdevs:
        kind = VDEV_TYPES.get(vdev.type)
        count[vdev.type] = count.get(vdev.type, 0) + 1
        if kind and kind.at_most and count[vdev.type] == kind.at_most + 1:
            message = f"a machine has at most {kind.at_most} of vdev {vdev.type}"
            collector.error(vdev.place, message, word=vdev.type, remedy="remove this one")


def _check_names(config: VmConfig, collector: Collector) -> None:
    first: dict[str, VdevConfig] = {}
    for vdev in config.vdevs:
        kind = VDEV_TYPES.get(vdev.type)
        if not vdev.name:
            continue
        before = first.setdefault(vdev.name, vdev)
        if before is not vdev:
            message = f"the name {shown(vdev.name)} belongs to vdev {before.type} already"
            remedy = f"rename it or the one at {before.place}"
            collector.error(vdev.place, message, word=vdev.name, remedy=remedy)
        if kind is not None and kind.is_pic and ":" in vdev.name:
            message = f"the controller's name {shown(vdev.name)} holds a colon"
            collector.error(vdev.place, message, word=vdev.name, remedy="leave the colon out")


def _check_pics(config: VmConfig, collector: Collector) -> None:
    known = set(IMPLICIT_PICS)
    for vdev in config.vdevs:
        kind = VDEV_TYPES.get(vdev.type)
        if kind is None or kind.is_pic:
            known |= {vdev.name, vdev.type} - {""}
    reported: set[str] = set()
    for place, pic, number in _lines(config):
        if pic not in known and pic not in reported:
            reported.add(pic)
            close = nearest(pic, sorted(known))
            all_known = ", ".join(sorted(known))
            remedy = f"did you mean {close}?" if close else f"the controllers are {all_known}"
            message = f"there is no interrupt controller {shown(pic)}"
            collector.error(place, message, word=pic, remedy=remedy)
        elif pic == "gic" and number is None:
            remedy = "write gic:pin"
            collector.error(place, "gic is named without a pin", word=pic, remedy=remedy)
        elif pic == "gic" and number is not None and number > MAX_GIC_PIN:
            message = f"gic has no pin {number}; the highest is {MAX_GIC_PIN}"
            remedy = f"write a pin from 0 to {MAX_GIC_PIN}"
            collector.error(place, message, word=f"{pic}:{number}", remedy=remedy)


def _check_pins(config: VmConfig, collector: Collector) -> None:
    first: dict[tuple[str, int], VdevConfig] = {}
    for vdev in config.vdevs:
        if vdev.transport == "pci" or _shares_pins(vdev):
            continue
        for pin in vdev.intr:
            if pin.number is None:
                continue
            before = first.setdefault((pin.pic, pin.number), vdev)
            if before is not vdev:
                message = f"{pin} belongs to vdev {before.label} ({before.place}) already"
                remedy = "give each memory-mapped vdev a pin of its own"
                collector.error(pin.place, message, word=str(pin), remedy=remedy)
    for vdev in config.vdevs:
        for pin in vdev.intr if vdev.transport == "pci" else ():
            owner = first.get((pin.pic, -1 if pin.number is None else pin.number))
            if owner is not None:
                message = f"{pin} belongs to vdev {owner.label} ({owner.place}) alone"
                remedy = "give the PCI function another pin"
                collector.error(pin.place, message, word=str(pin), remedy=remedy)


def _check_architecture(config: VmConfig, collector: Collector) -> None:
    first: dict[Architecture, tuple[Place, str]] = {}
    for place, word, architecture in _architectures(config):
        first.setdefault(architecture, (place, word))
    if len(first) == 2:
        arm, x86 = first["arm"], first["x86"]
        early, late = sorted((arm, x86), key=lambda item: collector.position(item[0]))
        names = {arm: "ARM", x86: "x86"}
        message = f"{late[1]} exists on {names[late]} only, {early[1]} on {names[early]} only"
        collector.error(late[0], message, word=late[1], remedy=f"see {early[0]}")


def _check_pages(config: VmConfig, collector: Collector) -> None:
    for region in config.ram:
        if region.start % FRAME_SIZE or region.length % FRAME_SIZE or not region.length:
            message = f"ram of {region.length:#x} bytes at {region.start:#x} is not whole pages"
            collector.error(region.place, message, remedy=_page_remedy(region.length))
    for region in (*config.rom, *config.reserve):
        if not region.length:
            collector.error(
                region.place, "the range has no bytes", remedy="give its length in bytes"
            )
    for window in _windows(config, "mem"):
        _check_window_pages(window, collector, strict=config.release == "8.0")


def _check_window_pages(window: PassWindow, collector: Collector, *, strict: bool) -> None:
    if window.length == 0:
        remedy = "give its length in bytes"
        collector.error(window.place, "the window has no bytes", word=window.text, remedy=remedy)
        return
    if window.length is None and "$" not in window.text:
        message = "the window has no length, and the guide does not say what that means"
        collector.note(window.place, message, word=window.text, remedy="add the length in bytes")
    odd = [
        f"{name} {value:#x}"
        for name, value in (("host start", window.host), ("length", window.length))
        if value is not None and value % FRAME_SIZE
    ]
    if odd and strict:
        message = f"{' and '.join(odd)} of the window must be multiples of {FRAME_SIZE:#x}"
        remedy = "widen the window to whole pages"
        collector.error(window.place, message, word=window.text, remedy=remedy)
    elif odd:
        message = (
            f"{' and '.join(odd)} of the window are no multiples of {FRAME_SIZE:#x}; "
            "the guest reaches the rest of the page too, and release 8.0 refuses it"
        )
        collector.note(window.place, message, word=window.text)


def _check_overlaps(config: VmConfig, collector: Collector) -> None:
    memory = [(item.start, item.length, f"ram {item.start:#x}", item.place) for item in config.ram]
    reserved = [
        (item.start, item.length, f"reserve {item.start:#x}", item.place) for item in config.reserve
    ]
    others = [(item.start, item.length, f"rom {item.start:#x}", item.place) for item in config.rom]
    _report_overlaps([*memory, *others, *_extents(config, "mem")], collector)
    _report_overlaps(list(_extents(config, "io")), collector)
    clashes = [*memory, *reserved]
    _report_overlaps(clashes, collector, only_between=("ram", "reserve"))


Extent = tuple[int, int, str, Place]
"""Start, length in bytes, what it is, and where it stands."""


def _report_overlaps(
    extents: list[Extent], collector: Collector, only_between: tuple[str, str] | None = None
) -> None:
    """Report each range that begins before the furthest end of those that begin earlier."""
    # Invariant: of the ranges so far `last` ends furthest, and all of them begin no later than
    # the present one.  So the present one overlaps an earlier range only if it overlaps `last`.
    last: Extent | None = None
    for extent in sorted(extents, key=lambda item: (item[0], item[1])):
        start, length, what, _ = extent
        if last is not None and start < last[0] + last[1]:
            kinds = tuple(sorted((what.split()[0], last[2].split()[0])))
            if only_between is None or kinds == only_between:
                earlier, later = sorted(
                    (extent, last), key=lambda item: collector.position(item[3])
                )
                message = f"{later[2]} overlaps {earlier[2]} ({earlier[3]})"
                remedy = "move one of them, or make it shorter"
                collector.error(later[3], message, word=later[2], remedy=remedy)
        if last is None or start + length > last[0] + last[1]:
            last = extent


def _check_pci(config: VmConfig, collector: Collector) -> None:
    used: dict[object, tuple[str, Place]] = {}
    for vdev in config.vdevs:
        if vdev.loc is not None and vdev.loc.pci is not None:
            _claim(used, vdev.loc.pci, f"vdev {vdev.label}", vdev.loc.place, collector)
    for window in _windows(config, "pci"):
        if window.pci_guest is not None:
            _claim(used, window.pci_guest, f"pass {window.label}", window.place, collector)
    passed: dict[object, tuple[str, Place]] = {}
    for window in _windows(config, "pci"):
        side = window.pci_host or window.pci_ids
        if side is not None:
            _claim(passed, f"host {side}", f"pass {window.label}", window.place, collector)


def _claim(
    used: dict[object, tuple[str, Place]],
    key: object,
    owner: str,
    place: Place,
    collector: Collector,
) -> None:
    # The first claim stays in `used`: every later one is compared with it.
    before = used.setdefault(key, (owner, place))
    if before[1] != place:
        message = f"{key} is taken by {before[0]} ({before[1]}) already"
        remedy = "give one of the two another location"
        collector.error(place, message, word=str(key), remedy=remedy)


def _lines(config: VmConfig) -> Iterator[tuple[Place, str, int | None]]:
    for vdev in config.vdevs:
        for pin in vdev.intr:
            yield pin.place, pin.pic, pin.number
    for item in config.passes:
        for line in item.interrupts:
            yield line.place, line.pic, line.number


def _architectures(config: VmConfig) -> Iterator[tuple[Place, str, Architecture]]:
    own = {vdev.name for vdev in config.vdevs if vdev.name}
    for vdev in config.vdevs:
        kind = VDEV_TYPES.get(vdev.type)
        if kind is not None and kind.architecture is not None:
            yield vdev.place, f"vdev {vdev.type}", kind.architecture
    for place, pic, _ in _lines(config):
        if pic in IMPLICIT_PICS and pic not in own:
            yield place, f"the controller {pic}", IMPLICIT_PICS[pic]


def _windows(config: VmConfig, space: str) -> Iterator[PassWindow]:
    for item in config.passes:
        for window in item.windows:
            if window.space == space:
                yield window


def _extents(config: VmConfig, space: str) -> Iterator[Extent]:
    """Yield what vdevs and windows occupy in the guest, as far as it is known."""
    for vdev in config.vdevs:
        kind = VDEV_TYPES.get(vdev.type)
        if vdev.loc is not None and vdev.loc.space == space and vdev.loc.address is not None:
            extent = kind.extent if kind else 1
            title = f"vdev {vdev.label} at {vdev.loc.address:#x}"
            yield vdev.loc.address, extent, title, vdev.loc.place
    for window in _windows(config, space):
        if window.guest is not None:
            title = f"pass {space}:{window.guest:#x}"
            yield window.guest, max(1, window.length or 1), title, window.place


def _shares_pins(vdev: VdevConfig) -> bool:
    kind = VDEV_TYPES.get(vdev.type)
    return kind is not None and kind.shares_pins


def _page_remedy(length: int) -> str:
    if 0 < length < FRAME_SIZE:
        return f"did you mean {length}M?"
    return f"make start and length multiples of {FRAME_SIZE:#x}"
