"""The host-side supervisor: it starts each VM, sees it end, and starts it again.

A guest's reboot ends its qvm too, so whoever wants the guest back starts a new qvm process, for
instance in a loop (QNX hypervisor guide, guest_stop).  The next instance gets the same frames
and vectors, which is the worst case and the usual one.
"""

from simpy.events import Event

from ..component import Component
from ..kernel import Kernel, Steps
from ..memory import StageTwo
from ..open_questions import CRASH_SEEN_BY, GUEST_OBEYS_POWER_BUTTON
from ..plan import EndPlan, VmPlan
from ..qvm import Qvm
from ..termination import BY_NAME, TerminationCause
from ..timing import Timing
from ..trace import SignalSent
from .host import Host


class Supervisor(Component):
    """Looks after one VM.

    Args:
        plan: The VM.
        host: What it runs on.
        trigger: Fires when the VM's end is due; the delay of the end plan comes after that.

    Attributes:
        qvm: The instance that runs now.
        finished: Fires when the planned end, and the restart if there is one, are over.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        plan: VmPlan,
        host: Host,
        trigger: Event | None,
        has_unity_map: bool,
    ) -> None:
        super().__init__(kernel, f"{plan.name}.supervisor", timing)
        self.plan = plan
        self.host = host
        self.has_unity_map = has_unity_map
        self.stage_two = self._place_ram()
        self.qvm = self._launch()
        self.finished = kernel.event()
        if plan.end is not None and trigger is not None:
            end = plan.end
            self.start(lambda: self._bring_about(end, trigger))
            self.start(self._supervise)
        else:
            self.finished.succeed()

    def _place_ram(self) -> StageTwo:
        ranges = []
        for region in self.plan.ram:
            start = region.start
            if not self.has_unity_map:
                start = self.host.reserve_vm_memory(region.length)
            ranges.append((region.start, start, region.length))
        return StageTwo(tuple(ranges))

    def _launch(self) -> Qvm:
        epoch = self.host.next_epoch()
        return Qvm(self.kernel, self.timing, self.plan, epoch, self.host, self.stage_two)

    def _supervise(self) -> Steps:
        yield self.qvm.exited
        if self.plan.restart:
            yield self.kernel.delay(self.timing.restart, f"{self.name}.restart")
            if self.qvm.quarantines and not self.has_unity_map:
                self.stage_two = self._place_ram()
            if not (self.qvm.quarantines and self.has_unity_map):
                self.qvm = self._launch()
        self.finished.succeed()

    # How the end comes about.

    def _bring_about(self, end: EndPlan, trigger: Event) -> Steps:
        yield trigger
        yield self.kernel.delay(end.delay, f"{self.plan.name}.end")
        cause = BY_NAME[end.cause]
        if cause.begins == "guest-crash":
            yield from self._crash(cause)
        elif cause.begins == "guest-shutdown":
            yield from self._shut_down(cause)
        else:
            yield from self._send_signal(cause)

    def _crash(self, cause: TerminationCause) -> Steps:
        self.qvm.guest.stop("crashed")
        if self.kernel.choose(CRASH_SEEN_BY) == "never":
            self.finished.succeed()
            return
        yield from self._reach_qvm(cause)

    def _shut_down(self, cause: TerminationCause) -> Steps:
        yield from self.qvm.guest.shut_down()
        yield from self._reach_qvm(cause)

    def _reach_qvm(self, cause: TerminationCause) -> Steps:
        yield self.kernel.delay(self.timing.vm_exit, f"{self.plan.name}.exit")
        yield self.kernel.delay(self.timing.exit_to_vmm_process, f"{self.plan.name}.exit_to_qvm")
        self.qvm.requests.put(cause.name)

    def _send_signal(self, cause: TerminationCause) -> Steps:
        qvm = self.qvm
        self.emit(SignalSent(self.plan.name, qvm.epoch, cause.signal))
        yield self.kernel.delay(self.timing.signal_delivery, f"{self.plan.name}.signal")
        if cause.asks_guest:
            if self.kernel.choose(GUEST_OBEYS_POWER_BUTTON) == "shuts-down":
                yield from self._shut_down(cause)
                return
            yield self.kernel.delay(self.timing.second_signal, f"{self.name}.second_signal")
            self.emit(SignalSent(self.plan.name, qvm.epoch, cause.signal))
            yield self.kernel.delay(self.timing.signal_delivery, f"{self.plan.name}.signal")
        qvm.requests.put(cause.name)
