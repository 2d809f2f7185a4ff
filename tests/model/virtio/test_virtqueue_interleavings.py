"""Any interleaving of a driver and a device over either ring format.

`Interleaving` plays both sides in single steps and keeps its own account of every request.  It
fails if a request is lost, changed, taken or used twice; if a side writes memory that is not
its own; or if a side sleeps although there is work, without a notification on its way.
"""

import random
from collections import deque

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from quiesce.model.virtio.layout import (
    RingLayout,
    packed_layout_at,
    packed_part_sizes,
    split_layout_at,
    split_part_sizes,
)
from quiesce.model.virtio.memory import FlatMemory
from quiesce.model.virtio.packed_device import PackedDeviceQueue
from quiesce.model.virtio.packed_driver import PackedDriverQueue
from quiesce.model.virtio.split_device import SplitDeviceQueue
from quiesce.model.virtio.split_driver import SplitDriverQueue
from quiesce.model.virtio.virtqueue import (
    Buffer,
    DescriptorChain,
    DeviceQueue,
    DriverQueue,
    RingFeatures,
    UsedBuffer,
)

RING_BASE = 0x1000
TABLES_BASE = 0x8000
BUFFERS_BASE = 0x10000
FEATURES = [
    RingFeatures(event_index, indirect, in_order)
    for event_index in (False, True)
    for indirect in (False, True)
    for in_order in (False, True)
]


class SideMemory:
    """The shared memory as one side may use it: reads anywhere, writes in its own parts."""

    def __init__(self, shared: FlatMemory, writable: list[tuple[int, int]]) -> None:
        self.shared = shared
        self.writable = writable

    def contains(self, addr: int, length: int) -> bool:
        return self.shared.contains(addr, length)

    def read(self, addr: int, length: int) -> bytes:
        return self.shared.read(addr, length)

    def write(self, addr: int, data: bytes) -> None:
        end = addr + len(data)
        assert any(lo <= addr and end <= hi for lo, hi in self.writable), hex(addr)
        self.shared.write(addr, data)


def parts(layout: RingLayout, sizes: tuple[int, int, int]) -> list[tuple[int, int]]:
    return [(addr, addr + n) for addr, n in zip(layout.areas(), sizes, strict=True)]


