"""Remarks for the reader of a listing: what is hidden, unknown or inferred."""

from collections.abc import Iterator, Sequence

from ...model.pci.walk import FoundFunction, hidden_functions
from .assembly import PCI_NUMBERING, GuestHardware


def remarks_on(
    hardware: GuestHardware, found: Sequence[FoundFunction], bus_scan_limit: int
) -> Iterator[str]:
    """Give the remarks on what a guest finds on its PCI bus, as sentences without a full stop."""
    for address in hidden_functions(hardware.bus, tuple(found)):
        origin = hardware.bus.slots[address].origin
        if address.bus > bus_scan_limit:
            why = f"its bus is beyond the bus-scan limit of {bus_scan_limit}"
        else:
            why = f"device {address.device} has no function 0, and a guest then looks no further"
        yield f"{origin} at {address} is not found: {why}"
    for function in found:
        if function.space:
            continue
        origin = hardware.bus.slots[function.address].origin
        if function.vendor_id is None:
            yield f"{origin} at {function.address}: its identifiers only the hardware knows"
        elif function.subsystem_id is None:
            yield f"{origin} at {function.address}: only its identifiers are in the configuration"
        else:
            yield f"{origin} at {function.address}: its class is not documented"
    if hardware.depends_on_numbering:
        yield (
            f"which of several like vdevs comes first is an open question "
            f"({PCI_NUMBERING.label}: {', '.join(PCI_NUMBERING.answers)}): {PCI_NUMBERING.basis}"
        )
