"""The host-side supervisor: it starts each VM, sees it end, and starts it again.

A guest's reboot ends its qvm too, so whoever wants the guest back starts a new qvm process, for
instance in a loop (QNX hypervisor guide, guest_stop).  The next instance gets the same frames
and vectors, which is the worst case and the usual one.
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
from .stalled_server import stall

_MANNERS = {CRASHES: "crashed", HANGS: "hung", SUSPENDS: "suspended"}
"""What becomes of a guest that stops by itself, as `GuestEnded` says it."""


class Supervisor(Component):
    """Looks after one VM.

    Args:
        plan: The VM.
        host: What it runs on.
        triggers: One for each planned end: fires when it is due, but for the plan's own delay.
        has_unity_map: Whether guest-physical addresses are host-physical ones.

    Attributes:
        qvm: The instance that runs now.
        to_come: The planned ends that have not begun.
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
        stillborn = next((cause for cause in causes if cause.guest == NEVER_STARTS), None)
        self.qvm = self._launch(stillborn)
        self.finished = kernel.event()
        self.to_come: list[Process] = []
        if not plan.ends:
            self.finished.succeed()
            return
        self.ends = [
            self._schedule(end, cause, trigger)
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

    def _launch(self, stillborn: TerminationCause | None = None) -> Qvm:
        epoch = self.host.next_epoch()
        return Qvm(self.kernel, self.timing, self.plan, epoch, self.host, self.stage_two, stillborn)

    def _supervise(self) -> Steps:
        """Wait for the first instance to end, if anything makes it, and start the next."""
        for end in self.ends:
            yield end
        is_wanted = self.plan.restart and self._wants_restart()
        if is_wanted:
            self.emit(RestartRequested(self.plan.name, self.qvm.epoch))
        if self.qvm.is_ending or self.qvm.is_gone:
            yield self.qvm.exited
            if is_wanted and not self.host.power.is_down:
                yield from self._restart()
        elif is_wanted:
            self.emit(RestartGivenUp(self.plan.name, self.qvm.epoch, "still_running"))
        self.finished.succeed()

    def _wants_restart(self) -> bool:
        """Return whether somebody misses the guest: it has crashed or hangs, or its qvm ends."""
        if self.qvm.is_ending or self.qvm.is_gone:
            return not self.host.power.is_down
        stopped = {BY_NAME[end.cause].guest for end in self.plan.ends} & {CRASHES, HANGS}
        return bool(stopped) and not self.qvm.guest.is_running

    def _restart(self) -> Steps:
        """Start the next instance, on other frames if those of the last are kept from everybody."""
        yield self.kernel.delay(self.timing.restart, f"{self.name}.restart")
        if self.qvm.quarantines and self.has_unity_map:
            self.emit(RestartGivenUp(self.plan.name, self.qvm.epoch, "memory_withheld"))
            return
        if self.qvm.quarantines:
            self.stage_two = self._place_ram()
        self.qvm = self._launch()

    # How the end comes about.

    def _schedule(self, end: EndPlan, cause: TerminationCause, trigger: Event) -> Event:
        """Start waiting for an end; returns what fires when it has come about, or never can."""
        process = self.start(lambda: self._bring_about(end, cause, trigger))
        self.to_come.append(process)
        return self.kernel.first(process, self.qvm.exited)

    def call_off(self) -> None:
        """Let no end come about that has not begun: the horizon is reached."""
        for process in self.to_come:
            self.kernel.kill(process)
        self.to_come = []

    def _bring_about(self, end: EndPlan, cause: TerminationCause, trigger: Event) -> Steps:
        qvm = self.qvm
        yield trigger
        yield self.kernel.delay(end.delay, f"{self.plan.name}.end")
        self.to_come = [each for each in self.to_come if each is not self.kernel.active_process]
        if qvm.is_gone:
            return
        if cause.guest == SHUTS_DOWN:
            yield from qvm.guest.shut_down()
        elif cause.guest in _MANNERS:
            qvm.guest.stop(_MANNERS[cause.guest])
        if cause.ends_host:
            yield from self.host.power.shut_down(cause)
            return
        if cause.guest == CRASHES and self.kernel.choose(CRASH_SEEN_BY) == "never":
            return
        yield from self._wait_along(cause.path, cause.signal)
        if cause.stalls_server and not (yield from stall(qvm, qvm.vdevs.block_server)):
            return
        has_complied = cause.asks_guest and (yield from self._press_power_button(qvm, cause))
        if cause.reaches_qvm:
            qvm.end(cause, has_complied=has_complied)

    def _wait_along(self, path: tuple[str, ...], signal: str) -> Steps:
        for key in path:
            if key == "signal_delivery":
                self.emit(SignalSent(self.plan.name, self.qvm.epoch, signal))
            yield self.kernel.delay(getattr(self.timing, key), f"{self.plan.name}.{key}")

    def _press_power_button(self, qvm: Qvm, cause: TerminationCause) -> Steps:
        """Ask the guest to shut down; if it does not, send the signal again.

        Gives whether it did.
        """
        qvm.press_button()
        if self.kernel.choose(GUEST_OBEYS_POWER_BUTTON) == "shuts-down":
            yield from qvm.guest.shut_down()
            yield from self._wait_along(BY_NAME["guest-shutdown"].path, "")
            return True
        yield self.kernel.delay(self.timing.second_signal, f"{self.name}.second_signal")
        yield from self._wait_along(cause.path, cause.signal)
        return False
