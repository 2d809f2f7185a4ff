"""The qvm process: it assembles a VM, runs it, calls its vdevs at its end, and releases memory.

An orderly end, as the QNX hypervisor guide describes it (quiescing, qvm_term), has three steps:

- The guest stops.
- qvm calls the control function of each vdev with VDEV_CTRL_TERMINATE
  (`_call_terminate_callbacks`).
- qvm releases its resources (`_release_resources`): worker threads, connections to host drivers,
  interrupts, IOMMU mappings, and guest RAM frame by frame (`_release_frames`).

The guide promises no order among the resources.  The model keeps the order of this list, except
where `open_questions` asks for another.  A qvm that a signal kills calls no vdev; the process
manager takes the same resources away.
"""

from enum import Enum
from typing import Any

from simpy.events import Event, Process

from ..base.addresses import FRAME_SHIFT, FRAME_SIZE
from ..base.clock import Span
from ..base.symbolic_duration import divided_up
from ..bus.memory import StageTwo
from ..guest.device_driver import DeviceDriver
from ..guest.pci_server import LINES_START
from ..hardware.procedure import AnyDevice
from ..hardware.redistributor import TABLE_LENGTH
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
from ..vdev.control import VdevControl
from ..vdev.site import GuestPic, VdevSite
from .guest_assembly import GuestParts, build_guest
from .quiesce_targets import quiesce_target

_FRAMES_PER_MIB = (1 << 20) // FRAME_SIZE


class QvmState(Enum):
    """Where the process is in its life; it passes the states in this order, and none twice."""

    CONFIGURING = "configuring"
    RUNNING = "running"
    TERMINATING = "terminating"
    RELEASING = "releasing"
    EXITED = "exited"


