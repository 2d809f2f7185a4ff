"""Maps each component to the lines of the user's files that describe it.

- A passed-through device comes from its `pass` entry in the configuration.
- A vdev comes from its line in the configuration.
- A device of the host comes from the platform of the scenario.

Keys with a suffix have the place of a procedure or an end: `eth0 quiesce`, `qvm178 end`.
Components that quiesce adds itself come from the file as a whole, under the empty key.
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
    """Return the place of each component by its dotted name, and of its procedure or its end."""
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
