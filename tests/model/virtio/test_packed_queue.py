"""Stories about one packed virtqueue: its bytes, its notifications, and guests that break it."""

from collections.abc import Callable

import pytest

from quiesce.model.virtio.layout import (
    DESCRIPTOR,
    EVENT_SUPPRESSION,
    RING_EVENT_FLAGS_DESC,
    RING_EVENT_FLAGS_DISABLE,
    VIRTQ_DESC_F_AVAIL,
    VIRTQ_DESC_F_INDIRECT,
    VIRTQ_DESC_F_NEXT,
    VIRTQ_DESC_F_USED,
    VIRTQ_DESC_F_WRITE,
    packed_layout_at,
    passes_event,
)
from quiesce.model.virtio.memory import FlatMemory
from quiesce.model.virtio.packed_device import PackedDeviceQueue
from quiesce.model.virtio.packed_driver import PackedDriverQueue
from quiesce.model.virtio.packed_ring import PackedRing
from quiesce.model.virtio.virtqueue import (
    DescriptorChain,
    MalformedChain,
    MalformedReason,
    MalformedUsed,
    RingFeatures,
    UsedBuffer,
)

NEXT, WRITE, INDIRECT = VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE, VIRTQ_DESC_F_INDIRECT
AVAIL, USED = VIRTQ_DESC_F_AVAIL, VIRTQ_DESC_F_USED
RING = 0x1000
DATA = 0x4000
TABLE = 0x3000
MEMORY_END = 0x8000


