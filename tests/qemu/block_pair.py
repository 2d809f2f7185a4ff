"""The model's block device beside QEMU's, each with a driver and an empty disk of equal size."""

import os
from collections import Counter
from collections.abc import Callable, Sequence

from quiesce.model.pci.walk import enumerate_functions
from quiesce.model.virtio.block_format import SECTOR_SIZE

from .actions import Action
from .lockstep import Lockstep
from .machine import QemuMachine
from .model_block import model_block
from .pci_access import QemuBus, QemuFunction
from .side import Side
from .virtio_driver import VirtioPciDriver

CAPACITY = 128
IDENTIFIER = "quiesce-disk"
_BACKEND = "/machine/peripheral/vd0/virtio-backend"


class QemuDisk:
    """A file in memory behind QEMU's block device; QEMU keeps nothing of it to itself.

    It lives as long as this process, and QEMU opens it by the process's own table of files.
    """

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("quiesce-disk")
        self.name = f"/proc/{os.getpid()}/fd/{self.descriptor}"
        self.wipe()

    def content(self) -> bytes:
        return os.pread(self.descriptor, SECTOR_SIZE * CAPACITY, 0)

    def wipe(self) -> None:
        os.pwrite(self.descriptor, bytes(SECTOR_SIZE * CAPACITY), 0)


def block_arguments(disk: QemuDisk, *device_options: str, read_only: bool = False) -> list[str]:
    """Return the command line of a machine with a block device that answers in turn."""
    device = "virtio-blk-pci-non-transitional,id=vd0,drive=d0,addr=2,packed=on,ioeventfd=off"
    common = f"discard=unmap,read-only={'on' if read_only else 'off'}"
    return [
        *("-blockdev", f"driver=file,node-name=f0,filename={disk.name},{common}"),
        *("-blockdev", f"driver=raw,node-name=d0,file=f0,{common}"),
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


def model_side(size: int, *, read_only: bool = False) -> Side:
    """Return the model's device as a side of a comparison."""
    identifier = IDENTIFIER.encode()
    function = model_block(size, CAPACITY, identifier=identifier, read_only=read_only)
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


class BlockPair:
    """Both devices, and another QEMU when one has hung or died.

    Args:
        start_machine: Starts QEMU.
        read_only: Whether the disks may not be written.
    """

    def __init__(
        self, start_machine: Callable[..., QemuMachine], *, read_only: bool = False
    ) -> None:
        self.start_machine = start_machine
        self.read_only = read_only
        self.disk = QemuDisk()
        self.met: Counter[str] = Counter()
        self.actions_done = 0
        self.sequences_done = 0
        self._start()

    def _start(self) -> None:
        self.machine = self.start_machine(block_arguments(self.disk, read_only=self.read_only))
        theirs = qemu_side(self.machine, self.disk)
        ours = model_side(self.machine.ram.size, read_only=self.read_only)
        offered = ours.driver.offered() & theirs.driver.offered()
        self.lockstep = Lockstep(ours, theirs, offered)

    def run(self, actions: Sequence[Action]) -> None:
        """Carry out actions on both and compare after each.

        Raises:
            AssertionError: If something differs that is no known difference.
            OSError: If QEMU does not answer any more.
        """
        lockstep = self.lockstep
        done = lockstep.actions_done
        try:
            lockstep.run(actions)
        except OSError as error:
            said = self.machine.said()
            self.machine.kill()
            self._start()
            raise ConnectionError("\n".join([f"QEMU: {error}", *lockstep.story, said])) from error
        self.sequences_done += 1
        self.actions_done += lockstep.actions_done - done
        self.met.update(lockstep.met)
        lockstep.met.clear()
