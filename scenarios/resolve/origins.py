"""Where the user's files speak of a component: the lines that a finding points at.

A passed-through device comes from the `pass` entry of the configuration, which lets the guest have
it; a vdev from its line there; a device of the host from the platform of the scenario.  How
something is made quiet, how a VM ends, and what the platform is, are told apart by keys with
a suffix: `eth0 quiesce`, `qvm178 end`.  What is made by quiesce itself comes from the file as a
whole, under the empty key.
"""

from ...model.base.errors import Place
from ..format.loader import ScenarioSource
from .guests import GuestEntry
from .hardware import Hardware

QUIESCE = "quiesce"
END = "end"


def origins_of(
    source: ScenarioSource, guests: tuple[GuestEntry, ...], hardware: Hardware
) -> dict[str, Place]:
    """Return the place of each component, by its dotted name, and of what is done about it."""
    origins = {"": Place(source.places.file)}
    for index, entry in enumerate(source.scenario.platform.device):
        origins[entry.name] = source.places.of_key(("platform", "device", index))
    # The line that passes a device through says more than that there is such hardware.
    origins |= {name: entry.place for name, entry in hardware.passes.items()}
    for disk, served in zip(hardware.disks, hardware.entries, strict=True):
        origins[disk.server] = origins[served.name]
    if ("platform",) in source.places.spots:
        origins["iommu"] = source.places.of_key(("platform", "iommu"))
    for guest in guests:
        origins |= _of_guest(source, guest)
    return origins


def _of_guest(source: ScenarioSource, guest: GuestEntry) -> dict[str, Place]:
    files = guest.config.files
    origins = {guest.name: Place(files[0], 1) if files else source.places.of_key(guest.path)}
    for name, vdev in zip(guest.vdevs, guest.config.vdevs, strict=True):
        origins[f"{guest.name}.{name}"] = vdev.place
    for number, entry in enumerate(guest.entry.quiesce):
        place = source.places.of_key((*guest.path, "quiesce", number))
        device = entry.device or entry.vdev
        for of in (device, f"{guest.name}.{device}", f"{guest.name}.{entry.vdev}"):
            origins.setdefault(f"{of} {QUIESCE}", place)
    if guest.entry.end is not None:
        origins[f"{guest.name} {END}"] = source.places.of_key((*guest.path, "end"))
    return origins
