"""Compares a driver command line of a guest with the configuration of its VM.

The real system does not compare them.  A driver with a wrong address finds no device there, and a
driver with a wrong interrupt waits for ever.

Source:
    QNX 7.1 utilities reference, devb-virtio, devc-virtio and devnp-virtio.so, for what the
    options mean and which exclude each other.
"""

from collections.abc import Iterator, Sequence

import msgspec

from ...model.pci.walk import FoundFunction
from ..qvmconf.config import VmConfig
from .assembly import DirectDevice, GuestHardware
from .driver_lines import GuestDriverKind, direct_line, function_line, instances
from .driver_syntax import Attachment, parse_driver_line


class DriverCheck(msgspec.Struct, frozen=True):
    """The result of comparing a driver line with a configuration.

    Attributes:
        matches: What each attachment of the driver reaches, as a clause; none if it reaches none.
        problems: Everything that does not fit, as clauses; the line is right if there are none.
    """

    matches: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def check_driver_line(
    line: str,
    config: VmConfig,
    hardware: GuestHardware,
    found: Sequence[FoundFunction],
) -> DriverCheck:
    """Return how a driver command line fits a machine.

    Args:
        line: As a shell in the guest gets it.
        config: The machine.
        hardware: What its guest can find.
        found: The functions that the guest's PCI server has found.

    Raises:
        InputError: If it is no command line of a known driver.
    """
    driver, attachments, problems = parse_driver_line(line)
    machine = _Machine(driver, config, hardware, found)
    matches: list[str] = []
    for attachment in attachments:
        faults = [*_exclusions(driver, attachment), *machine.faults(attachment)]
        problems += faults
        if not faults:
            matches.append(machine.reached(attachment))
    return DriverCheck(tuple(matches), tuple(problems))


def _exclusions(driver: GuestDriverKind, wanted: Attachment) -> Iterator[str]:
    if wanted.instance is not None and wanted.address is not None:
        yield "pci= and smem= exclude each other"
    elif wanted.instance is not None and wanted.irq is not None:
        yield "pci= and irq= exclude each other"
    elif wanted.address is not None and wanted.irq is None and driver.syntax != "io-pkt":
        yield f"{_address_word(driver)} without {_irq_word(driver)}: the driver needs both"
    elif wanted.irq is not None and wanted.address is None and wanted.instance is None:
        yield f"{_irq_word(driver)} without {_address_word(driver)}: the driver needs both"


