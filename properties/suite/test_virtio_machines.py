"""Virtqueues and a vdev's life against reference models so small that they are plainly right."""

from collections import deque

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.bus.memory import GuestRam, StageTwo
from quiesce.model.host.host import Host
from quiesce.model.plan.system_plan import RamPlan, SystemPlan, VmPlan
from quiesce.model.plan.virtio_plan import RESET_POLICIES, EntropyPlan
from quiesce.model.sim.kernel import Kernel, Mailbox, Steps
from quiesce.model.trace.events import CpuWriteLanded
from quiesce.model.vdev.assembly import Vdevs
from quiesce.model.vdev.site import GuestPic, VdevSite
from quiesce.model.vdev.virtio_vdev import VirtioVdev
from quiesce.model.virtio import mmio_transport as mmio
from quiesce.model.virtio.layout import packed_layout_at, split_layout_at
from quiesce.model.virtio.memory import FlatMemory
from quiesce.model.virtio.packed_device import PackedDeviceQueue
from quiesce.model.virtio.packed_driver import PackedDriverQueue
from quiesce.model.virtio.queues import driver_queue, layout_at
from quiesce.model.virtio.split_device import SplitDeviceQueue
from quiesce.model.virtio.split_driver import SplitDriverQueue
from quiesce.model.virtio.virtqueue import (
    DescriptorChain,
    DeviceQueue,
    DriverQueue,
    RingFeatures,
    UsedBuffer,
)


class VirtqueueMachine(RuleBasedStateMachine):
    """The reference: requests go from one list to the next; the device takes the oldest."""

    driver: DriverQueue
    device: DeviceQueue

    def __init__(self) -> None:
        super().__init__()
        self.lengths: dict[int, int] = {}
        self.added: deque[int] = deque()
        self.published: deque[int] = deque()
        self.taken: list[int] = []
        self.written: list[UsedBuffer] = []
        self.used: deque[UsedBuffer] = deque()

    @initialize(size=st.sampled_from([1, 2, 4, 8]), start=st.sampled_from([0, 65533, 65535]))
    def split(self, size: int, start: int) -> None:
        memory, layout, features = FlatMemory(0x8000), split_layout_at(0x1000, size), RingFeatures()
        driver = SplitDriverQueue(memory, layout, features, start_index=start)
        driver.initialise()
        self.driver = driver
        self.device = SplitDeviceQueue(memory, layout, features, start_index=start)

    @rule(length=st.integers(1, 4096))
    def add(self, length: int) -> None:
        head = self.driver.add([], [(0x4000, length)])
        assert (head is None) == (len(self.lengths) == self.driver.layout.size)
        if head is not None:
            assert head not in self.lengths
            self.lengths[head] = length
            self.added.append(head)

    @rule()
    def publish(self) -> None:
        assert self.driver.publish() == len(self.added)
        self.published += self.added
        self.added.clear()

    @rule()
    def take(self) -> None:
        chain = self.device.next_chain()
        if not self.published:
            assert chain is None
            return
        assert isinstance(chain, DescriptorChain)
        head = self.published.popleft()
        assert (chain.head_index, chain.writable_length) == (head, self.lengths[head])
        self.taken.append(head)

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def write_used_element(self, data: st.DataObject) -> None:
        head = self.taken.pop(data.draw(st.integers(0, len(self.taken) - 1)))
        length = data.draw(st.integers(0, self.lengths[head]))
        self.device.write_used_element(head, length)
        self.written.append(UsedBuffer(head, length))

    @precondition(lambda self: self.written)
    @rule()
    def publish_used(self) -> None:
        self.device.publish_used()
        self.used += self.written
        self.written.clear()

    @rule()
    def pop_used(self) -> None:
        expected = self.used.popleft() if self.used else None
        assert self.driver.pop_used() == expected
        if expected is not None:
            del self.lengths[expected.head_index]

    @invariant()
    def agree(self) -> None:
        if hasattr(self, "driver"):
            assert set(self.driver.in_flight_heads) == set(self.lengths)
            assert self.driver.free_count == self.driver.layout.size - len(self.lengths)
            assert set(self.device.in_flight_heads) == set(self.taken)
            assert self.device.has_available() == bool(self.published)
            assert self.driver.has_used() == bool(self.used)