class Interleaving:
    """Both sides of one ring, the steps each can take, and the account of what must come out."""

    def __init__(self, driver: DriverQueue, device: DeviceQueue, features: RingFeatures) -> None:
        self.driver = driver
        self.device = device
        self.features = features
        self.size = driver.layout.size
        self.chains: dict[int, tuple[list[Buffer], list[Buffer], int]] = {}
        self.added: deque[int] = deque()
        self.published: deque[int] = deque()
        self.taken: list[int] = []
        self.used_written: list[UsedBuffer] = []
        self.used_published: deque[UsedBuffer] = deque()
        self.driver_asleep = self.device_asleep = False
        self.driver_undecided = self.device_undecided = False
        self.driver_allowed = self.device_allowed = False

    def step(self, rng: random.Random) -> None:
        """Take one of the steps that are possible now, then look whether all is well."""
        steps = [
            (not self.driver_asleep, self.driver_adds),
            (self.added, self.driver_publishes),
            (self.driver_undecided, self.driver_decides),
            (not self.driver_asleep, self.driver_pops),
            (not self.driver_asleep, self.driver_turns_notifications),
            (self.driver_allowed and not self.driver_undecided, self.driver_sleeps),
            (not self.device_asleep, self.device_takes),
            (self.taken, self.device_writes_used_element),
            (self.used_written, self.device_publishes),
            (self.device_undecided, self.device_decides),
            (not self.device_asleep, self.device_turns_notifications),
            (self.device_allowed and not self.device_undecided, self.device_sleeps),
        ]
        rng.choice([action for possible, action in steps if possible])(rng)
        if self.device_asleep and not self.driver_undecided:
            assert not self.published, "the device sleeps on available chains"
        if self.driver_asleep and not self.device_undecided:
            assert not self.used_published, "the driver sleeps on used chains"
        assert set(self.driver.in_flight_heads) == set(self.chains)

    def driver_adds(self, rng: random.Random) -> None:
        count = rng.randint(1, min(self.size, 4))
        reads = rng.randint(0, count)
        buffers = [(BUFFERS_BASE + 0x1000 * i, rng.randint(1, 4096)) for i in range(count)]
        readable, writable = buffers[:reads], buffers[reads:]
        table = -1
        if self.features.indirect and rng.random() < 0.5:
            taken = {chain[2] for chain in self.chains.values()}
            table = next(i for i in range(self.size + 1) if i not in taken)
        needed = count if table < 0 else 1
        had = self.driver.free_count
        where = None if table < 0 else TABLES_BASE + 16 * self.size * table
        head = self.driver.add(readable, writable, where)
        assert (head is None) == (needed > had)
        if head is not None:
            assert head not in self.chains
            assert self.driver.free_count == had - needed
            self.chains[head] = (readable, writable, table)
            self.added.append(head)

    def driver_publishes(self, rng: random.Random) -> None:
        count = rng.randint(1, len(self.added))
        assert self.driver.publish(count) == count
        for _ in range(count):
            self.published.append(self.added.popleft())
        self.driver_undecided = True

    def driver_decides(self, _rng: random.Random) -> None:
        self.driver_undecided = False
        if self.driver.must_notify():
            self.device_asleep = False

    def driver_pops(self, _rng: random.Random) -> None:
        found = self.driver.pop_used()
        assert found == (self.used_published.popleft() if self.used_published else None)
        if isinstance(found, UsedBuffer):
            del self.chains[found.head_index]

    def driver_turns_notifications(self, rng: random.Random) -> None:
        self.driver_allowed = rng.random() < 0.7
        if self.driver_allowed:
            self.driver.allow_notifications()
        else:
            self.driver.suppress_notifications()

    def driver_sleeps(self, _rng: random.Random) -> None:
        assert self.driver.has_used() == bool(self.used_published)
        self.driver_asleep = not self.driver.has_used()

    def device_takes(self, _rng: random.Random) -> None:
        found = self.device.next_chain()
        if not self.published:
            assert found is None
            return
        assert isinstance(found, DescriptorChain), found
        head = self.published.popleft()
        readable, writable, _ = self.chains[head]
        assert found.head_index == head
        assert list(found.readable) == readable
        assert list(found.writable) == writable
        self.taken.append(head)
        assert list(self.device.in_flight_heads) == self.taken

    def device_writes_used_element(self, rng: random.Random) -> None:
        place = rng.randrange(len(self.taken))
        head = self.taken[place]
        length = rng.choice([0, 1, self.capacity(head)])
        length = min(length, self.capacity(head))
        skipped = self.taken[:place] if self.features.in_order else []
        self.taken = [other for other in self.taken if other != head and other not in skipped]
        self.device.write_used_element(head, length)
        self.used_written += [UsedBuffer(other, self.capacity(other)) for other in skipped]
        self.used_written.append(UsedBuffer(head, length))

    def device_publishes(self, _rng: random.Random) -> None:
        self.device.publish_used()
        self.used_published.extend(self.used_written)
        self.used_written.clear()
        self.device_undecided = True

    def device_decides(self, _rng: random.Random) -> None:
        self.device_undecided = False
        if self.device.must_notify():
            self.driver_asleep = False

    def device_turns_notifications(self, rng: random.Random) -> None:
        self.device_allowed = rng.random() < 0.7
        if self.device_allowed:
            self.device.allow_notifications()
        else:
            self.device.suppress_notifications()

    def device_sleeps(self, _rng: random.Random) -> None:
        assert self.device.has_available() == bool(self.published)
        self.device_asleep = not self.device.has_available()

    def capacity(self, head: int) -> int:
        return sum(length for _, length in self.chains[head][1])

    def finish(self) -> None:
        """Bring everything back; nothing may be left over."""
        self.driver.publish()
        while isinstance(chain := self.device.next_chain(), DescriptorChain):
            self.taken.append(chain.head_index)
        assert chain is None
        for head in self.taken:
            self.device.write_used_element(head, 0)
        if self.taken or self.used_written:
            self.device.publish_used()
        while isinstance(self.driver.pop_used(), UsedBuffer):
            pass
        assert self.driver.in_flight_heads == ()
        assert self.driver.free_count == self.size


