"""An AHCI controller with one port and one disk.

It is owned by a host driver (`Ahci`, behind `devb-ahci`) or passed through to a guest
(`AhciController`, which reads command list and tables from memory).

The controller takes commands from the slots that PxCI names while PxCMD.ST is set and the link is
up.  It finishes a command that it has fetched even if ST falls; PxCMD.CR falls when none is left:

    effect                                  ST=0 meanwhile   FRE=0 meanwhile
    data of a read                          written          written
    byte count, in the command header       written          written
    D2H register FIS, in the receive area   written          lost
    interrupt, which that FIS brings        raised           not raised

The controller writes the byte count (PRDBC) into the command list at the end of every command that
moves data.  A reset of the disk writes too: when the link is up again the disk sends its signature,
and while PxCMD.FRE is set that FIS goes to memory.  So both areas must outlive the commands, and
the FIS receive area also the resets.

A link that is down (PxSCTL.DET is 1 or 4, or the disk has not answered yet) carries no command.
The slots in PxCI wait unfetched, since PxTFD.STS.BSY is set until the signature has come.

All writes are solicited except the signature.

Registers (Serial ATA AHCI 1.3.1, sections 3, 5.5 and 10; Linux libahci.c): PxCLB, PxFB (addresses),
PxIE, PxCMD.ST with CR, PxCMD.FRE with FR, PxCMD.CLO, PxCI (one slot a write), PxSCTL.DET with
PxSSTS.DET (COMRESET), GHC.HR (HBA reset).  For the byte count: 4.2.2, and QEMU 7.2, hw/ide/ahci.c,
`ahci_commit_buf`, which writes it when the transfer is over, and `ahci_write_fis_d2h`, which does
without FIS and interrupt while FRE is clear.

Left out: more ports, FIS-based switching, native command queueing, and what the standard leaves
undefined: a command whose FIS is not received just ends.
"""

import struct
from collections import deque
from typing import NamedTuple

from simpy.events import Process

from ..base.clock import Span
from ..bus.fabric import Port
from ..bus.register_window import RegisterBits
from ..interrupts.interrupt_controller import LEVEL, InterruptController
from ..plan.device_plans import AhciPlan
from ..plan.system_plan import DiskPlan
from ..plan.timing import Timing
from ..plan.traits import CANCEL, DROP
from ..sim.kernel import Kernel, Steps
from ..trace.events import DmaFetched
from .disk import DiskCommand, DiskOperation
from .operation import Operation
from .physical_device import PhysicalDevice, Wiring

HEADER = struct.Struct("<IIQ16x")
"""Command header: flags with the PRDT length, byte count, table address."""

PRD = struct.Struct("<QII")
"""Physical region descriptor: address, reserved, byte count less one."""

HEADER_SIZE = 32
BYTE_COUNT_OFFSET = 4
LIST_SIZE = 32 * HEADER_SIZE
TABLE_PRDT_OFFSET = 0x80
WRITE_FLAG = 1 << 6
_COUNT_MASK = 0x3F_FFFF

FIS_AREA_SIZE = 256
FIS_D2H_OFFSET = 0x40
FIS_LENGTH = 20
_FIS = bytes([0x34, 0x40, 0x50]) + bytes(FIS_LENGTH - 3)
SIGNATURE_FIS = bytes([0x34, 0x00, 0x50, 0x01, 0x01]) + bytes(7) + b"\x01" + bytes(7)
"""The FIS that a disk sends after a reset: status, error 1, sector count 1, LBA 1."""

_DISK_BYTE = b"\xd5"


class ActiveCommand:
    """A slot that the controller works on.

    Attributes:
        is_aborted: A reset has aborted it.
        is_hung: The disk does not answer it; only the plan's `hang_ends_with` or a stronger reset
            ends it.
    """

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.is_aborted = self.is_hung = False


class PortAreas(NamedTuple):
    """Where the controller writes at the end of a command, and for which epoch.

    Attributes:
        list_addr: The command list.
        fis_addr: The FIS receive area.
        epoch: The epoch that has set them.
    """

    list_addr: int
    fis_addr: int
    epoch: int


