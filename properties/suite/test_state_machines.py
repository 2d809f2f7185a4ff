"""Parts of the model against reference models so small that they are plainly right."""

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from quiesce.model.base.addresses import FRAME_SIZE
from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.bus.iommu import Iommu
from quiesce.model.bus.memory import PhysicalMemory, StageTwo
from quiesce.model.bus.stream import StreamMode
from quiesce.model.host.host import Host
from quiesce.model.interrupts.interrupt_controller import InterruptController
from quiesce.model.machine.qvm import Qvm
from quiesce.model.plan.iommu_plan import IommuPlan
from quiesce.model.plan.system_plan import RamPlan, SystemPlan, VmPlan
from quiesce.model.plan.termination import CAUSES, TerminationCause
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.kernel import Kernel
from quiesce.model.trace.events import (
    EndNotObeyed,
    FramesGranted,
    FramesReleased,
    GuestEnded,
    QvmExited,
    TerminationBegun,
)

LINE = 41
DEVICES = st.sampled_from(["eth0", "eth1", "eth2"])
SLOTS = st.integers(0, 2)


class Taken:
    """Counts what the processor takes, and masks the line as the host kernel does."""

    def __init__(self, controller: InterruptController) -> None:
        self.controller = controller
        self.sources: list[str] = []

    def dispatch(self, intid: int, requested_epoch: int, source: str) -> None:
        self.sources.append(source)
        self.controller.set_masked(intid, masked=True)