class _Machine:
    """A machine as one driver sees it."""

    def __init__(
        self,
        driver: GuestDriverKind,
        config: VmConfig,
        hardware: GuestHardware,
        found: Sequence[FoundFunction],
    ) -> None:
        self.driver = driver
        self.config = config
        self.direct = hardware.direct
        self.slots = hardware.bus.slots
        self.found = found
        self.functions = instances(driver, found)
        self.mapped = [device for device in self.direct if device.type == driver.vdev]

    def faults(self, wanted: Attachment) -> Iterator[str]:
        """Give what is wrong with an attachment on its own."""
        if wanted.address is not None:
            device = self._at(wanted.address)
            if device is None:
                yield self._nothing_at(wanted.address)
            elif device.type != self.driver.vdev:
                yield self._wrong_type(device, wanted.address)
            elif device.address != wanted.address:
                yield (
                    f"{wanted.address:#x} is inside {_named(device)}, whose registers begin at "
                    f"{device.address:#x}; write {direct_line(device).command}"
                )
            elif wanted.irq is not None and wanted.irq != device.irq:
                yield self._wrong_irq(device, wanted.irq)
        if wanted.instance is not None:
            yield from self._instance_faults(wanted.instance)
        if wanted.address is None and wanted.instance is None and wanted.irq is None:
            yield from self._search_faults()

    def reached(self, wanted: Attachment) -> str:
        """Return what an attachment without faults reaches."""
        device = None if wanted.address is None else self._at(wanted.address)
        if device is not None:
            return f"{_named(device)} at {device.address:#x}, {device.pins[0]}"
        if wanted.instance is not None:
            return _slot(self.functions[wanted.instance])
        places = ", ".join(_slot(function) for function in self.functions)
        return f"by PCI discovery: {places}"

    def _at(self, address: int) -> DirectDevice | None:
        for device in self.direct:
            start = device.address
            if device.space != "mem" or start is None:
                continue
            if start <= address < start + device.length:
                return device
        return None

    def _nothing_at(self, address: int) -> str:
        what = f"no vdev is at {address:#x}"
        for region in self.config.ram:
            if region.start <= address < region.end:
                what = f"{address:#x} is guest RAM ({region.place})"
        for item in self.config.passes:
            for window in item.windows:
                if window.space != "mem" or window.guest is None:
                    continue
                if window.guest <= address < window.guest + (window.length or 1):
                    what = f"{address:#x} is passed-through {window.label} ({window.place})"
        return f"{what}; {self._advice()}"

    def _advice(self) -> str:
        """Return how the driver does reach a device of its kind, if there is one."""
        if self.mapped:
            lines = [
                f"{_named(device)} takes {direct_line(device).command}" for device in self.mapped
            ]
            return "; ".join(lines)
        if self.functions:
            function = self.functions[0]
            command = function_line(function, self.found).command
            origin = self.slots[function.address].origin
            return f"{origin} is the PCI function {_slot(function)}: write {command}"
        return f"the machine has no {self.driver.vdev} that a guest could find"

    def _wrong_type(self, device: DirectDevice, address: int) -> str:
        line = direct_line(device).command
        start = f"; its driver line is {line}" if line else ""
        program = self.driver.programs[0]
        return f"{address:#x} is {_named(device)}, which {program} does not drive{start}"

    def _wrong_irq(self, device: DirectDevice, irq: int) -> str:
        other = next(
            (each for each in self.direct if any(pin.number == irq for pin in each.pins)), None
        )
        whose = f", and {irq} belongs to {_named(other)}" if other is not None else ""
        pin = device.pins[0] if device.pins else "no interrupt"
        remedy = direct_line(device).command
        return f"the interrupt is {irq}, but {_named(device)} is on {pin}{whose}; write {remedy}"

    def _instance_faults(self, instance: int) -> Iterator[str]:
        if instance < len(self.functions):
            return
        vdev, count = self.driver.vdev, len(self.functions)
        clause = f"pci={instance} is out of range: the guest finds {count or 'no'} {vdev} on PCI"
        if not count:
            yield f"{clause}; {self._advice()}"
            return
        listed = next((each for each in self.found if each.index == instance), None)
        if listed is None:
            yield f"{clause}, counted from 0"
            return
        clause += f", counted from 0; idx {instance} of the listing is {_ids(listed)}"
        is_ours = listed in self.functions
        yield f"{clause}, so write pci={self.functions.index(listed)}" if is_ours else clause

    def _search_faults(self) -> Iterator[str]:
        if not self.functions:
            yield (
                f"without an address {self.driver.programs[0]} looks for a PCI function, and the "
                f"guest finds no {self.driver.vdev} there; {self._advice()}"
            )


def _named(device: DirectDevice) -> str:
    return f"{device.label} ({device.place})"


def _slot(function: FoundFunction) -> str:
    at = function.address
    return f"B{at.bus:03}:D{at.device:02}:F{at.function:02}"


def _ids(function: FoundFunction) -> str:
    if function.vendor_id is None or function.device_id is None:
        return f"{_slot(function)}, passed through"
    return f"{_slot(function)}, {function.vendor_id:04x}/{function.device_id:04x}"


def _address_word(driver: GuestDriverKind) -> str:
    return "location" if driver.syntax == "positional" else "smem="


def _irq_word(driver: GuestDriverKind) -> str:
    return "irq" if driver.syntax == "positional" else "irq="
