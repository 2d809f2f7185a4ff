"""The host-side supervisor: it starts each VM, sees it end, and starts it again.

A guest's reboot ends its qvm too.  To get the guest back, the supervisor starts a new qvm process,
for instance in a loop (QNX hypervisor guide, guest_stop).  The next instance gets the same frames
and vectors, which is the worst case and the usual case.
"""

from simpy.events import Event, Process

from ..bus.memory import StageTwo
from ..host.host import Host
from ..plan.open_questions import CRASH_SEEN_BY, GUEST_OBEYS_POWER_BUTTON
from ..plan.system_plan import EndPlan, VmPlan
from ..plan.termination import (
    BY_NAME,
    CRASHES,
    HANGS,
    NEVER_STARTS,
    SHUTS_DOWN,
    SUSPENDS,
    TerminationCause,
)
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Steps
from ..trace.events import RestartGivenUp, RestartRequested, SignalSent
from .qvm import Qvm
from .stalled_server import stall_server

_STOP_MANNERS = {CRASHES: "crashed", HANGS: "hung", SUSPENDS: "suspended"}
"""How a guest stops by itself, in the words of `GuestEnded`."""


class Supervisor(Component):
    """Starts one VM, brings its planned ends about, and starts it again.

    Args:
        plan: The VM.
        host: What it runs on.
        triggers: An event for each planned end; it fires when the end is due, before the plan's
            own delay.
        has_unity_map: Whether guest-physical addresses are host-physical ones.

    Attributes:
        qvm: The instance that runs now.
        pending_ends: The planned ends that have not begun.
        finished: Fires when all planned ends, and the restart if there is one, are over.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        plan: VmPlan,
        host: Host,
        triggers: tuple[Event, ...],
        has_unity_map: bool,
    ) -> None:
        super().__init__(kernel, f"{plan.name}.supervisor", timing)
        self.plan = plan
        self.host = host
        self.has_unity_map = has_unity_map
        self.stage_two = self._place_ram()
        causes = [BY_NAME[end.cause] for end in plan.ends]
        start_failure = next((cause for cause in causes if cause.guest == NEVER_STARTS), None)
        self.qvm = self._launch(start_failure)
        self.finished = kernel.event()
        self.pending_ends: list[Process] = []
        if not plan.ends:
            self.finished.succeed()
            return
        self.ends = [
            self._schedule_end(end, cause, trigger)
            for end, cause, trigger in zip(plan.ends, causes, triggers, strict=True)
            if cause.guest != NEVER_STARTS
        ]
        self.start(self._supervise)

    def _place_ram(self) -> StageTwo:
        ranges = []
        for region in self.plan.ram:
            start = region.start
            if not self.has_unity_map:
                start = self.host.reserve_vm_memory(region.length)
            ranges.append((region.start, start, region.length))
        return StageTwo(tuple(ranges))

    def _launch(self, start_failure: TerminationCause | None = None) -> Qvm:
        # Invariant: every instance gets an epoch that no VM has had, so an epoch names its owner.
        epoch = self.host.next_epoch()
        return Qvm(
            self.kernel, self.timing, self.plan, epoch, self.host, self.stage_two, start_failure
        )

    def _supervise(self) -> Steps:
        """Wait for the first instance to end, if anything makes it, and start the next."""
        # Invariant: all ends have happened or can no longer happen before a restart is decided.
        for end in self.ends:
            yield end
        is_wanted = self.plan.restart and self._wants_restart()
        if is_wanted:
            self.emit(RestartRequested(self.plan.name, self.qvm.epoch))
        if self.qvm.is_ending or self.qvm.has_exited:
            yield self.qvm.exited
            if is_wanted and not self.host.power.is_down:
                yield from self._restart()
        elif is_wanted:
            self.emit(RestartGivenUp(self.plan.name, self.qvm.epoch, "still_running"))
        self.finished.succeed()

    def _wants_restart(self) -> bool:
        """Return whether the guest is missing: it has crashed or hangs, or its qvm ends."""
        if self.qvm.is_ending or self.qvm.has_exited:
            return not self.host.power.is_down
        stopped = {BY_NAME[end.cause].guest for end in self.plan.ends} & {CRASHES, HANGS}
        return bool(stopped) and not self.qvm.guest.is_running

    def _restart(self) -> Steps:
        """Start the next instance, on other frames if qvm has quarantined those of the last."""
        yield self.kernel.delay(self.timing.restart, f"{self.name}.restart")
        # Invariant: a quarantined frame is never granted again.  Unity-mapped RAM has no other
        # place, so such a VM is not restarted.
        if self.qvm.quarantines and self.has_unity_map:
            self.emit(RestartGivenUp(self.plan.name, self.qvm.epoch, "memory_withheld"))
            return
        if self.qvm.quarantines:
            self.stage_two = self._place_ram()
        self.qvm = self._launch()

    # How the end comes about.

    def _schedule_end(self, end: EndPlan, cause: TerminationCause, trigger: Event) -> Event:
        """Start waiting for an end; returns an event for when it has happened or never can."""
        # Invariant: `pending_ends` holds the processes of the ends that have not begun.
        process = self.start(lambda: self._run_end(end, cause, trigger))
        self.pending_ends.append(process)
        return self.kernel.first(process, self.qvm.exited)

    def cancel_pending_ends(self) -> None:
        """Cancel every planned end that has not begun, at the horizon of the observation."""
        for process in self.pending_ends:
            self.kernel.kill(process)
        self.pending_ends = []

    def _run_end(self, end: EndPlan, cause: TerminationCause, trigger: Event) -> Steps:
        # Invariant: an end belongs to the first instance; a restarted instance has no planned end.
        qvm = self.qvm
        yield trigger
        yield self.kernel.delay(end.delay, f"{self.plan.name}.end")
        self.pending_ends = [
            each for each in self.pending_ends if each is not self.kernel.active_process
        ]
        if qvm.has_exited:
            return
        # Invariant: the guest's own end comes first, then what notices it, then the end of qvm.
        if cause.guest == SHUTS_DOWN:
            yield from qvm.guest.shut_down()
        elif cause.guest in _STOP_MANNERS:
            qvm.guest.stop(_STOP_MANNERS[cause.guest])
        if cause.ends_host:
            yield from self.host.power.shut_down(cause)
            return
        if cause.guest == CRASHES and self.kernel.choose(CRASH_SEEN_BY) == "never":
            return
        yield from self._wait_along_path(cause.path, cause.signal)
        if cause.stalls_server and not (yield from stall_server(qvm, qvm.vdevs.block_server)):
            return
        has_guest_obeyed = cause.asks_guest and (yield from self._press_power_button(qvm, cause))
        if cause.reaches_qvm:
            qvm.end(cause, has_guest_obeyed=has_guest_obeyed)

    def _wait_along_path(self, path: tuple[str, ...], signal: str) -> Steps:
        for key in path:
            if key == "signal_delivery":
                self.emit(SignalSent(self.plan.name, self.qvm.epoch, signal))
            yield self.kernel.delay(getattr(self.timing, key), f"{self.plan.name}.{key}")

    def _press_power_button(self, qvm: Qvm, cause: TerminationCause) -> Steps:
        """Ask the guest to shut down; if it does not, send the signal again.

        Gives whether the guest shut down.
        """
        qvm.press_button()
        if self.kernel.choose(GUEST_OBEYS_POWER_BUTTON) == "shuts-down":
            yield from qvm.guest.shut_down()
            yield from self._wait_along_path(BY_NAME["guest-shutdown"].path, "")
            return True
        yield self.kernel.delay(self.timing.second_signal, f"{self.name}.second_signal")
        yield from self._wait_along_path(cause.path, cause.signal)
        return False
