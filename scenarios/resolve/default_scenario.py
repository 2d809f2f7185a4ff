"""The scenario that a bare `qvm` configuration stands for: a first answer without a platform.

Where the configuration says nothing, the default scenario takes the worst or the plainest case, and
each verdict lists these assumptions.  A user who knows more writes a scenario.
"""

from collections.abc import Sequence
from pathlib import Path

from ...model.base.errors import NothingToJudge, Place, Problem
from ...model.trace.events import Assumption
from ..format.loader import ScenarioSource
from ..format.names import vdev_names
from ..format.schema import After, End, Quiesce, Scenario
from ..format.schema_devices import AhciEntry, DeviceEntry, NicEntry
from ..format.schema_hardware import Platform
from ..format.toml_places import Places
from ..qvmconf.config import VdevConfig, VmConfig
from ..qvmconf.outside import STANDARD_INPUT
from ..qvmconf.parser import parse_files
from .default_devices import disks, passed_devices

_WHEN_DEVICES = After("DmaLanded", count=5, delay="0ns..1ms")
"""The guest has booted by then, and its passed-through devices write."""

_WHEN_DISKS = After("BackendRequestBegun", count=2, delay="0ns..1ms")
"""The guest has found its virtual disk by then, which takes longer, and reads from it."""

_WHEN_VDEVS = After("RequestCompleted", count=5, delay="0ns..1ms")
"""The guest has set its virtual network or console up by then, and receives."""

_WHEN_LINES = After("IrqTaken", count=5, delay="0ns..1ms")
"""The guest's drivers serve the lines of their devices by then."""


def assumed_source(paths: Sequence[Path]) -> tuple[ScenarioSource, tuple[Assumption, ...]]:
    """Return the scenario for a configuration, and what was assumed for it.

    Args:
        paths: The files of the configuration, in order; `-` is standard input.

    Raises:
        ConfigError: If the configuration cannot be used.
        NothingToJudge: If the model has nothing in it that could go wrong.
    """
    config = parse_files(paths)
    path = paths[0]
    is_input = str(path) == STANDARD_INPUT
    title = "standard input" if is_input else path.name
    folder = Path() if is_input else path.parent
    names = tuple(_relative(each, folder) for each in paths)
    assumptions = [
        Assumption("platform.iommu", "none", "assumed: a configuration does not tell; worst case")
    ]
    devices = [*passed_devices(config, assumptions), *disks(config, assumptions)]
    when, awaited = _instant(config, devices, path)
    basis = f"assumed: within 1ms of the {awaited}, when its devices work"
    assumptions.append(Assumption("end", "guest-crash", basis))
    scenario = Scenario(
        description=f"The guest of {title} crashes while its devices are at work.",
        configuration=names[0] if len(names) == 1 else names,
        end=End("guest-crash", after=when),
        platform=Platform(iommu="none", device=tuple(devices)),
        quiesce=_quiesce(config, devices, assumptions),
    )
    places = Places("[platform]\niommu = 'none'\n", str(path))
    name = "stdin" if is_input else path.stem
    return ScenarioSource(name, scenario, places, folder), tuple(assumptions)


def _relative(path: Path, folder: Path) -> str:
    """Return a path as a scenario in the folder names it."""
    if str(path) == STANDARD_INPUT:
        return STANDARD_INPUT
    return path.name if path.parent == folder else str(path.resolve())


def _instant(config: VmConfig, devices: list[DeviceEntry], path: Path) -> tuple[After, str]:
    """Return the instant at which the devices work, and what it is called.

    Raises:
        NothingToJudge: If the model has no device that works behind the guest's back.
    """
    if any(isinstance(each, AhciEntry) for each in devices):
        return _WHEN_DISKS, "second read of a disk"
    if any(isinstance(each, NicEntry) or each.name.startswith("dma") for each in devices):
        return _WHEN_DEVICES, "fifth DMA write"
    if any(_receives(vdev) for vdev in config.vdevs):
        return _WHEN_VDEVS, "fifth request that a vdev completes"
    if devices:
        return _WHEN_LINES, "fifth interrupt that the guest takes"
    message = (
        "nothing here can be judged: no passed-through device writes memory or interrupts, and "
        "no virtio-blk, virtio-net or virtio-console brings the guest anything"
    )
    remedy = "write a scenario that says what the hardware does, or use `quiesce lint`"
    raise NothingToJudge([Problem(Place(str(path)), message, remedy=remedy)])


def _receives(vdev: VdevConfig) -> bool:
    """Return whether the guest gets data from a vdev, which writes them into its memory."""
    if vdev.type == "virtio-net":
        return vdev.option("peer") is not None
    if vdev.type != "virtio-console":
        return False
    return not vdev.hostdev or any(end.mode != "write" for end in vdev.hostdev)


def _quiesce(
    config: VmConfig, devices: list[DeviceEntry], assumptions: list[Assumption]
) -> tuple[Quiesce, ...]:
    """Return the text by which the user's first own vdev, if any, quiesces every device."""
    names = vdev_names(config)
    own = [name for name, vdev in zip(names, config.vdevs, strict=True) if not vdev.shipped]
    passed = [entry for entry in devices if not isinstance(entry, AhciEntry)]
    if not own:
        basis = "assumed: the configuration has no vdev of your own that could do it"
        assumptions.append(Assumption("quiesce", "none", basis))
        return ()
    if passed:
        basis = (
            "assumed: your own vdev stops every device, a NIC in the order that e1000e documents"
        )
        assumptions.append(Assumption("quiesce", own[0], basis))
    return tuple(Quiesce(vdev=own[0], device=entry.name) for entry in passed)