def split_ring(features: RingFeatures, size: int, start: int) -> Interleaving:
    shared = FlatMemory(0x20000)
    layout = split_layout_at(RING_BASE, size)
    table, available, used = parts(layout, split_part_sizes(size))
    tables = (TABLES_BASE, BUFFERS_BASE)
    driver_memory = SideMemory(shared, [table, available, used, tables])
    driver = SplitDriverQueue(driver_memory, layout, features, start_index=start)
    driver.initialise()
    driver_memory.writable.remove(used)
    device_memory = SideMemory(shared, [used])
    device = SplitDeviceQueue(device_memory, layout, features, start_index=start)
    return Interleaving(driver, device, features)


def packed_ring(features: RingFeatures, size: int) -> Interleaving:
    shared = FlatMemory(0x20000)
    layout = packed_layout_at(RING_BASE, size)
    ring, driver_event, device_event = parts(layout, packed_part_sizes(size))
    tables = (TABLES_BASE, BUFFERS_BASE)
    driver_memory = SideMemory(shared, [ring, driver_event, device_event, tables])
    driver = PackedDriverQueue(driver_memory, layout, features)
    driver.initialise()
    driver_memory.writable.remove(device_event)
    device = PackedDeviceQueue(SideMemory(shared, [ring, device_event]), layout, features)
    return Interleaving(driver, device, features)


class RingMachine(RuleBasedStateMachine):
    ring: Interleaving

    @rule(rng=st.randoms(use_true_random=False), count=st.integers(1, 20))
    def some_steps(self, rng: random.Random, count: int) -> None:
        for _ in range(count):
            self.ring.step(rng)

    def teardown(self) -> None:
        if hasattr(self, "ring"):
            self.ring.finish()


class SplitMachine(RingMachine):
    @initialize(
        features=st.sampled_from(FEATURES),
        size=st.sampled_from([1, 2, 4, 8]),
        start=st.sampled_from([0, 32766, 65530, 65534, 65535]),
    )
    def split(self, features: RingFeatures, size: int, start: int) -> None:
        self.ring = split_ring(features, size, start)


class PackedMachine(RingMachine):
    @initialize(features=st.sampled_from(FEATURES), size=st.sampled_from([1, 2, 3, 5, 7, 8]))
    def packed(self, features: RingFeatures, size: int) -> None:
        self.ring = packed_ring(features, size)


SETTINGS = settings(max_examples=25, stateful_step_count=15, deadline=None, derandomize=True)


TestSplit = SplitMachine.TestCase
TestSplit.settings = SETTINGS
TestPacked = PackedMachine.TestCase
TestPacked.settings = SETTINGS


@pytest.mark.parametrize("features", FEATURES, ids=str)
@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_long_walk_over_split_ring_loses_nothing(features: RingFeatures, size: int) -> None:
    ring = split_ring(features, size, 65535 - 3 * size)
    rng = random.Random(size)
    for _ in range(2000):
        ring.step(rng)
    ring.finish()


@pytest.mark.parametrize("features", FEATURES, ids=str)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_long_walk_over_packed_ring_loses_nothing(features: RingFeatures, size: int) -> None:
    ring = packed_ring(features, size)
    rng = random.Random(size)
    for _ in range(2000):
        ring.step(rng)
    ring.finish()