class RecordingMemory(FlatMemory):
    """Memory that remembers where it was written, in order."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.written: list[int] = []

    def write(self, addr: int, data: bytes) -> None:
        self.written.append(addr)
        super().write(addr, data)


class Bench:
    def __init__(self, features: RingFeatures | None = None, size: int = 3) -> None:
        features = features or RingFeatures()
        self.memory = RecordingMemory(MEMORY_END)
        self.layout = packed_layout_at(RING, size)
        self.driver = PackedDriverQueue(self.memory, self.layout, features)
        self.driver.initialise()
        self.device = PackedDeviceQueue(self.memory, self.layout, features)

    def descriptor(self, slot: int, addr: int, length: int, flags: int, id_: int = 0) -> None:
        packed = DESCRIPTOR.pack(addr, length, id_, flags)
        self.memory.write(self.layout.descriptor(slot), packed)

    def flags(self, slot: int) -> int:
        return int(DESCRIPTOR.unpack(self.memory.read(self.layout.descriptor(slot), 16))[3])


def test_list_is_available_only_when_its_first_descriptor_is() -> None:
    bench = Bench()
    bench.driver.add([(DATA, 16)], [(DATA + 0x100, 1)])
    assert bench.flags(1) == AVAIL | WRITE
    assert bench.flags(0) == 0
    assert not bench.device.has_available()
    bench.driver.publish()
    assert bench.memory.read(RING, 32) == bytes.fromhex(
        "0040000000000000 10000000 0000 8100 0041000000000000 01000000 0000 8200"
    )
    assert bench.device.next_chain() == DescriptorChain(
        0, ((DATA, 16),), ((DATA + 0x100, 1),), (RING, RING + 16)
    )


def test_used_descriptor_overwrites_the_first_of_the_list() -> None:
    bench = Bench()
    buffer_id = bench.driver.add([(DATA, 16)], [(DATA + 0x100, 1)])
    assert buffer_id == 0
    bench.driver.publish()
    bench.device.next_chain()
    assert bench.device.write_used_element(0, 1) == RING
    assert not bench.driver.has_used()
    assert bench.device.publish_used() == RING + 14
    assert bench.memory.read(RING + 8, 8) == bytes.fromhex("01000000 0000 8280")
    assert bench.driver.pop_used() == UsedBuffer(0, 1)
    assert bench.device.next_used == bench.device.next_available == 2


def test_wrap_counter_flips_at_the_end_of_a_ring_of_any_size() -> None:
    bench = Bench(size=3)
    seen = []
    for _ in range(7):
        head = bench.driver.add([(DATA, 1)], [])
        assert head is not None
        slot = bench.driver.ring.descriptor(bench.device.next_available)
        bench.driver.publish()
        seen.append(((slot - RING) // 16, bench.flags((slot - RING) // 16)))
        bench.device.next_chain()
        bench.device.complete(head, 0)
        bench.driver.pop_used()
    assert seen == [(0, AVAIL), (1, AVAIL), (2, AVAIL), (0, USED), (1, USED), (2, USED), (0, AVAIL)]


def test_batch_of_used_descriptors_shows_its_first_one_last() -> None:
    bench = Bench()
    for _ in range(3):
        bench.driver.add([], [(DATA, 4)])
    bench.driver.publish()
    for _ in range(3):
        bench.device.next_chain()
    for head in (2, 0, 1):
        bench.device.write_used_element(head, 4)
    bench.memory.written.clear()
    bench.device.publish_used()
    assert bench.memory.written == [RING + 46, RING + 30, RING + 14]
    assert [bench.driver.pop_used() for _ in range(3)] == [UsedBuffer(n, 4) for n in (2, 0, 1)]


def test_indirect_table_has_no_flag_but_write() -> None:
    """In a packed ring NEXT and INDIRECT inside a table mean nothing (VIRTIO 1.2, 2.8.7)."""
    bench = Bench(RingFeatures(indirect=True))
    table = DESCRIPTOR.pack(DATA, 8, 77, NEXT | INDIRECT)
    table += DESCRIPTOR.pack(DATA + 8, 9, 78, WRITE)
    bench.memory.write(TABLE, table)
    bench.descriptor(0, TABLE, 32, AVAIL | INDIRECT | WRITE, 2)
    found = bench.device.next_chain()
    assert found == DescriptorChain(2, ((DATA, 8),), ((DATA + 8, 9),), (RING, TABLE, TABLE + 16))


def test_driver_writes_an_indirect_list_into_one_descriptor() -> None:
    bench = Bench(RingFeatures(indirect=True))
    bench.driver.add([(DATA, 8)], [(DATA + 8, 9), (DATA + 32, 1)], TABLE)
    assert bench.driver.free_count == 2
    bench.driver.publish()
    found = bench.device.next_chain()
    assert isinstance(found, DescriptorChain)
    assert found.writable == ((DATA + 8, 9), (DATA + 32, 1))
    assert bench.memory.read(TABLE + 14, 2) == b"\0\0"
    assert bench.memory.read(TABLE + 30, 2) == b"\2\0"


Spoil = Callable[[Bench], None]


def first(addr: int, length: int, flags: int) -> Spoil:
    return lambda bench: bench.descriptor(0, addr, length, AVAIL | flags)


def both(flags_0: int, flags_1: int) -> Spoil:
    def spoil(bench: Bench) -> None:
        bench.descriptor(0, DATA, 8, flags_0)
        bench.descriptor(1, DATA, 8, flags_1)

    return spoil


def everything_chained(bench: Bench) -> None:
    for slot in range(3):
        bench.descriptor(slot, DATA, 8, AVAIL | NEXT)


def table_longer_than_the_queue(bench: Bench) -> None:
    bench.memory.write(TABLE, DESCRIPTOR.pack(DATA, 8, 0, 0) * 4)
    bench.descriptor(0, TABLE, 64, AVAIL | INDIRECT)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (everything_chained, MalformedReason.LOOP),
        (both(AVAIL | NEXT, 0), MalformedReason.CHAIN_INCOMPLETE),
        (both(AVAIL | NEXT | WRITE, AVAIL), MalformedReason.READABLE_AFTER_WRITABLE),
        (both(AVAIL | NEXT, AVAIL | INDIRECT), MalformedReason.INDIRECT_WITH_NEXT),
        (first(TABLE, 16, INDIRECT | NEXT), MalformedReason.INDIRECT_WITH_NEXT),
        (first(TABLE, 0, INDIRECT), MalformedReason.INDIRECT_LENGTH),
        (first(TABLE, 24, INDIRECT), MalformedReason.INDIRECT_LENGTH),
        (first(MEMORY_END, 16, INDIRECT), MalformedReason.INDIRECT_OUTSIDE_MEMORY),
        (first(MEMORY_END - 4, 8, WRITE), MalformedReason.BUFFER_OUTSIDE_MEMORY),
        (table_longer_than_the_queue, MalformedReason.CHAIN_TOO_LONG),
    ],
)
def test_list_that_breaks_a_rule_is_a_finding_and_stays_in_the_ring(
    spoil: Spoil, reason: MalformedReason
) -> None:
    bench = Bench(RingFeatures(indirect=True))
    spoil(bench)
    before = bench.device.state()
    found = bench.device.next_chain()
    assert isinstance(found, MalformedChain), found
    assert found.reason is reason
    assert bench.device.state() == before
    assert bench.device.next_chain() == found


def test_overfilled_ring_is_a_finding_and_no_endless_loop() -> None:
    """A guest that goes on writing over descriptors in flight makes QEMU 7.2 spin for ever."""
    bench = Bench()
    for slot in range(3):
        bench.descriptor(slot, DATA, 8, AVAIL, slot)
    for _ in range(3):
        assert isinstance(bench.device.next_chain(), DescriptorChain)
    bench.descriptor(0, DATA, 8, USED, 3)
    found = bench.device.next_chain()
    assert isinstance(found, MalformedChain)
    assert found.reason is MalformedReason.AVAILABLE_INDEX_TOO_FAR


def test_buffer_id_made_available_twice_is_malformed() -> None:
    bench = Bench()
    bench.descriptor(0, DATA, 8, AVAIL, 1)
    bench.descriptor(1, DATA, 8, AVAIL, 1)
    assert isinstance(bench.device.next_chain(), DescriptorChain)
    found = bench.device.next_chain()
    assert isinstance(found, MalformedChain)
    assert found.reason is MalformedReason.HEAD_IN_FLIGHT


def test_unknown_used_id_is_a_finding_for_the_driver() -> None:
    bench = Bench()
    bench.driver.add([], [(DATA, 8)])
    bench.driver.publish()
    bench.device.next_chain()
    bench.device.write_used_element(2, 8)
    bench.device.publish_used()
    assert isinstance(bench.driver.pop_used(), MalformedUsed)
    assert bench.driver.in_flight_heads == (0,)


def test_used_length_without_the_write_flag_is_ignored() -> None:
    bench = Bench()
    bench.driver.add([], [(DATA, 8)])
    bench.driver.publish()
    bench.device.next_chain()
    bench.descriptor(0, 0, 123, AVAIL | USED, 0)
    assert bench.driver.pop_used() == UsedBuffer(0, 0)


def test_notification_data_is_offset_and_wrap_of_the_next_descriptor() -> None:
    bench = Bench(size=3)
    assert bench.driver.notification_data(5) == 5 | 1 << 31
    bench.driver.add([(DATA, 8)] * 2, [(DATA, 8)])
    assert bench.driver.notification_data(5) == 5 | 1 << 31
    bench.driver.publish()
    assert bench.driver.notification_data(5) == 5
    bench.device.next_chain()
    bench.device.complete(0, 8)
    bench.driver.pop_used()
    bench.driver.add([(DATA, 8)] * 2, [])
    bench.driver.publish()
    assert bench.driver.notification_data(5) == 5 | 2 << 16


def test_disabled_events_suppress_notifications() -> None:
    bench = Bench()
    bench.device.suppress_notifications()
    event = bench.memory.read(bench.layout.device_area, 4)
    assert EVENT_SUPPRESSION.unpack(event) == (0, RING_EVENT_FLAGS_DISABLE)
    bench.driver.add([(DATA, 8)], [])
    bench.driver.publish()
    assert not bench.driver.must_notify()


@pytest.mark.parametrize(
    ("offset", "flags"), [(7, RING_EVENT_FLAGS_DESC), (0, 3)], ids=["beyond", "reserved"]
)
def test_event_suppression_that_makes_no_sense_notifies_rather_than_not(
    offset: int, flags: int
) -> None:
    bench = Bench(RingFeatures(event_index=True))
    bench.memory.write(bench.layout.device_area, EVENT_SUPPRESSION.pack(offset, flags))
    bench.driver.add([(DATA, 8)], [])
    bench.driver.publish()
    assert bench.driver.must_notify()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_event_rule_is_that_of_the_split_ring_with_the_lap_taken_off(size: int) -> None:
    """Linux brings an event of the other lap to below 0 and asks the 16-bit rule."""
    memory = FlatMemory(16)
    layout = packed_layout_at(0, size)
    memory = FlatMemory(0x100)
    ring = PackedRing(memory, layout, RingFeatures(event_index=True))
    for offset in range(size):
        for wrap in (0, 1):
            event = EVENT_SUPPRESSION.pack(offset | wrap << 15, RING_EVENT_FLAGS_DESC)
            memory.write(layout.device_area, event)
            for new in range(2 * size):
                new_wrap = int(new < size)
                lowered = offset - (size if wrap != new_wrap else 0)
                for moved in range(1, size + 1):
                    slot = new % size
                    expected = passes_event(lowered, slot, (slot - moved) & 0xFFFF)
                    assert ring.asks_for_event(layout.device_area, new, moved) == expected


def test_reset_returns_both_sides_to_the_first_lap() -> None:
    bench = Bench(RingFeatures(event_index=True))
    for _ in range(2):
        bench.driver.add([], [(DATA, 8)])
    bench.driver.publish()
    bench.device.next_chain()
    assert bench.device.reset() == (0,)
    assert bench.driver.reset() == (0, 1)
    bench.driver.initialise()
    fresh = Bench(RingFeatures(event_index=True))
    assert bench.device.state() == fresh.device.state()
    assert bench.driver.state() == fresh.driver.state()
    assert bench.memory.read(RING, 56) == fresh.memory.read(RING, 56)
