"""The base of all virtio vdevs: registers, queues, one worker thread, reset, notifications.

A register access of the guest is carried out at once, on the vCPU thread that makes it.  Work that
takes time becomes a task of the worker thread (QNX vdev API: callbacks run on the calling thread,
and work that may block moves to another).

    guest --read_register, write_register--> effects --tasks--> worker --> rings, buffers, interrupt

A reset is an interval:

- From the write of 0 on the vdev takes no chain from the rings.
- The vdev finishes, drops or cancels the chains in flight, as `reset_policy` says.
- When no chain is left in flight, 0 becomes readable.

Without a chain in flight the reset is over within the access.  The reset of one queue is the same.

`STEPS` names what the TERMINATE callback of every virtio vdev can do.

Left out: legacy devices, and shared regions of a transport.

Source:
    VIRTIO 1.2, 2.1 to 2.6, 3 and 4; suspension and stopped mode VIRTIO 1.4, 3.4 and 2.12.1.4.
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from simpy.events import Process

from ..base.clock import Span, exactly
from ..bus.memory import DATA
from ..plan.timing import Timing
from ..plan.virtio_plan import VirtioPlan
from ..sim.kernel import Mailbox, Signal, Steps
from ..trace.events import WorkerEnded
from ..trace.virtio_events import (
    DeviceStopped,
    QueueResetCompleted,
    ResetCompleted,
    SuspendEnded,
    SuspendShown,
)
from ..virtio.device_registers import DeviceRegisters
from ..virtio.device_status import OperatingMode, StatusChange
from ..virtio.effects import (
    ConfigWritten,
    Effect,
    QueueNotified,
    QueueReadyChanged,
    QueueResetRequested,
    ResetRequested,
    StatusWritten,
)
from ..virtio.features import VIRTIO_F_EVENT_IDX, VIRTIO_F_IN_ORDER, has_feature
from ..virtio.packed_device import PackedDeviceQueue
from ..virtio.queues import device_queue
from ..virtio.split_device import SplitDeviceQueue
from ..virtio.virtqueue import DescriptorChain
from .control import VdevControl, emit_control_message
from .register_side import RegisterSide
from .site import VdevSite
from .vdev_queue import VdevQueue

STEPS: dict[str, str] = {
    "stop-queue": "take no further chain from any available ring",
    "cancel": "have the back end drop the requests that it has not begun",
    "drain": "wait until the back end has answered every request, at most the bound",
    "reset": "reset the vdev by its own policy and wait for the end of that, at most the bound",
    "enter-stopped": "take nothing, give back what is in flight, then touch the guest no more "
    "(DEV_MODE STOPPED of VIRTIO 1.4), at most the bound",
    "cancel-worker": "pthread_cancel of the worker thread, without waiting for its end",
    "join-worker": "pthread_cancel and pthread_join of the worker thread",
}
"""What the TERMINATE callback of a virtio vdev can do."""

BOUNDED_STEPS = ("drain", "reset", "enter-stopped")
"""The steps that wait and give up after a bound."""


def duration_of_step(timing: Timing, step: str, bound_ns: int) -> Span:
    """Return how long a step of the callback may take, in any state of the vdev."""
    if step in BOUNDED_STEPS:
        return Span(0, bound_ns)
    return {"cancel": timing.ctx_switch, "join-worker": timing.thread_join}.get(step, exactly(0))


_DROPS = frozenset({"drain-and-drop", "cancel"})


class Kick(NamedTuple):
    """A task: serve the available ring of a queue."""

    queue: int


class Message(NamedTuple):
    """A task: serve a message of the back end."""

    content: Any


Task = Kick | Message


class VirtioVdev(RegisterSide):
    """A virtio vdev; subclasses say what its requests mean.

    Args:
        site: What it gets from its qvm.
        plan: What it offers.
        name: Its name in the VM.
        registers: Status, features, queues and configuration.
        class_code: On PCI, 24 bits.

    Attributes:
        queues: The enabled queues by number.
        is_taking: Whether its TERMINATE callback still lets it take chains.
        in_flight: How many chains it has taken and neither given back nor dropped.
        settled: Signals that a request in flight or a reset has ended.
    """

    def __init__(
        self,
        site: VdevSite,
        plan: VirtioPlan,
        name: str,
        registers: DeviceRegisters,
        class_code: int,
    ) -> None:
        super().__init__(site, plan, name, registers, class_code)
        self.queues: dict[int, VdevQueue] = {}
        self.is_taking = True
        self.in_flight = 0
        self.settled = Signal(self.kernel)
        self.tasks: Mailbox[Task] = Mailbox(self.kernel)
        self.kicked = [False] * len(registers.queues)
        self.worker: Process | None = None
        self.is_worker_gone = False

    def control(self, message: VdevControl) -> None:
        """Take a control message from qvm; GUEST_CONFIGURED starts the worker thread."""
        emit_control_message(self, self.site, message)
        if message is VdevControl.GUEST_CONFIGURED:
            assert self.worker is None, f"{self.name} is configured twice"
            self.worker = self.start(self._work)

    # What subclasses say.

    def serve_queue(self, queue: VdevQueue) -> Steps:
        """Take and serve the chains of an available ring; on the worker thread."""
        raise NotImplementedError

    def serve_message(self, message: Any) -> Steps:
        """Serve a message of the back end; on the worker thread."""
        raise NotImplementedError

    def cancel_backend(self) -> None:
        """Have the back end drop the requests that it has not begun."""

    def features_accepted(self, negotiated: int) -> None:
        """Take note of the features in force."""

    def reset_done(self) -> None:
        """Drop the state of the last driver: 0 can be read from here on."""

    def config_written(self, offset: int, length: int) -> None:
        """Take note of a driver's write of the configuration space."""

    def disconnect(self) -> None:
        """Close the connection to the back end, as the death of the process does."""

    @property
    def server_name(self) -> str:
        """The host process that it is connected to; empty if none."""
        return ""

    # Effects of register accesses, on the guest's vCPU thread.

    def take_effect(self, effect: Effect) -> None:
        """Carry out what an access causes beyond the registers."""
        handler = self._EFFECTS.get(type(effect))
        if handler is not None:
            handler(self, effect)

    def _on_notified(self, effect: QueueNotified) -> None:
        # Invariant: at most one `Kick` of a queue waits; serving it takes all chains of the ring.
        if self.is_active and not self.kicked[effect.index]:
            self.kicked[effect.index] = True
            self.tasks.put(Kick(effect.index))

    def _on_status(self, effect: StatusWritten) -> None:
        match effect.change:
            case StatusChange.FEATURES_ACCEPTED:
                self.features_accepted(self.registers.machine.negotiated)
            case StatusChange.WENT_LIVE:
                self.features_accepted(self.registers.machine.negotiated)
                self.is_active = self.registers.machine.may_touch_guest
            case StatusChange.SUSPEND_REQUESTED:
                self.is_active = False
                self._end_pending_resets()
            case StatusChange.RESUMED:
                self.is_active = self.registers.machine.may_touch_guest
                if self.is_detailed:
                    self.emit(SuspendEnded(self.name, self.epoch))
                for index in self.queues:
                    self._on_notified(QueueNotified(index))

    def _on_reset(self, _: ResetRequested) -> None:
        # Invariant: `is_active` falls first, so no chain is taken while those in flight end.
        self.is_active = False
        if self.in_flight and self.common.reset_policy == "cancel":
            self.cancel_backend()
        self._end_pending_resets()

    def _on_queue_ready(self, effect: QueueReadyChanged) -> None:
        if not effect.is_ready:
            # Invariant: a chain of a queue that is no longer in `queues` is never given back
            # (`may_give_back`), except with the policy `nothing`.
            self.queues.pop(effect.index, None)
            return
        registers = self.registers
        negotiated = registers.machine.negotiated
        self.ram.content = "suppression"
        side = device_queue(self.ram, registers.queues[effect.index].layout, negotiated)
        self.ram.content = DATA
        assert isinstance(side, SplitDeviceQueue | PackedDeviceQueue)
        self.queues[effect.index] = VdevQueue(
            self,
            effect.index,
            side,
            in_order=has_feature(negotiated, VIRTIO_F_IN_ORDER),
            event_index=has_feature(negotiated, VIRTIO_F_EVENT_IDX),
        )

    def _on_queue_reset(self, _: QueueResetRequested) -> None:
        self._end_pending_resets()

    def _on_config_written(self, effect: ConfigWritten) -> None:
        self.config_written(effect.offset, effect.length)

    _EFFECTS: ClassVar[dict[type, Callable[["VirtioVdev", Any], None]]] = {
        QueueNotified: _on_notified,
        StatusWritten: _on_status,
        ResetRequested: _on_reset,
        QueueReadyChanged: _on_queue_ready,
        QueueResetRequested: _on_queue_reset,
        ConfigWritten: _on_config_written,
    }

    # Taking and giving back, on the worker thread.

    def take(self, queue: VdevQueue) -> DescriptorChain | None:
        """Take the next chain, if the vdev may; a malformed chain makes the vdev fail."""
        if not self.may_take(queue):
            return None
        chain = queue.take()
        if chain is None:
            return None
        # Invariant: a malformed chain is not in flight; it needs neither `complete` nor `drop`.
        if not isinstance(chain, DescriptorChain):
            self.fail()
            return None
        self.in_flight += 1
        return chain

    def may_take(self, queue: VdevQueue) -> bool:
        """Return whether chains may be taken from a queue."""
        return (
            self.is_active
            and self.is_taking
            and self.queues.get(queue.index) is queue
            and not self.registers.queues[queue.index].is_resetting
        )

    def may_give_back(self, queue: VdevQueue) -> bool:
        """Return whether a chain of a queue may still be given back."""
        if self.common.reset_policy == "nothing":
            return True
        if self.queues.get(queue.index) is not queue:
            return False
        is_resetting = (
            self.registers.machine.is_resetting or self.registers.queues[queue.index].is_resetting
        )
        return not (is_resetting and self.common.reset_policy in _DROPS)

    def complete(self, queue: VdevQueue, head: int, length: int) -> None:
        """Give a chain back and notify the driver, unless a reset forbids it."""
        if not self.may_give_back(queue):
            self.drop(queue)
            return
        if queue.complete(head, length):
            self.notify_used(queue.index)
        self.in_flight -= 1
        self._end_pending_resets()

    def drop(self, queue: VdevQueue) -> None:
        """Drop a chain without giving it back."""
        queue.drop()
        self.in_flight -= 1
        self._end_pending_resets()

    def _end_pending_resets(self) -> None:
        """End a reset, a queue reset or a suspension that no chain in flight holds up."""
        # Invariant: called after every decrease of `in_flight` and after every request to end, so
        # none of the three lasts longer than the chains that hold it up.
        machine = self.registers.machine
        may_end = not self.in_flight or self.common.reset_policy == "nothing"
        if machine.is_resetting and may_end:
            self._end_reset()
        elif machine.is_suspending and not self.in_flight:
            machine.complete_suspend()
            if self.is_detailed:
                self.emit(SuspendShown(self.name, self.epoch))
        for index, registers in enumerate(self.registers.queues):
            if registers.is_resetting:
                self._end_queue_reset(index)
        self.settled.notify()

    def _end_reset(self) -> None:
        """Make 0 readable; a vdev that was at work has confirmed its stop by that."""
        # Invariant: with the policy `nothing` chains may be in flight here, and then the end of the
        # reset confirms no stop.
        if self.queues and not self.in_flight:
            self.confirm_stop()
        self.queues.clear()
        self.transport.complete_reset()
        self.reset_done()
        self.follow_line()
        if self.is_detailed:
            registers = self.registers
            enabled = sum(queue.is_ready for queue in registers.queues)
            vectors = [queue.vector for queue in registers.queues] + [registers.config_vector]
            mapped = sum(vector != 0xFFFF for vector in vectors)
            status = registers.interrupt_status
            self.emit(ResetCompleted(self.name, self.epoch, enabled, status, mapped))

    def _end_queue_reset(self, index: int) -> None:
        queue = self.queues.get(index)
        if queue is not None and queue.in_flight and self.common.reset_policy != "nothing":
            return
        self.queues.pop(index, None)
        self.transport.complete_queue_reset(index)
        if self.is_detailed:
            self.emit(QueueResetCompleted(self.name, self.epoch, index))

    # The TERMINATE callback.

    def carry_out(self, step: str, bound_ns: int) -> Steps:
        """Do one step of the callback; gives whether it was done, as opposed to timed out."""
        match step:
            case "stop-queue":
                self.is_taking = False
            case "cancel":
                yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.cancel")
                self.cancel_backend()
            case "drain":
                return (yield from self.drain(bound_ns))
            case "reset":
                return (yield from self._reset(bound_ns))
            case "enter-stopped":
                return (yield from self._enter_stopped(bound_ns))
            case "cancel-worker":
                self.start(self._cancel_worker)
            case "join-worker":
                yield self.kernel.delay(self.timing.thread_join, f"{self.name}.join")
                self.end_worker("joined")
            case _:
                raise AssertionError(f"no step {step} for a virtio vdev")
        return True

    def end_worker(self, manner: str) -> None:
        """End the worker thread, if it has not ended."""
        if self.worker is not None and not self.is_worker_gone:
            self.is_worker_gone = True
            self.kernel.kill(self.worker)
            self.emit(WorkerEnded(self.vm, self.epoch, self.name, manner))

    def _cancel_worker(self) -> Steps:
        """Let the worker thread run on to its next cancellation point, and end it there."""
        yield self.kernel.delay(self.timing.thread_join, f"{self.name}.cancellation_point")
        self.end_worker("cancelled")

    def drain(self, bound_ns: int) -> Steps:
        """Wait until the back end has answered every request; gives whether it did in time."""
        return (yield from self._await_idle(bound_ns))

    def _await_idle(self, bound_ns: int) -> Steps:
        """Wait until no chain is in flight; gives whether that came within the bound."""
        bound = self.kernel.delay(exactly(bound_ns), f"{self.name}.drain_bound")
        while self.in_flight:
            if (yield self.kernel.first(self.settled.wait(), bound)) == 1:
                return False
        return True

    def confirm_stop(self) -> None:
        """Emit that the hardware behind the vdev writes no more for this epoch, if known."""

    def _reset(self, bound_ns: int) -> Steps:
        # Invariant: the reset of the callback goes the same way as a driver's write of 0.
        bound = self.kernel.delay(exactly(bound_ns), f"{self.name}.reset_bound")
        has_worked = bool(self.queues)
        self.take_effects(self.registers.write_status(0))
        while self.registers.machine.is_resetting:
            if (yield self.kernel.first(self.settled.wait(), bound)) == 1:
                return False
        if not has_worked:
            self.confirm_stop()
        return True

    def _enter_stopped(self, bound_ns: int) -> Steps:
        self.is_taking = False
        is_done = yield from self._await_idle(bound_ns)
        if is_done:
            self.confirm_stop()
            self.is_active = False
            self.registers.machine.mode = OperatingMode.STOPPED
            if self.is_detailed:
                self.emit(DeviceStopped(self.name, self.epoch))
        return is_done

    # The worker thread.

    def _work(self) -> Steps:
        kernel, timing, tasks = self.kernel, self.timing, self.tasks
        while True:
            while not tasks:
                yield tasks.wait()
            task = tasks.take()
            if isinstance(task, Message):
                yield kernel.delay(timing.ctx_switch, f"{self.name}.answer")
                yield from self.serve_message(task.content)
                continue
            yield kernel.delay(timing.exit_to_vmm_process, f"{self.name}.kick")
            # Invariant: the flag falls before the ring is read, so a doorbell during the service
            # makes a new task.
            self.kicked[task.queue] = False
            queue = self.queues.get(task.queue)
            if queue is not None:
                yield from self.serve_queue(queue)
