"""The qvm process: it assembles a VM, runs it, and ends it in the order that decides everything.

An orderly end, as far as the QNX hypervisor guide describes it (quiescing, qvm_term): the guest
stops, the vdevs' control functions are called with VDEV_CTRL_TERMINATE, and only then are
resources released: worker threads, connections to host drivers, interrupts, IOMMU mappings,
guest RAM frame by frame.  The guide promises nothing about the order among the latter; it is
taken as written here but for what `open_questions` asks.  A qvm that a signal kills calls
nothing; the process manager takes the same resources away.
"""

from enum import Enum
from typing import Any

from simpy.events import Event, Process

from ..base.addresses import FRAME_SHIFT, FRAME_SIZE
from ..base.clock import Span
from ..base.open_number import divided_up
from ..bus.memory import GuestRam, StageTwo
from ..guest.device_driver import DeviceDriver, GuestSite
from ..guest.driver_registry import driver_of_plan
from ..guest.drivers import vdev_drivers
from ..guest.guest import Drivers, Guest
from ..guest.layout import GuestAllocator
from ..guest.pci_server import LINES_START, PciServer
from ..guest.site import DriverSite
from ..guest.user_back_end_driver import UserBackEndDriver
from ..hardware import redistributor
from ..hardware.procedure import AnyDevice
from ..hardware.redistributor import TABLE_LENGTH
from ..hardware.registry import kind_of_plan
from ..host import user_back_end_procedure
from ..host.host import Host
from ..host.procnto import TakenIrq
from ..plan.open_questions import (
    CALLBACK_ORDER,
    CALLBACKS_AFTER,
    CLEANUP_ORDER,
    CLEANUP_PRIORITY,
    MASK_TRACKING,
    RELEASE_ORDER,
    REMOVAL_FAILED,
    SIGNAL_DURING_CALLBACKS,
    STATUS_AFTER,
    VCPUS_AT_CALLBACKS,
)
from ..plan.system_plan import QuiescePlan, VmPlan
from ..plan.termination import NO_STATUS, TerminationCause
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Mailbox, Steps
from ..trace.events import (
    CallbackBegun,
    CallbackEnded,
    ConnectionClosed,
    EndNotObeyed,
    IrqInjected,
    MilestoneReached,
    QuiesceStepBegun,
    QuiesceStepEnded,
    QvmExited,
    StopConfirmed,
    TerminationBegun,
    VmStarted,
)
from ..vdev.assembly import Vdevs
from ..vdev.control import Control
from ..vdev.site import GuestPic, VdevSite

_FRAMES_PER_MIB = (1 << 20) // FRAME_SIZE


class QvmState(Enum):
    """Where the process is in its life."""

    CONFIGURING = "configuring"
    RUNNING = "running"
    TERMINATING = "terminating"
    CLEANING = "cleaning"
    GONE = "gone"