class InterruptLineMachine(RuleBasedStateMachine):
    """The reference: a set of asserting devices, one latch, one mask bit."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = Kernel(Nominal())
        self.controller = InterruptController(self.kernel, Timing(gic_to_cpu=exactly(10)))
        self.taker = Taken(self.controller)
        self.controller.taker = self.taker
        self.asserting: list[str] = []
        self.latch = ""
        self.masked = True
        self.taken: list[str] = []

    @rule(device=DEVICES)
    def assert_level(self, device: str) -> None:
        self.controller.assert_level(LINE, device, 1)
        if device not in self.asserting:
            self.asserting.append(device)

    @rule(device=DEVICES)
    def deassert_level(self, device: str) -> None:
        self.controller.deassert_level(LINE, device)
        if device in self.asserting:
            self.asserting.remove(device)

    @rule(device=DEVICES)
    def message(self, device: str) -> None:
        self.controller.message(LINE, device, 1)
        self.latch = device

    @rule(masked=st.booleans())
    def write_mask(self, masked: bool) -> None:
        self.controller.set_masked(LINE, masked)
        self.masked = masked

    @rule()
    def let_time_pass(self) -> None:
        self.kernel.execute(self.kernel.event())
        if not self.masked and (self.latch or self.asserting):
            self.taken.append(self.latch or self.asserting[0])
            self.latch, self.masked = "", True

    @invariant()
    def agree(self) -> None:
        assert self.taker.sources == self.taken
        line = self.controller.lines.get(LINE)
        if line is not None:
            assert list(line.asserted_by) == self.asserting
            assert line.masked == self.masked
            assert (line.latched[0] if line.latched else "") == self.latch


class IommuMachine(RuleBasedStateMachine):
    """The reference: what is mapped, and what has been looked up since the last invalidation."""

    def __init__(self) -> None:
        super().__init__()
        self.iommu = Iommu(Kernel(Nominal()), Timing(), IommuPlan(fault_records=8))
        self.mode = StreamMode.UNRESTRICTED
        self.mapped: dict[int, int] = {}
        self.cached: dict[int, int] = {}
        self.faults = 0

    @rule(slot=SLOTS, count=st.integers(1, 2), host=st.integers(100, 110))
    def map(self, slot: int, count: int, host: int) -> None:
        if any(slot + n in self.mapped for n in range(count)):
            return
        args = (slot * FRAME_SIZE, host * FRAME_SIZE, count * FRAME_SIZE)
        self.iommu.map("eth0", 1, *args)
        if self.mode is not StreamMode.TRANSLATED:
            self.cached.clear()
        self.mode = StreamMode.TRANSLATED
        self.mapped |= {slot + n: host + n for n in range(count)}

    @rule(mode=st.sampled_from(StreamMode))
    def unmap_all(self, mode: StreamMode) -> None:
        if mode is StreamMode.TRANSLATED:
            mode = StreamMode.REFUSED
        self.iommu.unmap_all("eth0", 1, mode)
        self.mode = mode
        self.mapped.clear()

    @rule()
    def invalidate(self) -> None:
        self.iommu.invalidate("eth0")
        self.cached.clear()

    @rule(slot=st.integers(0, 3), offset=st.integers(0, FRAME_SIZE - 8))
    def write(self, slot: int, offset: int) -> None:
        addr = slot * FRAME_SIZE + offset
        found = self.iommu.translate_write("eth0", 1, addr, 8)
        if self.mode is StreamMode.UNRESTRICTED:
            expected: int | None = addr
        else:
            frame = self.cached.get(slot, self.mapped.get(slot))
            expected = None if frame is None else frame * FRAME_SIZE + offset
            if frame is not None:
                self.cached[slot] = frame
        self.faults += expected is None
        assert found == expected

    @invariant()
    def faults_are_recorded_up_to_the_bound(self) -> None:
        size = self.iommu.plan.fault_records
        assert len(self.iommu.faults.records) == min(self.faults, size)
        assert self.iommu.faults.has_overflowed == (self.faults > size)


class MemoryMachine(RuleBasedStateMachine):
    """The reference: owner and first byte of each of a few frames."""

    FRAMES = 12

    def __init__(self) -> None:
        super().__init__()
        self.kernel = Kernel(Nominal())
        self.memory = PhysicalMemory(self.kernel, Timing())
        self.owner = [0] * self.FRAMES
        self.byte = [0] * self.FRAMES

    def frames(self, first: int, count: int) -> range:
        return range(first, min(first + count, self.FRAMES))

    @rule(first=st.integers(0, 11), count=st.integers(1, 4), epoch=st.integers(1, 3))
    def grant(self, first: int, count: int, epoch: int) -> None:
        frames = self.frames(first, count)
        if any(self.owner[frame] for frame in frames):
            with pytest.raises(AssertionError):
                self.memory.grant("vm", epoch, frames.start, len(frames))
            return
        self.memory.grant("vm", epoch, frames.start, len(frames))
        for frame in frames:
            self.owner[frame], self.byte[frame] = epoch, 0

    @rule(epoch=st.integers(1, 3), quarantine=st.booleans())
    def take_back(self, epoch: int, quarantine: bool) -> None:
        part_with = self.memory.quarantine if quarantine else self.memory.release
        for first, count in self.memory.pieces_of(epoch):
            part_with("vm", epoch, first, count)
        for frame, owner in enumerate(self.owner):
            if owner == epoch:
                self.owner[frame] = -1 if quarantine else 0

    @rule(frame=st.integers(0, 11), value=st.integers(1, 255))
    def write(self, frame: int, value: int) -> None:
        self.memory.land("eth0", 1, frame * FRAME_SIZE, bytes([value]), "data")
        self.byte[frame] = value

    @invariant()
    def agree(self) -> None:
        owned = {
            frame: extent.epoch
            for extent in self.memory.extents
            for frame in range(extent.first, extent.end)
        }
        assert owned == {frame: epoch for frame, epoch in enumerate(self.owner) if epoch > 0}
        for frame, value in enumerate(self.byte):
            assert self.memory.read(frame * FRAME_SIZE, 1)[0] == value
            assert self.memory.is_free(frame, 1) == (self.owner[frame] == 0)

    @invariant()
    def a_frame_is_released_as_often_as_it_was_granted_or_is_held(self) -> None:
        balance = [0] * self.FRAMES
        for record in self.kernel.records:
            event = record.event
            if isinstance(event, FramesGranted | FramesReleased):
                sign = 1 if isinstance(event, FramesGranted) else -1
                for frame in self.frames(event.first_frame, event.count):
                    balance[frame] += sign
        assert balance == [int(owner != 0) for owner in self.owner]


ENDS = [cause for cause in CAUSES if cause.guest != "never-starts" and cause.reaches_qvm]
PHASES = ("running", "ending", "gone")


class QvmMachine(RuleBasedStateMachine):
    """The reference: running, ending for a cause, gone.

    A cause that kills, or that is a signal, replaces the present cause; a signal does so only
    before a kill. Any other cause that comes while qvm can still call its vdevs is recorded as not
    obeyed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kernel = Kernel(Nominal())
        plan = SystemPlan("life", (VmPlan("vm", (RamPlan(1 << 20, 1 << 20),)),))
        host = Host(self.kernel, plan)
        stage_two = StageTwo(((1 << 20, 1 << 32, 1 << 20),))
        self.qvm = Qvm(self.kernel, plan.timing, plan.vms[0], 1, host, stage_two)
        self.phase = "running"
        self.causes: list[TerminationCause] = []
        self.ignored: list[TerminationCause] = []
        self.is_cleaning = False

    @rule(cause=st.sampled_from(ENDS))
    def end(self, cause: TerminationCause) -> None:
        self.qvm.end(cause)
        if self.phase == "running":
            self.phase = "ending"
            self.causes = [cause]
        elif self.phase == "ending" and not self.is_cleaning:
            is_killed = any(not each.orderly for each in self.causes)
            if not cause.orderly or (cause.signal and not is_killed):
                self.causes.append(cause)
            elif not is_killed:
                self.ignored.append(cause)

    @precondition(lambda self: self.phase == "ending")
    @rule()
    def let_a_moment_pass(self) -> None:
        self.kernel.step()
        self.is_cleaning = self.qvm.state.value in {"releasing", "exited"}
        if self.qvm.has_exited:
            self.phase = "gone"

    @precondition(lambda self: self.phase == "ending")
    @rule()
    def let_it_end(self) -> None:
        self.kernel.execute(self.qvm.exited)
        self.phase = "gone"

    @invariant()
    def agree(self) -> None:
        events: list[Any] = [record.event for record in self.kernel.records]
        begun = [event.cause for event in events if isinstance(event, TerminationBegun)]
        assert begun == [cause.name for cause in self.causes]
        ignored = [event.cause for event in events if isinstance(event, EndNotObeyed)]
        assert ignored == [cause.name for cause in self.ignored]
        statuses = [event.status for event in events if isinstance(event, QvmExited)]
        assert statuses == ([self.causes[-1].exit_status] if self.phase == "gone" else [])
        assert sum(isinstance(event, GuestEnded) for event in events) == (self.phase != "running")

    @invariant()
    def memory_is_its_own_until_it_is_gone(self) -> None:
        held = sum(extent.count for extent in self.qvm.host.memory.extents)
        if self.phase == "running":
            assert held == 256
        if self.phase == "gone":
            assert held == 0


pytestmark = pytest.mark.slow

TestInterruptLine = InterruptLineMachine.TestCase
TestIommu = IommuMachine.TestCase
TestMemory = MemoryMachine.TestCase
TestQvm = QvmMachine.TestCase
