"""The scenario that a bare `qvm` configuration stands for: a first answer without a platform.

Where the configuration says nothing, the default scenario takes the worst or the plainest case, and
each verdict lists these assumptions.  A user who knows more writes a scenario.
"""

from pathlib import Path

from ...model.base.errors import ConfigError, Place, Problem
from ...model.trace.events import Assumption
from ..format.loader import ScenarioSource
from ..format.names import vdev_names
from ..format.schema import After, End, Quiesce, Scenario
from ..format.schema_devices import AhciEntry, DeviceEntry, NicEntry
from ..format.schema_hardware import Platform
from ..format.toml_places import Places
from ..qvmconf.config import VmConfig
from ..qvmconf.parser import parse_files

_WHEN_DEVICES = After("DmaLanded", count=5, delay="0ns..1ms")
"""The guest has booted by then, and its passed-through devices write."""

_WHEN_DISKS = After("BackendRequestBegun", count=2, delay="0ns..1ms")
"""The guest has found its virtual disk by then, which takes longer, and reads from it."""


def assumed_source(path: Path) -> tuple[ScenarioSource, tuple[Assumption, ...]]:
    """Return the scenario for a configuration, and what was assumed for it.

    Raises:
        ConfigError: If the configuration cannot be used, or has nothing that could go wrong.
    """
    config = parse_files([path])
    assumptions = [
        Assumption("platform.iommu", "none", "assumed: a configuration does not tell; worst case")
    ]
    devices = [*_nics(config, assumptions), *_disks(config, assumptions)]
    if not devices:
        message = "nothing here can write memory late: no passed-through DMA and no virtio-blk"
        remedy = "write a scenario, or use `quiesce lint`"
        raise ConfigError([Problem(Place(str(path)), message, remedy=remedy)])
    when = _WHEN_DISKS if any(isinstance(each, AhciEntry) for each in devices) else _WHEN_DEVICES
    awaited = "second read of a disk" if when is _WHEN_DISKS else "fifth DMA write"
    basis = f"assumed: within 1ms of the {awaited}, when its devices work"
    assumptions.append(Assumption("end", "guest-crash", basis))
    scenario = Scenario(
        description=f"The guest of {path.name} crashes while its devices are at work.",
        configuration=path.name,
        end=End("guest-crash", after=when),
        platform=Platform(iommu="none", device=tuple(devices)),
        quiesce=_quiesce(config, devices, assumptions),
    )
    places = Places("[platform]\niommu = 'none'\n", str(path))
    return ScenarioSource(path.stem, scenario, places, path.parent), tuple(assumptions)


def _nics(config: VmConfig, assumptions: list[Assumption]) -> list[DeviceEntry]:
    """Return the text of a NIC, the least predictable writer, for each device that may do DMA."""
    nics: list[DeviceEntry] = []
    for passed in config.passes:
        if passed.can_do_dma:
            name = f"nic{len(nics)}"
            nics.append(NicEntry(name=name, pass_=passed.label))
            where = f"line {passed.place.line}"
            basis = f"assumed: it may do DMA ({where}); a NIC with traffic stands for it"
            assumptions.append(Assumption(name, passed.label, basis))
    return nics


def _disks(config: VmConfig, assumptions: list[Assumption]) -> list[DeviceEntry]:
    """Return the text of one AHCI controller behind all virtio-blk vdevs."""
    if not any(vdev.type == "virtio-blk" and vdev.hostdev for vdev in config.vdevs):
        return []
    basis = "assumed: devb-ahci and a SATA SSD behind every virtio-blk vdev, with reads"
    assumptions.append(Assumption("ahci0", "devb-ahci", basis))
    return [AhciEntry(name="ahci0")]


def _quiesce(
    config: VmConfig, devices: list[DeviceEntry], assumptions: list[Assumption]
) -> tuple[Quiesce, ...]:
    """Return the text by which the user's first own vdev, if any, quiesces every NIC."""
    names = vdev_names(config)
    own = [name for name, vdev in zip(names, config.vdevs, strict=True) if not vdev.shipped]
    nics = [entry.name for entry in devices if isinstance(entry, NicEntry)]
    if not own:
        basis = "assumed: the configuration has no vdev of your own that could do it"
        assumptions.append(Assumption("quiesce", "none", basis))
        return ()
    if nics:
        basis = "assumed: your own vdev stops every NIC, in the order that e1000e documents"
        assumptions.append(Assumption("quiesce", own[0], basis))
    return tuple(Quiesce(vdev=own[0], device=name) for name in nics)