class Qvm(Component):
    """One instance of a VM.

    Args:
        plan: The VM.
        epoch: The number of this instance.
        host: What it runs on.
        stage_two: Where its RAM lies in host memory.
        stillborn: What ends it before its guest runs, if anything does.

    Attributes:
        exited: Fires when the exit status can be read.
        quarantines: Whether its RAM is kept back, because a device would not stop.
        arenas: Where the driver of each vdev has its memory in the host's, by its name.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        plan: VmPlan,
        epoch: int,
        host: Host,
        stage_two: StageTwo,
        stillborn: TerminationCause | None = None,
    ) -> None:
        super().__init__(kernel, plan.name, timing)
        self.plan = plan
        self.epoch = epoch
        self.host = host
        self.stage_two = stage_two
        self.state = QvmState.CONFIGURING
        self.quarantines = False
        self.exited = kernel.event()
        self.irqs: Mailbox[TakenIrq] = Mailbox(kernel)
        self.ending: Process | None = None
        self.is_killed = False
        self._assemble(starts=stillborn is None)
        self.state = QvmState.RUNNING
        host.power.connect(self)
        if stillborn is not None:
            self.end(stillborn)

    # Assembly.

    def _assemble(self, *, starts: bool) -> None:
        host, name, epoch = self.host, self.name, self.epoch
        for _, host_start, length in self.stage_two.ranges:
            host.memory.grant(name, epoch, host_start >> FRAME_SHIFT, length >> FRAME_SHIFT)
        self.devices = [host.devices[name] for name in self.plan.passed_through]
        self.back_ends = [host.back_ends[name] for name in self.plan.back_ends]
        if host.smmuman is not None:
            for device in self._confined:
                host.smmuman.map(device.port, epoch, self.stage_two.ranges)
        site = VdevSite(
            self.kernel,
            self.timing,
            name,
            epoch,
            host.memory,
            self.stage_two,
            GuestPic(),
            host.is_detailed,
        )
        self.vdevs = Vdevs(site, self.plan, host, LINES_START)
        if self.devices:
            tracked = self.kernel.choose(MASK_TRACKING) == "tracked"
            for device in self.devices:
                wiring = device.wiring
                sender = "" if wiring.is_wire else device.name
                at_once = device.name in host.unmasked_at_once
                host.host_kernel.attach(
                    wiring.intid, name, epoch, self.irqs, tracked, sender, at_once=at_once
                )
        if starts:
            self.vdevs.tell(Control.GUEST_STARTING)
            self.emit(VmStarted(name, epoch))
            self.emit(MilestoneReached(name, epoch, "assembled"))
        self.virtual_interface = host.virtual_interfaces.get(name)
        self._boot(site, starts=starts)
        if starts:
            self._enter_first_time()
        if host.redistributor is not None and host.has_guest_table:
            _, host_start, length = self.stage_two.ranges[0]
            addr = host_start + length - TABLE_LENGTH
            host.memory.commit(addr, TABLE_LENGTH)
            host.redistributor.use_table(epoch, addr)
        self.irq_thread = self.start(self._pass_interrupts)
        self.handled_threads = [
            self.start(lambda driver=driver: self._unmask_handled(driver))  # type: ignore[misc]
            for driver in self.guest.device_drivers
        ]

    def _boot(self, vdev_site: VdevSite, *, starts: bool) -> None:
        ram = GuestRam(self.host.memory, self.stage_two)
        allocator = GuestAllocator.in_region(ram, self.host.memory, self.plan.ram[0])
        kernel, timing, name, epoch = self.kernel, self.timing, self.name, self.epoch
        io = self.vdevs.io
        pci = PciServer(kernel, timing, name, epoch, io, self.plan.bus_scan_limit)
        site = DriverSite(
            kernel, timing, name, epoch, allocator, io, vdev_site.pic, pci, vdev_site.is_detailed
        )
        guest_site = GuestSite(kernel, timing, name, epoch, allocator)
        slots = {
            plan.name: slot
            for plan in self.plan.vdevs
            for slot, vdev in io.functions.items()
            if vdev is self.vdevs.by_name[plan.name]
        }
        # Drivers of hardware take their memory here, those of vdevs when they run.
        device_drivers = [driver_of_plan(type(one.plan))(guest_site, one) for one in self.devices]
        back_end_drivers = [UserBackEndDriver(guest_site, one) for one in self.back_ends]
        drivers = vdev_drivers(site, self.plan, slots)
        self.arenas = {driver.name: driver.site.allocator.host_range() for driver in drivers}
        self.guest = Guest(
            kernel,
            timing,
            name,
            epoch,
            pci if io.functions else None,
            Drivers(drivers, device_drivers, back_end_drivers),
            vdev_site.pic,
            shutdown_handlers=self.plan.shutdown_handlers,
            starts=starts,
        )

    # Interrupts of passed-through devices.

    def _enter_first_time(self) -> None:
        """Let the virtual CPU find what its list registers hold before anything is injected."""
        if self.virtual_interface is not None:
            for irq in self.virtual_interface.left_behind():
                self._inject(irq.intid, irq.requested_epoch, irq.source)

    def _inject(self, intid: int, requested_epoch: int, source: str) -> None:
        self.emit(IrqInjected(intid, self.name, self.epoch, requested_epoch, source))
        for driver in self.guest.device_drivers:
            if driver.device.wiring.intid == intid:
                driver.interrupts.put(intid)

    def _pass_interrupts(self) -> Steps:
        while True:
            while not self.irqs:
                yield self.irqs.wait()
            taken = self.irqs.take()
            yield self.kernel.delay(self.timing.irq_to_host_handler, f"{self.name}.irq")
            if self.guest.is_running:
                if self.virtual_interface is not None:
                    self.virtual_interface.inject(*taken)
                self._inject(*taken)

    def _unmask_handled(self, driver: DeviceDriver[Any]) -> Steps:
        while True:
            while not driver.handled:
                yield driver.handled.wait()
            intid = driver.handled.take()
            yield self.kernel.delay(self.timing.exit_to_vmm_process, f"{self.name}.eoi")
            if self.virtual_interface is not None:
                self.virtual_interface.end(intid)
            if driver.device.name not in self.host.unmasked_at_once:
                self.host.host_kernel.unmask(intid, self.name, self.epoch)

    @property
    def _confined(self) -> list[AnyDevice]:
        return [device for device in self.devices if device.port.fabric.iommu is not None]

    # The end.

    @property
    def is_ending(self) -> bool:
        """Whether anything has made this instance end."""
        return self.ending is not None

    @property
    def is_gone(self) -> bool:
        """Whether its exit status can be read."""
        return self.state is QvmState.GONE

    def withhold(self) -> None:
        """Keep what has not been released yet from everybody, for good."""
        self.quarantines = True

    def end(self, cause: TerminationCause, *, has_complied: bool = False) -> None:
        """Let the process end; what kills it also cuts off an orderly end that is under way.

        Args:
            cause: What ends it.
            has_complied: Whether the guest did of itself what it was asked to.
        """
        if self.state in {QvmState.CLEANING, QvmState.GONE}:
            return
        is_first = self.ending is None
        if self.ending is not None:
            if cause.orderly and not self._is_cut_off_by(cause, has_complied=has_complied):
                return
            self.kernel.kill(self.ending)
        self.emit(TerminationBegun(self.name, self.epoch, cause.name, cause.orderly))
        self.state = QvmState.TERMINATING
        self.is_killed |= not cause.orderly
        calls = is_first and self._calls_after(cause, has_complied=has_complied)
        if not (calls and self._runs_during_callbacks()):
            self.guest.stop("stopped")
        self.ending = self.start(lambda: self._exit(cause, calls=calls, has_complied=has_complied))

    def _is_cut_off_by(self, cause: TerminationCause, *, has_complied: bool) -> bool:
        """Return whether one more orderly cause ends the callbacks that are running."""
        if self.is_killed:
            return False
        insists = bool(cause.signal) and not has_complied
        if insists and self.kernel.choose(SIGNAL_DURING_CALLBACKS) == "cuts-off":
            return True
        self.emit(EndNotObeyed(self.name, self.epoch, cause.name, cause.signal))
        return False

    def _calls_after(self, cause: TerminationCause, *, has_complied: bool) -> bool:
        """Return whether the vdevs are called; without callbacks it makes no difference."""
        question = None if has_complied else CALLBACKS_AFTER.get(cause.name)
        if question is None or not self.plan.quiesce:
            return cause.orderly
        return self.kernel.choose(question) == "run"

    def _runs_during_callbacks(self) -> bool:
        """Return whether the guest goes on while its vdevs are called."""
        if not (self.plan.quiesce and self.guest.is_running):
            return False
        return self.kernel.choose(VCPUS_AT_CALLBACKS) == "running"

    def _exit(self, cause: TerminationCause, *, calls: bool, has_complied: bool) -> Steps:
        if calls and not self.host.faults.memory_before_callbacks:
            yield from self._call_vdevs()
        elif not cause.orderly and self.kernel.choose(CLEANUP_PRIORITY) == "low":
            yield self.kernel.delay(
                self.timing.cleanup_at_low_priority, f"{self.name}.cleanup_at_low_priority"
            )
        self.guest.stop("stopped")
        self.state = QvmState.CLEANING
        yield from self._clean_up(cause)
        if self.host.faults.memory_before_callbacks and calls:
            yield from self._call_vdevs()
        question = None if has_complied else STATUS_AFTER.get(cause.status_basis)
        self._be_gone(int(self.kernel.choose(question)) if question else cause.exit_status)

    def _be_gone(self, status: int) -> None:
        self.state = QvmState.GONE
        self.emit(QvmExited(self.name, self.epoch, status))
        self.exited.succeed()
        if not self.host.power.is_down:
            self.host.power.disconnect(self)

    def press_button(self) -> None:
        """Tell every vdev that somebody has pressed the power button."""
        self.vdevs.tell(Control.BUTTON)

    # The end of the host.

    def begin_power_loss(self, cause: TerminationCause) -> None:
        """Note that the host goes down; what ends it already goes on as long as it can."""
        self.emit(TerminationBegun(self.name, self.epoch, cause.name, orderly=False))

    def freeze(self) -> None:
        """Execute no further instruction, neither the guest nor the process."""
        self.guest.stop("stopped")
        self.vdevs.end_workers()
        self._end_threads()
        if self.ending is not None:
            self.kernel.kill(self.ending)

    def lose_power(self, stopped: list[str]) -> None:
        """Be gone with the host: interrupts and memory are nobody's from this instant.

        Args:
            stopped: The bus masters that the reset of the board has stopped.
        """
        masters = [*self.plan.passed_through, *self.vdevs.masters]
        if self.host.redistributor is not None and self.host.has_guest_table:
            masters.append(self.host.redistributor.name)
        for master in masters:
            if master in stopped:
                self.emit(StopConfirmed(master, self.epoch))
        for device in self.devices:
            self.host.host_kernel.forget(device.wiring.intid, self.name, self.epoch)
        for first, count in self.host.memory.pieces_of(self.epoch):
            self.host.memory.release(self.name, self.epoch, first, count)
        self._be_gone(NO_STATUS)

    def _call_vdevs(self) -> Steps:
        callbacks = self.plan.quiesce
        if len(callbacks) > 1 and self.kernel.choose(CALLBACK_ORDER) == "reversed":
            callbacks = callbacks[::-1]
        called = [callback.vdev for callback in callbacks]
        for name, vdev in self.vdevs.by_name.items():
            if name not in called:
                vdev.control(Control.TERMINATE)
        for callback in callbacks:
            if callback.vdev in self.vdevs.by_name:
                self.vdevs.by_name[callback.vdev].control(Control.TERMINATE)
            yield from self._call_vdev(callback)

    def _call_vdev(self, callback: QuiescePlan) -> Steps:
        self.emit(CallbackBegun(self.name, self.epoch, callback.vdev))
        outcome = "done"
        span = self.host.callback_spans.get((self.name, callback.vdev))
        if span is not None:
            yield self.kernel.delay(span, f"{self.name}.{callback.vdev}.callback")
        for step in () if span is not None else callback.steps:
            self.emit(QuiesceStepBegun(callback.device, self.epoch, step.name))
            is_done = yield from self._carry_out(callback.device, step.name, step.bound_ns)
            step_outcome = "done" if is_done else "timed_out"
            self.emit(QuiesceStepEnded(callback.device, self.epoch, step.name, step_outcome))
            if not is_done:
                outcome = "timed_out"
                self.quarantines |= callback.on_timeout == "quarantine"
        self.emit(CallbackEnded(self.name, self.epoch, callback.vdev, outcome))

    def _carry_out(self, device: str, step: str, bound_ns: int) -> Steps:
        made = self.host.devices.get(device)
        if made is not None:
            procedure = kind_of_plan(type(made.plan)).procedure
            return (yield from procedure.carry_out(self.kernel, made, self.epoch, step, bound_ns))
        master = self.host.redistributor
        if master is not None and device == master.name:
            return (
                yield from redistributor.carry_out(self.kernel, master, self.epoch, step, bound_ns)
            )
        if device in self.plan.back_ends:
            process = self.host.back_ends[device]
            return (
                yield from user_back_end_procedure.carry_out(
                    self.kernel, process, self.epoch, step, bound_ns
                )
            )
        return (yield from self.vdevs.carry_out(device, step, bound_ns))

    def _clean_up(self, cause: TerminationCause) -> Steps:
        self.vdevs.end_workers()
        self._end_threads()
        if self.virtual_interface is not None:
            self.virtual_interface.leave(scrubbed=not self.host.faults.list_registers_kept)
        self.vdevs.disconnect()
        for back_end in self.back_ends:
            back_end.disconnect()
        for server in (*self.vdevs.servers, *self.plan.back_ends):
            self.emit(ConnectionClosed(self.name, self.epoch, server))
        if not self.host.faults.memory_before_callbacks:
            self._forget()
        for device in self.devices:
            intid = device.wiring.intid
            yield from self.host.host_kernel.detach(intid, self.name, self.epoch)
            if self.host.faults.unmask_after_detach:
                self.host.host_kernel.unmask_stale(intid)
        yield self._skew()
        memory_first = False
        if self._confined:
            memory_first = self.kernel.choose(CLEANUP_ORDER) == "memory-before-iommu"
        if memory_first:
            yield from self._release_memory()
            yield self._skew()
            yield from self._close_smmuman(cause)
        else:
            yield from self._close_smmuman(cause)
            yield self._skew()
            yield from self._release_memory()

    def _forget(self) -> None:
        """Let go of what no instruction of the process will use again."""
        quiet = self.vdevs.are_quiet_for(self.epoch)
        self.vdevs.forget()
        self.irqs.clear()
        has_other_masters = self.devices or self.back_ends or self.host.has_guest_table
        if quiet and not has_other_masters:
            self.host.memory.forget_content(self.epoch)

    def _end_threads(self) -> None:
        for thread in (self.irq_thread, *self.handled_threads):
            self.kernel.kill(thread)

    def _skew(self) -> Event:
        """Return the pause before the next kind of resource is released."""
        return self.kernel.delay(self.timing.release_skew, f"{self.name}.release_skew")

    def _close_smmuman(self, cause: TerminationCause) -> Steps:
        smmuman = self.host.smmuman
        if smmuman is None:
            return
        for device in self._confined:
            if cause.orderly:
                is_done = yield from smmuman.remove(device.port, self.epoch)
            else:
                is_done = yield from smmuman.on_client_death(device.port, self.epoch)
            if not is_done:
                self.quarantines |= self.kernel.choose(REMOVAL_FAILED) == "memory-kept"

    def _release_memory(self) -> Steps:
        if self.host.faults.reference_kept:
            yield self.kernel.event()
        yield self.kernel.delay(self.timing.process_exit_base, f"{self.name}.exit_base")
        memory = self.host.memory
        pieces = memory.pieces_of(self.epoch)
        if self.kernel.choose(RELEASE_ORDER) == "descending":
            pieces.reverse()
        for first, count in pieces:
            yield self.kernel.delay(self._release_span(count), f"{self.name}.release")
            part_with = memory.quarantine if self.quarantines else memory.release
            part_with(self.name, self.epoch, first, count)

    def _release_span(self, frames: int) -> Span:
        """Return how long a piece takes: as long as its frames, however memory is cut."""
        per_mib = self.timing.process_exit_per_mib
        return Span(
            divided_up(per_mib.lo_ns, _FRAMES_PER_MIB) * frames,
            divided_up(per_mib.hi_ns, _FRAMES_PER_MIB) * frames,
        )