class Qvm(Component):
    """One instance of a VM.

    Args:
        plan: The VM.
        epoch: The number of this instance.
        host: What it runs on.
        stage_two: Where its RAM lies in host memory.
        start_failure: The cause that ends it before its guest runs; None if the guest starts.

    Attributes:
        exited: Fires when the exit status can be read.
        quarantines: Whether qvm keeps its RAM from every later owner, because a device did not
            stop.
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
        start_failure: TerminationCause | None = None,
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
        self._assemble(starts=start_failure is None)
        self.state = QvmState.RUNNING
        host.power.connect(self)
        if start_failure is not None:
            self.end(start_failure)

    # Assembly.

    def _assemble(self, *, starts: bool) -> None:
        host, name, epoch = self.host, self.name, self.epoch
        # Invariant: every frame is granted to this epoch before a device is mapped to it, so a
        # write that lands in it has an owner.
        for _, host_start, length in self.stage_two.ranges:
            host.memory.grant(name, epoch, host_start >> FRAME_SHIFT, length >> FRAME_SHIFT)
        self.devices = [host.devices[name] for name in self.plan.passed_through]
        self.back_ends = [host.back_ends[name] for name in self.plan.back_ends]
        if host.smmuman is not None:
            for device in self._confined_devices:
                host.smmuman.map(device.port, epoch, self.stage_two.ranges)
        around = (host.memory, self.stage_two, GuestPic(), host.is_detailed)
        site = VdevSite(self.kernel, self.timing, name, epoch, *around)
        self.vdevs = Vdevs(site, self.plan, host, LINES_START)
        self._attach_interrupts()
        if starts:
            self.vdevs.send_control(VdevControl.GUEST_STARTING)
            self.emit(VmStarted(name, epoch))
            self.emit(MilestoneReached(name, epoch, "assembled"))
        self.virtual_interface = host.virtual_interfaces.get(name)
        parts = GuestParts(self.plan, self.stage_two, self.vdevs, self.devices, self.back_ends)
        self.guest, self.arenas = build_guest(host, site, parts, starts=starts)
        if starts:
            self._inject_left_behind()
        if host.redistributor is not None and host.has_guest_table:
            _, host_start, length = self.stage_two.ranges[0]
            addr = host_start + length - TABLE_LENGTH
            host.memory.commit(addr, TABLE_LENGTH)
            host.redistributor.use_table(epoch, addr)
        self.irq_thread = self.start(self._inject_taken_interrupts)
        self.handled_threads = [
            self.start(lambda driver=driver: self._unmask_handled(driver))  # type: ignore[misc]
            for driver in self.guest.device_drivers
        ]

    # Interrupts of passed-through devices.

    def _attach_interrupts(self) -> None:
        if not self.devices:
            return
        host_kernel, me = self.host.host_kernel, (self.name, self.epoch, self.irqs)
        tracked = self.kernel.choose(MASK_TRACKING) == "tracked"
        for device in self.devices:
            at_once = device.name in self.host.unmasked_at_once
            sender = "" if device.wiring.is_wire else device.name
            intid = device.wiring.intid
            host_kernel.attach(intid, *me, tracked, sender, unmasks_at_once=at_once)

    def _inject_left_behind(self) -> None:
        """Inject what the list registers still hold, before any interrupt of this instance."""
        if self.virtual_interface is not None:
            for irq in self.virtual_interface.left_behind():
                self._inject(irq.intid, irq.requested_epoch, irq.source)

    def _inject(self, intid: int, requested_epoch: int, source: str) -> None:
        self.emit(IrqInjected(intid, self.name, self.epoch, requested_epoch, source))
        for driver in self.guest.device_drivers:
            if driver.device.wiring.intid == intid:
                driver.interrupts.put(intid)

    def _inject_taken_interrupts(self) -> Steps:
        while True:
            while not self.irqs:
                yield self.irqs.wait()
            taken = self.irqs.take()
            yield self.kernel.delay(self.timing.irq_to_host_handler, f"{self.name}.irq")
            # Invariant: the line stays masked until `_unmask_handled`, except where qvm unmasks at
            # once.  So an interrupt that finds no running guest masks its line until the detach.
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
    def _confined_devices(self) -> list[AnyDevice]:
        return [device for device in self.devices if device.port.fabric.iommu is not None]

    # The end.

    @property
    def is_ending(self) -> bool:
        """Whether a cause has begun to end this instance."""
        return self.ending is not None

    @property
    def has_exited(self) -> bool:
        """Whether its exit status can be read."""
        return self.state is QvmState.EXITED

    def quarantine_memory(self) -> None:
        """Keep every frame that is not released yet from all later owners, for good."""
        self.quarantines = True

    def end(self, cause: TerminationCause, *, has_guest_obeyed: bool = False) -> None:
        """Begin the end of the process; a cause that kills it also cuts off its callbacks.

        Args:
            cause: What ends it.
            has_guest_obeyed: Whether the guest has shut down as the power button asked it to.
        """
        # Invariant: once resources are being released no cause changes anything; before that at
        # most one process, `ending`, carries the end out.
        if self.state in {QvmState.RELEASING, QvmState.EXITED}:
            return
        is_first = self.ending is None
        if self.ending is not None:
            if cause.orderly and not self._cuts_off_callbacks(
                cause, has_guest_obeyed=has_guest_obeyed
            ):
                return
            self.kernel.kill(self.ending)
        self.emit(TerminationBegun(self.name, self.epoch, cause.name, cause.orderly))
        self.state = QvmState.TERMINATING
        self.is_killed |= not cause.orderly
        calls = is_first and self._calls_vdevs_after(cause, has_guest_obeyed=has_guest_obeyed)
        if not (calls and self._guest_runs_during_callbacks()):
            self.guest.stop("stopped")
        self.ending = self.start(
            lambda: self._terminate(cause, calls=calls, has_guest_obeyed=has_guest_obeyed)
        )

    def _cuts_off_callbacks(self, cause: TerminationCause, *, has_guest_obeyed: bool) -> bool:
        """Return whether a further orderly cause ends the callbacks that are running."""
        if self.is_killed:
            return False
        insists = bool(cause.signal) and not has_guest_obeyed
        if insists and self.kernel.choose(SIGNAL_DURING_CALLBACKS) == "cuts-off":
            return True
        self.emit(EndNotObeyed(self.name, self.epoch, cause.name, cause.signal))
        return False

    def _calls_vdevs_after(self, cause: TerminationCause, *, has_guest_obeyed: bool) -> bool:
        """Return whether qvm calls the vdevs; a plan without callbacks asks no question."""
        question = None if has_guest_obeyed else CALLBACKS_AFTER.get(cause.name)
        if question is None or not self.plan.quiesce:
            return cause.orderly
        return self.kernel.choose(question) == "run"

    def _guest_runs_during_callbacks(self) -> bool:
        """Return whether the guest goes on while qvm calls its vdevs."""
        if not (self.plan.quiesce and self.guest.is_running):
            return False
        return self.kernel.choose(VCPUS_AT_CALLBACKS) == "running"

    def _terminate(self, cause: TerminationCause, *, calls: bool, has_guest_obeyed: bool) -> Steps:
        if calls and not self.host.faults.memory_before_callbacks:
            yield from self._call_terminate_callbacks()
        elif not cause.orderly and self.kernel.choose(CLEANUP_PRIORITY) == "low":
            yield self.kernel.delay(
                self.timing.cleanup_at_low_priority, f"{self.name}.cleanup_at_low_priority"
            )
        # Invariant: from here on no instruction of the guest runs, so no driver gives a device a
        # further buffer of this epoch.
        self.guest.stop("stopped")
        self.state = QvmState.RELEASING
        yield from self._release_resources(cause)
        if self.host.faults.memory_before_callbacks and calls:
            yield from self._call_terminate_callbacks()
        question = None if has_guest_obeyed else STATUS_AFTER.get(cause.status_basis)
        self._report_exit_status(
            int(self.kernel.choose(question)) if question else cause.exit_status
        )

    def _report_exit_status(self, status: int) -> None:
        self.state = QvmState.EXITED
        self.emit(QvmExited(self.name, self.epoch, status))
        self.exited.succeed()
        if not self.host.power.is_down:
            self.host.power.disconnect(self)

    def press_button(self) -> None:
        """Send VDEV_CTRL_BUTTON to every vdev: the power button is pressed."""
        self.vdevs.send_control(VdevControl.BUTTON)

    # The end of the host.

    def begin_host_shutdown(self, cause: TerminationCause) -> None:
        """Record that the host goes down; an end that is under way goes on as long as it can."""
        self.emit(TerminationBegun(self.name, self.epoch, cause.name, orderly=False))

    def stop_executing(self) -> None:
        """Execute no further instruction, neither the guest nor the process."""
        self.guest.stop("stopped")
        self.vdevs.end_workers()
        self._end_threads()
        if self.ending is not None:
            self.kernel.kill(self.ending)

    def release_at_host_reset(self, stopped: list[str]) -> None:
        """Release interrupts and memory at the host's reset, all at this instant.

        Args:
            stopped: The bus masters that the reset of the board has stopped.
        """
        # Invariant: a confirmed stop precedes the release in the trace, for the properties read
        # the records of one instant in order.
        masters = [*self.plan.passed_through, *self.vdevs.bus_masters]
        if self.host.redistributor is not None and self.host.has_guest_table:
            masters.append(self.host.redistributor.name)
        for master in masters:
            if master in stopped:
                self.emit(StopConfirmed(master, self.epoch))
        for device in self.devices:
            self.host.host_kernel.drop_owner(device.wiring.intid, self.name, self.epoch)
        for first, count in self.host.memory.pieces_of(self.epoch):
            self.host.memory.release(self.name, self.epoch, first, count)
        self._report_exit_status(NO_STATUS)

    def _call_terminate_callbacks(self) -> Steps:
        """Call every vdev with VDEV_CTRL_TERMINATE and carry out the planned callbacks."""
        callbacks = self.plan.quiesce
        if len(callbacks) > 1 and self.kernel.choose(CALLBACK_ORDER) == "reversed":
            callbacks = callbacks[::-1]
        # Invariant: each vdev gets the message once.  Vdevs without a planned callback get it
        # first, for theirs takes no time.
        called = [callback.vdev for callback in callbacks]
        for name, vdev in self.vdevs.by_name.items():
            if name not in called:
                vdev.control(VdevControl.TERMINATE)
        for callback in callbacks:
            if callback.vdev in self.vdevs.by_name:
                self.vdevs.by_name[callback.vdev].control(VdevControl.TERMINATE)
            yield from self._call_terminate_callback(callback)

    def _call_terminate_callback(self, callback: QuiescePlan) -> Steps:
        """Carry out the steps of a callback; a step that times out may keep the memory back."""
        self.emit(CallbackBegun(self.name, self.epoch, callback.vdev))
        outcome = "done"
        span = self.host.callback_spans.get((self.name, callback.vdev))
        if span is not None:
            yield self.kernel.delay(span, f"{self.name}.{callback.vdev}.callback")
        for step in () if span is not None else callback.steps:
            self.emit(QuiesceStepBegun(callback.device, self.epoch, step.name))
            is_done = yield from self._carry_out_step(callback.device, step.name, step.bound_ns)
            step_outcome = "done" if is_done else "timed_out"
            self.emit(QuiesceStepEnded(callback.device, self.epoch, step.name, step_outcome))
            # Invariant: `quarantines` only ever becomes true; a later step does not undo it.
            if not is_done:
                outcome = "timed_out"
                self.quarantines |= callback.on_timeout == "quarantine"
        self.emit(CallbackEnded(self.name, self.epoch, callback.vdev, outcome))

    def _carry_out_step(self, device: str, step: str, bound_ns: int) -> Steps:
        """Do one step of a callback; gives whether it was done, as opposed to timed out."""
        found = quiesce_target(self.host, self.plan, device)
        if found is None:
            return (yield from self.vdevs.carry_out(device, step, bound_ns))
        target, carry_out = found
        return (yield from carry_out(self.kernel, target, self.epoch, step, bound_ns))

    def _release_resources(self, cause: TerminationCause) -> Steps:
        """Release all that the process holds: threads, connections, interrupts, maps, frames."""
        # Invariant: worker threads end before any frame is released.  A worker that lived on would
        # write guest memory past every IOMMU.
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
            self._drop_process_state()
        # Invariant: the detach of a line's last owner masks the line and waits until that has taken
        # effect.  So no interrupt is taken on it before the next attach, unless a fault says so.
        for device in self.devices:
            intid = device.wiring.intid
            yield from self.host.host_kernel.detach(intid, self.name, self.epoch)
            if self.host.faults.unmask_after_detach:
                self.host.host_kernel.unmask_after_detach(intid)
        yield self._pause_before_release()
        # Invariant: at an orderly end without faults and with the IOMMU first, no new write is
        # translated once the first frame is released.  A write that has left the IOMMU can land.
        memory_first = False
        if self._confined_devices:
            memory_first = self.kernel.choose(CLEANUP_ORDER) == "memory-before-iommu"
        if memory_first:
            yield from self._release_frames()
            yield self._pause_before_release()
            yield from self._remove_iommu_maps(cause)
        else:
            yield from self._remove_iommu_maps(cause)
            yield self._pause_before_release()
            yield from self._release_frames()

    def _drop_process_state(self) -> None:
        """Drop the state that no instruction of the process reads again.

        So two runs whose processes differ in nothing else reach equal states.
        """
        quiet = self.vdevs.are_quiet_for(self.epoch)
        self.vdevs.drop_vdevs()
        self.irqs.clear()
        # Invariant: the content of a frame is dropped only if no bus master can still read it.
        has_other_masters = self.devices or self.back_ends or self.host.has_guest_table
        if quiet and not has_other_masters:
            self.host.memory.forget_content(self.epoch)

    def _end_threads(self) -> None:
        for thread in (self.irq_thread, *self.handled_threads):
            self.kernel.kill(thread)

    def _pause_before_release(self) -> Event:
        """Return the pause before the next kind of resource is released."""
        return self.kernel.delay(self.timing.release_skew, f"{self.name}.release_skew")

    def _remove_iommu_maps(self, cause: TerminationCause) -> Steps:
        """Have smmuman remove the maps of every device; a removal that fails may keep the memory.

        A qvm that was killed asks for nothing; smmuman learns of its death by a pulse.
        """
        smmuman = self.host.smmuman
        if smmuman is None:
            return
        for device in self._confined_devices:
            if cause.orderly:
                is_done = yield from smmuman.remove(device.port, self.epoch)
            else:
                is_done = yield from smmuman.remove_after_client_death(device.port, self.epoch)
            if not is_done:
                self.quarantines |= self.kernel.choose(REMOVAL_FAILED) == "memory-kept"

    def _release_frames(self) -> Steps:
        """Release guest RAM piece by piece, each at its own teardown point."""
        if self.host.faults.reference_kept:
            yield self.kernel.event()
        yield self.kernel.delay(self.timing.process_exit_base, f"{self.name}.exit_base")
        memory = self.host.memory
        pieces = memory.pieces_of(self.epoch)
        if self.kernel.choose(RELEASE_ORDER) == "descending":
            pieces.reverse()
        for first, count in pieces:
            yield self.kernel.delay(self._release_span(count), f"{self.name}.release")
            # Invariant: `quarantines` is read for each piece, since an intervention may set it
            # between two.
            give_up = memory.quarantine if self.quarantines else memory.release
            give_up(self.name, self.epoch, first, count)

    def _release_span(self, frames: int) -> Span:
        """Return how long the release of a piece takes, which depends on its frames alone."""
        per_mib = self.timing.process_exit_per_mib
        return Span(
            divided_up(per_mib.lo_ns, _FRAMES_PER_MIB) * frames,
            divided_up(per_mib.hi_ns, _FRAMES_PER_MIB) * frames,
        )
