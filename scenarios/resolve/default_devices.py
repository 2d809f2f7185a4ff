"""The devices that a bare `qvm` configuration is taken to have, each with its assumption."""

from ...model.trace.events import Assumption
from ..format.schema_devices import AhciEntry, DeviceEntry, GenericEntry, NicEntry
from ..qvmconf.config import PassConfig, VmConfig

_PERIOD = "200us..400us"
"""Time between two interrupts of a device that writes no memory."""


def passed_devices(config: VmConfig, assumptions: list[Assumption]) -> list[DeviceEntry]:
    """Return a device for each `pass` entry whose hardware may write memory or interrupts."""
    devices: list[DeviceEntry] = []
    counts: dict[str, int] = {}
    for passed in config.passes:
        found = _device(passed)
        if found is None:
            continue
        stem, what = found
        name = f"{stem}{counts.setdefault(stem, 0)}"
        counts[stem] += 1
        devices.append(_ENTRIES[stem](name, passed.label))
        basis = f"assumed: {what} (line {passed.place.line})"
        assumptions.append(Assumption(name, passed.label, basis))
    return devices


def disks(config: VmConfig, assumptions: list[Assumption]) -> list[DeviceEntry]:
    """Return one AHCI controller behind all virtio-blk vdevs."""
    if not any(vdev.type == "virtio-blk" and vdev.hostdev for vdev in config.vdevs):
        return []
    basis = "assumed: devb-ahci and a SATA SSD behind every virtio-blk vdev, with reads"
    assumptions.append(Assumption("ahci0", "devb-ahci", basis))
    return [AhciEntry(name="ahci0")]


def _device(passed: PassConfig) -> tuple[str, str] | None:
    """Return the stem of a device's name and what is assumed of it; `None` for no device."""
    if not passed.can_do_dma:
        # Registers alone change nothing behind the guest's back.
        if not passed.interrupts:
            return None
        return "irq", "it interrupts and writes no memory; a generic device stands for it"
    if passed.interrupts or passed.kind == "pci":
        return "nic", "it may do DMA; a NIC with traffic stands for it"
    return "dma", "it may do DMA and no line is passed; a generic device without interrupts"


def _nic(name: str, label: str) -> DeviceEntry:
    # A NIC is the least predictable writer.
    return NicEntry(name=name, pass_=label)


def _writer(name: str, label: str) -> DeviceEntry:
    return GenericEntry(name=name, pass_=label, interrupts=False)


def _interrupter(name: str, label: str) -> DeviceEntry:
    return GenericEntry(
        name=name, pass_=label, lengths=(), completion_length=0, period=_PERIOD, trigger="level"
    )


_ENTRIES = {"nic": _nic, "dma": _writer, "irq": _interrupter}