class PackedVirtqueueMachine(VirtqueueMachine):
    @initialize(size=st.sampled_from([1, 2, 3, 5, 8]))
    def packed(self, size: int) -> None:
        memory, layout = FlatMemory(0x8000), packed_layout_at(0x1000, size)
        driver = PackedDriverQueue(memory, layout, RingFeatures())
        driver.initialise()
        self.driver = driver
        self.device = PackedDeviceQueue(memory, layout, RingFeatures())

    def split(self) -> None:
        """Nothing: its rings are packed."""


RAM, HOST_RAM, RAM_LENGTH, LINE, QUEUE_SIZE = 0x8000_0000, 0x100_0000, 1 << 20, 41, 8
LIVE = 15


class VdevMachine(RuleBasedStateMachine):
    """The reference: reset, live, resetting or stuck; and who still works.

    The vdev is a random source, which has at most one request in its hands.
    """

    def __init__(self) -> None:
        super().__init__()
        self.phase = "none"
        self.offered = self.returned = self.last = 0
        self.is_taking = self.has_worker = True
        self.silent_from = -1

    @initialize(policy=st.sampled_from(sorted(RESET_POLICIES)), packed=st.booleans())
    def build(self, policy: str, packed: bool) -> None:
        plan = EntropyPlan(
            name="rng",
            intr=LINE,
            queue_size=QUEUE_SIZE,
            reset_policy=policy,
            format="packed" if packed else "split",
        )
        vm = VmPlan("vm", (RamPlan(RAM, RAM_LENGTH),), entropies=(plan,))
        system = SystemPlan("life", (vm,))
        self.policy = policy
        self.kernel = Kernel(Nominal())
        host = Host(self.kernel, system)
        host.memory.grant("vm", 1, HOST_RAM >> 12, RAM_LENGTH >> 12)
        stage_two = StageTwo(((RAM, HOST_RAM, RAM_LENGTH),))
        pic = GuestPic()
        pic.attach(LINE, Mailbox(self.kernel))
        site = VdevSite(
            self.kernel, system.timing, "vm", 1, host.memory, stage_two, pic, is_detailed=False
        )
        vdev = Vdevs(site, vm, host, 64).by_name["rng"]
        assert isinstance(vdev, VirtioVdev)
        self.vdev, self.ram = vdev, GuestRam(host.memory, stage_two)
        self.phase = "reset"

    @property
    def writes(self) -> int:
        return sum(isinstance(record.event, CpuWriteLanded) for record in self.kernel.records)

    def write(self, offset: int, value: int) -> None:
        self.vdev.write_register(offset, 4, value)

    @precondition(lambda self: self.phase == "reset")
    @rule()
    def go_live(self) -> None:
        for status in (1, 3):
            self.write(mmio.VIRTIO_MMIO_STATUS, status)
        negotiated = self.vdev.registers.machine.offered
        for word in range(2):
            self.write(mmio.VIRTIO_MMIO_DRIVER_FEATURES_SEL, word)
            self.write(mmio.VIRTIO_MMIO_DRIVER_FEATURES, negotiated >> 32 * word & 0xFFFFFFFF)
        self.write(mmio.VIRTIO_MMIO_STATUS, 11)
        layout = layout_at(RAM, QUEUE_SIZE, negotiated)
        self.queue = driver_queue(self.ram, layout, negotiated)
        self.queue.initialise()
        self.write(mmio.VIRTIO_MMIO_QUEUE_SEL, 0)
        self.write(mmio.VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE)
        for register, addr in zip((0x80, 0x90, 0xA0), layout.areas(), strict=True):
            self.write(register, addr)
            self.write(register + 4, 0)
        self.write(mmio.VIRTIO_MMIO_QUEUE_READY, 1)
        self.write(mmio.VIRTIO_MMIO_STATUS, LIVE)
        self.phase, self.offered, self.returned, self.last = "live", 0, 0, 0
        self.silent_from = -1 if self.has_worker else self.writes

    @precondition(lambda self: self.phase == "live")
    @rule(length=st.integers(1, 300), count=st.integers(1, 4))
    def offer(self, length: int, count: int) -> None:
        for _ in range(count):
            if self.queue.add([], [(RAM + 0x8000, length)]) is not None:
                self.queue.publish()
                self.offered += 1
        self.write(mmio.VIRTIO_MMIO_QUEUE_NOTIFY, 0)

    @precondition(lambda self: self.phase != "none")
    @rule(ns=st.integers(1, 100_000))
    def a_moment_passes(self, ns: int) -> None:
        self.kernel.execute(self.kernel.delay(exactly(ns), "suite.moment"))
        self.follow()

    @precondition(lambda self: self.phase != "none")
    @rule()
    def all_comes_to_rest(self) -> None:
        self.kernel.execute(self.kernel.delay(exactly(10_000_000), "suite.rest"))
        self.follow()
        if self.phase == "live" and self.has_worker and self.is_taking:
            assert self.returned == self.offered
        if self.phase == "resetting":
            assert not self.has_worker, "a reset ends while there is a worker to end it"

    def follow(self) -> None:
        """Take note of what the guest can see: buffers given back, and a status of 0."""
        if self.phase != "reset":
            while isinstance(self.queue.pop_used(), UsedBuffer):
                self.returned += 1
        if self.phase == "resetting" and not self.vdev.in_flight:
            self.phase, self.silent_from = "reset", self.writes

    @precondition(lambda self: self.phase == "live" and self.offered)
    @rule(after_ns=st.integers(1, 150_000))
    def reset(self, after_ns: int) -> None:
        self.a_moment_passes(after_ns)
        is_busy = self.vdev.in_flight > 0
        self.write(mmio.VIRTIO_MMIO_STATUS, 0)
        if is_busy and self.policy != "nothing":
            self.phase = "resetting"
        else:
            self.phase = "reset"
            self.silent_from = -1 if is_busy else self.writes

    @precondition(lambda self: self.phase == "live" and self.offered)
    @rule(after_ns=st.integers(1, 150_000))
    def stop_queue(self, after_ns: int) -> None:
        self.a_moment_passes(after_ns)
        self.carry_out("stop-queue")
        self.follow()
        if self.is_taking:
            self.is_taking, self.last = False, self.returned + self.vdev.in_flight

    @precondition(lambda self: self.phase in {"live", "resetting"} and self.offered)
    @rule(after_ns=st.integers(1, 150_000))
    def join_worker(self, after_ns: int) -> None:
        self.a_moment_passes(after_ns)
        self.carry_out("join-worker")
        self.follow()
        self.has_worker, self.silent_from = False, self.writes

    def carry_out(self, step: str) -> None:
        def callback() -> Steps:
            assert (yield from self.vdev.carry_out(step, 0))

        self.kernel.execute(self.kernel.process(callback()))

    @invariant()
    def agree(self) -> None:
        if self.phase == "none":
            return
        status = self.vdev.read_register(mmio.VIRTIO_MMIO_STATUS, 4)
        assert status == (0 if self.phase == "reset" else LIVE)
        assert self.vdev.in_flight in (0, 1)
        assert self.returned <= self.offered
        if not self.is_taking and self.phase == "live":
            assert self.returned <= self.last

    @invariant()
    def it_is_silent_after_its_reset_and_without_its_worker(self) -> None:
        if self.silent_from >= 0:
            assert self.writes == self.silent_from


pytestmark = pytest.mark.slow

TestSplitVirtqueue = VirtqueueMachine.TestCase
TestPackedVirtqueue = PackedVirtqueueMachine.TestCase
TestVdev = VdevMachine.TestCase
