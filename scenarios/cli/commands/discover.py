"""`quiesce discover`: how the guest of a `qvm` configuration finds its devices."""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ....model.base.errors import InputError, Place, Problem
from ....model.pci.bus import BUS_MAX
from ....model.pci.walk import FoundFunction, enumerate_functions
from ...discovery.assembly import GuestHardware, Numbering, assemble
from ...discovery.device_tree import binary, source_text
from ...discovery.document import discovery_document
from ...discovery.driver_check import check_driver_line
from ...discovery.driver_lines import direct_line
from ...discovery.fdt import left_out, machine_tree
from ...discovery.guests import BUS_SCAN_LIMIT, GuestDevice, GuestName, first_disk, guest_devices
from ...discovery.lspci import lspci_dump, lspci_listing
from ...discovery.pci_tool import pci_tool_listing
from ...discovery.remarks import remarks_on
from ...format.shipped import LIBRARY
from ...qvmconf.config import VmConfig
from ...qvmconf.parser import parse_files
from ..output.exit_status import OK, VIOLATED
from ..output.terminal import printable, say, say_json, say_rows, styled

_DEFAULT_LISTING = "pci-tool"
_LISTINGS = {"pci-tool": pci_tool_listing, "lspci": lspci_listing, "lspci-dump": lspci_dump}
_PROGRAM_OF: dict[str, GuestName] = {"pci-tool": "qnx", "lspci": "linux", "lspci-dump": "linux"}


class DiscoverRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for.

    Attributes:
        files: Files of one configuration, or the name of a shipped one.
        form: `pci-tool`, `lspci`, `lspci-dump`, `fdt`, `mmio`, `json`; empty for the default.
        guest: `qnx`, `linux`, or empty.
        check: A driver command line to compare; empty for none.
        bus_scan_limit: The highest bus that is tried; `None` for all, or the guide's value where
            the guide's steps are shown.
        numbering: How PCI vdevs get their numbers.
        dtb: Where to write the device tree as a binary.
    """

    files: Sequence[str]
    form: str
    guest: str
    check: str | None
    bus_scan_limit: int | None
    numbering: Numbering
    dtb: Path | None


class DiscoverProblem(InputError):
    """Options that do not go together, or a file that cannot be written."""


class _Discovery(msgspec.Struct, frozen=True):
    """A configuration and what its guest finds."""

    request: DiscoverRequest
    config: VmConfig
    hardware: GuestHardware
    found: tuple[FoundFunction, ...]
    limit: int


def discover_command(request: DiscoverRequest) -> int:
    """Show how a guest finds its devices, in the form that was asked for.

    Raises:
        InputError: If the configuration or an option cannot be used.
    """
    _check_options(request)
    config = parse_files([_file_of(word) for word in request.files])
    hardware = assemble(config, request.numbering)
    is_walk = request.guest == "qnx" and not request.form
    limit = request.bus_scan_limit
    if limit is None:
        limit = BUS_SCAN_LIMIT if is_walk else BUS_MAX
    found = enumerate_functions(hardware.bus, limit)
    discovery = _Discovery(request, config, hardware, found, limit)
    if request.dtb is not None:
        _write_binary(request.dtb, config)
    if request.check is not None:
        return _check(discovery)
    _SHOWN[request.form or ("guest" if request.guest else _DEFAULT_LISTING)](discovery)
    return OK


def _check_options(request: DiscoverRequest) -> None:
    native = _PROGRAM_OF.get(request.form)
    if native and request.guest and native != request.guest:
        message = f"{request.form} is a program of a {native} guest, not of a {request.guest} one"
        raise DiscoverProblem([Problem(Place("--guest"), message, remedy="leave --guest out")])
    if request.check is not None and request.form not in ("", "json"):
        message = "a check of a driver line has no form but text and json"
        remedy = "leave --as out, or write --as json"
        raise DiscoverProblem([Problem(Place("--as"), message, remedy=remedy)])


def _file_of(word: str) -> str:
    """Return the file that a word means: a path, or the name of a shipped configuration."""
    shipped = LIBRARY / f"{word}.qvmconf"
    is_name = Path(word).name == word and not Path(word).suffix
    return str(shipped) if is_name and not Path(word).exists() and shipped.exists() else word


def _write_binary(path: Path, config: VmConfig) -> None:
    data = binary(machine_tree(config))
    try:
        path.write_bytes(data)
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}"
        remedy = "name another file with --dtb"
        raise DiscoverProblem([Problem(Place(str(path)), message, remedy=remedy)]) from None


def _remark(text: str) -> None:
    lead = styled("note:", "dim", sys.stderr)
    sys.stderr.write(f"{lead} {printable(text)}\n")


def _pci_remarks(discovery: _Discovery) -> None:
    for text in remarks_on(discovery.hardware, discovery.found, discovery.limit):
        _remark(text)


def _show_listing(discovery: _Discovery) -> None:
    sys.stdout.write(_LISTINGS[discovery.request.form or _DEFAULT_LISTING](discovery.found))
    _pci_remarks(discovery)
    if len(discovery.found) == 1 and discovery.hardware.direct:
        _remark(
            "the guest's PCI bus has nothing but its host bridge; the vdevs are direct-mapped, "
            "see --as mmio"
        )


def _show_fdt(discovery: _Discovery) -> None:
    sys.stdout.write(source_text(machine_tree(discovery.config)))
    for text in left_out(discovery.config):
        _remark(text)


def _show_mmio(discovery: _Discovery) -> None:
    direct = discovery.hardware.direct
    if not direct:
        _remark("no vdev is direct-mapped; those on PCI are found by discovery, see --as pci-tool")
        return
    if discovery.request.guest == "linux":
        devices = guest_devices("linux", discovery.hardware, discovery.found)
        say_rows([_row(each) for each in devices[len(discovery.found) :]])
        _remark("a Linux guest has no such command line; it reads the device tree, see --as fdt")
        return
    for device in direct:
        line = direct_line(device)
        if line.command:
            sys.stdout.write(f"{line.command}\n")
        if line.remark:
            _remark(f"{device.label} ({device.place}): {line.remark}")


def _show_json(discovery: _Discovery) -> None:
    say_json(_document(discovery))


def _document(discovery: _Discovery) -> dict[str, object]:
    wanted = discovery.request.guest
    guests: tuple[GuestName, ...] = ("qnx", "linux")
    return discovery_document(
        discovery.config,
        discovery.hardware,
        discovery.found,
        bus_scan_limit=discovery.limit,
        guests=[guest for guest in guests if wanted in ("", guest)],
    )


def _show_guest(discovery: _Discovery) -> None:
    if discovery.request.guest == "qnx":
        _show_qnx(discovery)
    else:
        devices = guest_devices("linux", discovery.hardware, discovery.found)
        say_rows([_row(device) for device in devices])
    _pci_remarks(discovery)


def _show_qnx(discovery: _Discovery) -> None:
    """Show the steps of the guide, with what each brings about in this machine."""
    devices = guest_devices("qnx", discovery.hardware, discovery.found)
    steps = []
    if len(discovery.found) > 1:
        steps.append((f"pci-server --bus-scan-limit={discovery.limit}", "/dev/pci"))
        count = len(discovery.found)
        steps.append(("pci-tool -v", f"shows {count} functions, see --as pci-tool"))
    started: set[str] = set()
    for device in devices:
        if not device.driver or device.driver in started:
            continue
        started.add(device.driver)
        steps.append((device.driver, f"{device.appears} from {device.origin}"))
    disk = first_disk(devices)
    if disk:
        steps.append((f"mount -t qnx6 {disk} /mydisk", "if it holds a Power-Safe file system"))
    if steps:
        say_rows([(f"{number}.", *step) for number, step in enumerate(steps, 1)])
    else:
        say("There is nothing that a driver could be started for.")
    for device in devices:
        if device.remark:
            _remark(f"{device.where}, {device.origin}: {device.remark}")


def _row(device: GuestDevice) -> tuple[str, str, str]:
    appears = f"{device.appears} from {device.origin}" if device.appears else device.origin
    remark = f" ({device.remark})" if device.remark else ""
    return device.where, device.driver or "-", f"{appears}{remark}"


def _check(discovery: _Discovery) -> int:
    line = discovery.request.check or ""
    result = check_driver_line(line, discovery.config, discovery.hardware, discovery.found)
    status = VIOLATED if result.problems else OK
    if discovery.request.form == "json":
        checked = {"line": line, "matches": result.matches, "problems": result.problems}
        say_json({"exit_status": status, "check": checked} | _document(discovery))
        return status
    for match in result.matches:
        say(f"{styled('fits:', 'green')} {match}", hang=2)
    for problem in result.problems:
        say(f"{styled('does not fit:', 'red')} {problem}", hang=2)
    return status


_SHOWN = {
    "pci-tool": _show_listing,
    "lspci": _show_listing,
    "lspci-dump": _show_listing,
    "fdt": _show_fdt,
    "mmio": _show_mmio,
    "json": _show_json,
    "guest": _show_guest,
}
