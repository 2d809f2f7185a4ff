"""The model's block device beside QEMU's, each with a driver and an empty disk of equal size."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from quiesce.model.discovery.walk import enumerate_functions
from quiesce.model.virtio.block_format import SECTOR_SIZE

from .lockstep import Lockstep
from .machine import QemuMachine
from .model_block import ModelBlockFunction, model_block
from .pci_access import QemuBus, QemuFunction
from .side import Side
from .virtio_driver import VirtioPciDriver

CAPACITY = 128
IDENTIFIER = "quiesce-disk"
_BACKEND = "/machine/peripheral/vd0/virtio-backend"


class QemuDisk:
    """A file behind QEMU's block device; QEMU keeps nothing of it to itself."""

    def __init__(self) -> None:
        self.file = tempfile.NamedTemporaryFile(prefix="quiesce-disk-")  # noqa: SIM115
        self.wipe()

    @property
    def name(self) -> str:
        return self.file.name

    def content(self) -> bytes:
        return os.pread(self.file.fileno(), SECTOR_SIZE * CAPACITY, 0)

    def wipe(self) -> None:
        os.pwrite(self.file.fileno(), bytes(SECTOR_SIZE * CAPACITY), 0)


def block_arguments(disk: QemuDisk, *device_options: str) -> list[str]:
    """Return the command line of a machine with a block device that answers in turn."""
    device = "virtio-blk-pci-non-transitional,id=vd0,drive=d0,addr=2,packed=on,ioeventfd=off"
    return [
        *("-blockdev", f"driver=file,node-name=f0,filename={disk.name},discard=unmap"),
        *("-blockdev", "driver=raw,node-name=d0,file=f0,discard=unmap"),
        *("-device", ",".join([device, f"serial={IDENTIFIER}", *device_options])),
    ]


def qemu_driver(machine: QemuMachine, device: int = 2) -> VirtioPciDriver:
    """Return a driver of the function in a slot of bus 0."""
    bus = QemuBus(machine)
    (found,) = [f for f in enumerate_functions(bus, 0) if f.address.device == device]
    return VirtioPciDriver(QemuFunction(bus, found), machine.ram)


def settled(machine: QemuMachine, queue: int = 0, path: str = _BACKEND) -> None:
    """Return when QEMU has no request of a queue under way."""
    while machine.qmp("x-query-virtio-queue-status", path=path, queue=queue)["inuse"]:
        pass
    machine.barrier()


def model_side(size: int) -> Side:
    """Return the model's device as a side of a comparison."""
    function: ModelBlockFunction = model_block(size, CAPACITY, identifier=IDENTIFIER.encode())
    disk = function.disk

    def wipe() -> None:
        disk.cached.clear()
        disk.committed.clear()

    driver = VirtioPciDriver(function, function.memory)
    return Side(driver, function.memory, lambda: None, lambda: disk.read(0, CAPACITY), wipe)


def qemu_side(machine: QemuMachine, disk: QemuDisk) -> Side:
    """Return QEMU's device as a side of a comparison."""
    driver = qemu_driver(machine)
    return Side(driver, machine.ram, lambda: settled(machine), disk.content, disk.wipe)


def make_block_pair(start_machine: Callable[..., QemuMachine]) -> Lockstep:
    """Start QEMU and return both devices, ready to be compared."""
    disk = QemuDisk()
    machine = start_machine(block_arguments(disk))
    ours, theirs = model_side(machine.ram.size), qemu_side(machine, disk)
    return Lockstep(ours, theirs, ours.driver.offered() & theirs.driver.offered())