class AhciOperation(DiskOperation):
    """The transfer of one command, which ends with the byte count and the D2H register FIS.

    Attributes:
        slot: Of the command.
        byte_count: Address and bytes of PRDBC; None if the command moves no data.
        had_receiver: Whether FIS receive was enabled when a reset came.
    """

    __slots__ = ("byte_count", "had_receiver", "slot")

    def __init__(self, slot: int, command: DiskCommand, areas: PortAreas, service: Span) -> None:
        super().__init__(
            command,
            _DISK_BYTE,
            service,
            completion=(areas.fis_addr + FIS_D2H_OFFSET, _FIS),
            owner_epoch=areas.epoch,
        )
        self.slot = slot
        self.had_receiver = True
        self.byte_count: tuple[int, bytes] | None = None
        if command.operation in {"read", "write"}:
            place = areas.list_addr + HEADER_SIZE * slot + BYTE_COUNT_OFFSET
            length = sum(length for _, length in command.pieces)
            self.byte_count = (place, length.to_bytes(4, "little"))

    @property
    def known_completions(self) -> tuple[tuple[int, bytes], ...]:
        """The byte count, then the FIS."""
        counted = () if self.byte_count is None else (self.byte_count,)
        return counted + super().known_completions


class AhciController(PhysicalDevice):
    """The controller.

    Attributes:
        list_addr, fis_addr: PxCLB and PxFB.
        started: PxCMD.ST.
        fis_enabled: PxCMD.FRE.
        issued: Slots in PxCI that have not been fetched, each with the epoch that it is for.
        active: Slots that the controller works on.
        finished: Slots that are done and not yet acknowledged.
        is_hung: The disk stays busy (PxTFD.STS.BSY).
        commands_until_hang: How many commands the disk still answers; 0 for all.
        link_up: PxSSTS.DET reads 3.
        detection: PxSCTL.DET.
        in_hba_reset: GHC.HR reads 1.
        signature_held: A signature waits for PxCMD.FRE.
    """

    register_bits = (RegisterBits(0x04, "GHC.HR", 1), RegisterBits(0x118, "PxCMD.ST", 1))

    def __init__(self, kernel: Kernel, timing: Timing, plan: AhciPlan, wiring: Wiring) -> None:
        super().__init__(kernel, plan.name, timing, wiring, plan.traits)
        self.plan = plan
        self.list_addr = self.fis_addr = 0
        self.started = self.fis_enabled = False
        self.engine_stopping = self.fis_stopping = False
        self.issued: deque[tuple[int, int]] = deque()
        self.active: list[ActiveCommand] = []
        self.finished: list[int] = []
        self.is_hung = False
        self.commands_until_hang = plan.hangs_at
        self.link_up = True
        self.detection = 0
        self.training: Process | None = None
        self.in_hba_reset = False
        self.signature_held = False

    # Registers.

    @property
    def is_engine_running(self) -> bool:
        """PxCMD.CR."""
        if self.traits.says_stopped_early:
            return self.started
        return self.started or self.engine_stopping or self._has_active

    @property
    def is_fis_running(self) -> bool:
        """PxCMD.FR."""
        return self.fis_enabled or self.fis_stopping

    @property
    def is_idle(self) -> bool:
        """Whether both engines have stopped and nothing is under way."""
        if self.is_engine_running or self.is_fis_running or self.in_hba_reset:
            return False
        return super().is_idle

    @property
    def is_reset_done(self) -> bool:
        """GHC.HR reads 0."""
        return not self.in_hba_reset and super().is_reset_done

    @property
    def _has_active(self) -> bool:
        return any(not command.is_aborted for command in self.active)

    def on_register(self, register: str, value: int, epoch: int) -> None:
        """Carry out a write of one of the controller's own registers."""
        if self.in_hba_reset:
            return  # 10.4.3: the controller takes no write while HR reads 1
        match register:
            case "PxCLB":
                self.list_addr = value
            case "PxFB":
                self.fis_addr, self.epoch = value, epoch
            case "PxIE":
                self.irq_enabled = bool(value)
                self.drive_interrupt()
            case "PxCMD.ST" | "PxCMD.FRE" | "PxCMD.CLO":
                self._command_port(register, bool(value))
            case "PxCI":
                if self.started:
                    self.issued.append((value, epoch))
                    self._work_on_issued()
            case "PxSCTL.DET":
                self._set_detection(value)
            case "GHC.HR":
                self._begin_hba_reset()
            case _:
                raise AssertionError(f"{self.name} has no register {register}")

    def acknowledge(self) -> list[int]:
        """Clear PxIS, lower the line, and return the slots that are done."""
        done, self.finished = self.finished, []
        self.read_cause()
        return done

    def apply_reset_policy(self) -> None:
        """Mark the operations under way as reset, with the state of FIS receive at the reset."""
        for operation in self.running:
            if isinstance(operation, AhciOperation) and not operation.was_reset:
                operation.had_receiver = self.fis_enabled
        super().apply_reset_policy()

    def on_reset(self) -> None:
        """GHC.HR or FLR: registers to their defaults, the link goes down and comes up again."""
        self._abort_active()
        self._take_link_down()
        self.detection = 0
        if not self.in_hba_reset:
            self._train_link()
        self._free_hang("hba-reset")
        self.started = self.fis_enabled = False
        self.list_addr = self.fis_addr = 0
        self.issued.clear()
        if not self.traits.keeps_interrupt:
            self.finished.clear()
        if not self.traits.keeps_input:
            self.signature_held = False

    def _begin_hba_reset(self) -> None:
        self.in_hba_reset = True
        self.reset()
        self.start(self._hba_reset)

    def _command_port(self, register: str, value: bool) -> None:
        if register == "PxCMD.ST":
            self._set_started(value)
        elif register == "PxCMD.FRE":
            self._set_fis_enabled(value)
        elif value:
            self._free_hang("clo")

    def _set_started(self, started: bool) -> None:
        if self.started and not started:
            # Invariant: PxCI is cleared with ST; fetched commands go on, so CR stays 1 until the
            # last of them has ended.
            self.issued.clear()
            self.engine_stopping = True
            self.start(self._stop_engine)
        self.started = started

    def _set_fis_enabled(self, enabled: bool) -> None:
        if self.fis_enabled and not enabled:
            self.fis_stopping = True
            self.start(self._stop_fis_receive)
        self.fis_enabled = enabled
        if enabled and self.signature_held:
            self.signature_held = False
            self.start(self._send_signature)

    def _set_detection(self, value: int) -> None:
        was, self.detection = self.detection, value
        if value:
            self._take_link_down()
            self.apply_reset_policy()
            self._abort_active()
            self._free_hang("comreset")
        elif was:
            self._train_link()

    def _take_link_down(self) -> None:
        self.link_up = False
        if self.training is not None:
            self.kernel.kill(self.training)
            self.training = None

    def _train_link(self) -> None:
        self.training = self.start(self._bring_link_up)

    # Commands.

    def find_command(self, slot: int, epoch: int) -> Steps:
        """Read a slot's header and table; gives the command, or None if they cannot be read."""
        header = yield from self.fetch(epoch, self.list_addr + HEADER_SIZE * slot, HEADER_SIZE)
        if header is None:
            return None
        flags, _, table_addr = HEADER.unpack(header)
        length = PRD.size * (flags >> 16)
        table = yield from self.fetch(epoch, table_addr + TABLE_PRDT_OFFSET, length)
        if table is None:
            return None
        pieces = tuple(
            (addr, (count & _COUNT_MASK) + 1) for addr, _, count in PRD.iter_unpack(table)
        )
        operation = "write" if flags & WRITE_FLAG else "read"
        if operation == "read":
            for addr, size in pieces:
                self.emit(DmaFetched(self.name, epoch, addr, size))
        return DiskCommand(epoch, operation, pieces)

    def _work_on_issued(self) -> None:
        while self.link_up and self.issued and len(self.active) < self.plan.slots:
            slot, epoch = self.issued.popleft()
            command = ActiveCommand(slot)
            self.active.append(command)
            self.start(lambda command=command, epoch=epoch: self._run(command, epoch))  # type: ignore[misc]

    def _run(self, active: ActiveCommand, epoch: int) -> Steps:
        command = yield from self.find_command(active.slot, epoch)
        if command is not None and self._hangs():
            active.is_hung = self.is_hung = True
            while not active.is_aborted:
                yield self.changed.wait()
        elif command is not None and not active.is_aborted:
            areas = PortAreas(self.list_addr, self.fis_addr, self.epoch)
            yield from self.perform(AhciOperation(active.slot, command, areas, self.plan.service))
        self.active.remove(active)
        self._work_on_issued()
        self.changed.notify()

    def completions_of(self, operation: Operation) -> tuple[tuple[int, bytes], ...]:
        """Return the byte count and, if FIS receive is enabled, the D2H register FIS.

        The interrupt comes with that FIS alone.
        """
        assert isinstance(operation, AhciOperation)
        # Invariant: the state of FIS receive at the end of the command counts, or at the reset if
        # one came; without the FIS there is no interrupt.
        has_receiver = operation.had_receiver if operation.was_reset else self.fis_enabled
        if has_receiver:
            return operation.known_completions
        operation.interrupts = False
        return () if operation.byte_count is None else (operation.byte_count,)

    def on_complete(self, operation: Operation) -> None:
        """Clear the slot's bit in PxCI."""
        assert isinstance(operation, AhciOperation)
        if not (operation.was_reset and self.traits.reset.interrupt in {DROP, CANCEL}):
            self.finished.append(operation.slot)

    def _hangs(self) -> bool:
        if not self.commands_until_hang:
            return False
        self.commands_until_hang -= 1
        return not self.commands_until_hang

    def _free_hang(self, by: str) -> None:
        """End the hang of a port if `by` is at least `hang_ends_with`; its command is lost."""
        ways = ("clo", "comreset", "hba-reset")
        if self.is_hung and ways.index(by) >= ways.index(self.plan.hang_ends_with):
            self.is_hung = False
            for command in self.active:
                command.is_aborted |= command.is_hung

    def _abort_active(self) -> None:
        for command in self.active:
            command.is_aborted |= not command.is_hung

    # Processes.

    def _stop_engine(self) -> Steps:
        yield self.kernel.delay(self.timing.ahci_engine_stop, f"{self.name}.engine_stop")
        self.engine_stopping = False
        self.changed.notify()

    def _stop_fis_receive(self) -> Steps:
        yield self.kernel.delay(self.timing.ahci_engine_stop, f"{self.name}.fis_stop")
        self.fis_stopping = False
        self.changed.notify()

    def _hba_reset(self) -> Steps:
        yield self.kernel.delay(self.timing.ahci_hba_reset, f"{self.name}.hba_reset")
        while not super().is_reset_done:
            yield self.changed.wait()
        self.in_hba_reset = False
        self.changed.notify()
        if not self.traits.ignores_reset:
            self._train_link()

    def _bring_link_up(self) -> Steps:
        yield self.kernel.delay(self.timing.ahci_link_up, f"{self.name}.link_up")
        self.link_up = True
        self.training = None
        if self.fis_enabled:
            yield from self._send_signature()
        elif self.traits.keeps_input:
            self.signature_held = True
        self._work_on_issued()
        self.changed.notify()

    def _send_signature(self) -> Steps:
        addr = self.fis_addr + FIS_D2H_OFFSET
        yield from self.engine.write(self.epoch, addr, SIGNATURE_FIS, "completion")


class Ahci(AhciController):
    """The controller as a host driver owns it, set up before the first VM starts.

    Attributes:
        disk: Its plan.
        command_list: Slot to command, as the driver has put it into its own memory.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        disk: DiskPlan,
        port: Port,
        interrupts: InterruptController,
    ) -> None:
        plan = AhciPlan(disk.name, disk.intid, slots=disk.slots, service=disk.service)
        super().__init__(kernel, timing, plan, Wiring(port, interrupts, disk.intid, LEVEL))
        self.disk = disk
        self.command_list: dict[int, DiskCommand] = {}
        self.fis_enabled = self.irq_enabled = True

    def find_command(self, slot: int, epoch: int) -> Steps:  # noqa: ARG002
        """Take a command from the driver's list, which no guest can reach."""
        yield from ()
        return self.command_list[slot]
