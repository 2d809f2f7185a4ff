"""Stories about one split virtqueue: its bytes, its notifications, and guests that break it."""

from collections.abc import Callable

import pytest

from quiesce.model.virtio.layout import (
    DESCRIPTOR,
    INDEX,
    VIRTQ_DESC_F_INDIRECT,
    VIRTQ_DESC_F_NEXT,
    VIRTQ_DESC_F_WRITE,
    RingLayout,
    split_layout_at,
)
from quiesce.model.virtio.memory import FlatMemory
from quiesce.model.virtio.split_device import SplitDeviceQueue
from quiesce.model.virtio.split_driver import SplitDriverQueue
from quiesce.model.virtio.virtqueue import (
    DescriptorChain,
    MalformedChain,
    MalformedReason,
    MalformedUsed,
    MalformedUsedReason,
    RingFeatures,
    UsedBuffer,
)

NEXT, WRITE, INDIRECT = VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE, VIRTQ_DESC_F_INDIRECT
RING = 0x1000
DATA = 0x4000
TABLE = 0x3000
MEMORY_END = 0x8000
PLAIN = RingFeatures()


class Bench:
    """A driver and a device on one small memory, and a guest's hand to spoil the ring."""

    def __init__(self, features: RingFeatures = PLAIN, size: int = 4) -> None:
        self.memory = FlatMemory(MEMORY_END)
        self.layout = split_layout_at(RING, size)
        self.driver = SplitDriverQueue(self.memory, self.layout, features)
        self.driver.initialise()
        self.device = SplitDeviceQueue(self.memory, self.layout, features)

    def descriptor(self, index: int, addr: int, length: int, flags: int, next_: int = 0) -> None:
        packed = DESCRIPTOR.pack(addr, length, flags, next_)
        self.memory.write(self.layout.descriptor(index), packed)

    def table_entry(self, index: int, addr: int, length: int, flags: int, next_: int = 0) -> None:
        self.memory.write(TABLE + 16 * index, DESCRIPTOR.pack(addr, length, flags, next_))

    def expose(self, *heads: int) -> None:
        for position, head in enumerate(heads):
            self.memory.write(self.layout.available_entry(position), INDEX.pack(head))
        self.memory.write(self.layout.available_index, INDEX.pack(len(heads)))

    def word(self, addr: int) -> int:
        value: int = INDEX.unpack(self.memory.read(addr, 2))[0]
        return value


def test_block_read_request_stands_in_memory_as_the_standard_draws_it() -> None:
    bench = Bench()
    head = bench.driver.add([(DATA, 16)], [(DATA + 0x200, 512), (DATA + 0x600, 1)])
    bench.driver.publish()
    assert head == 0
    assert bench.memory.read(RING, 48) == bytes.fromhex(
        "0040000000000000 10000000 0100 0100"
        "0042000000000000 00020000 0300 0200"
        "0046000000000000 01000000 0200 0000"
    )
    assert bench.memory.read(bench.layout.driver_area, 6) == bytes.fromhex("0000 0100 0000")
    chain = bench.device.next_chain()
    assert chain == DescriptorChain(
        0,
        readable=((DATA, 16),),
        writable=((DATA + 0x200, 512), (DATA + 0x600, 1)),
        fetched=(RING, RING + 16, RING + 32),
    )
    element = bench.device.write_used_element(0, 513)
    assert element == bench.layout.device_area + 4
    assert bench.memory.read(bench.layout.device_area, 12) == bytes.fromhex(
        "0000 0000 00000000 01020000"
    )
    assert bench.device.publish_used() == bench.layout.device_area + 2
    assert bench.word(bench.layout.used_index) == 1
    assert bench.driver.pop_used() == UsedBuffer(0, 513)


def test_device_that_dies_before_the_used_index_leaves_the_request_in_flight() -> None:
    bench = Bench()
    bench.driver.add([], [(DATA, 8)])
    bench.driver.publish()
    bench.device.next_chain()
    bench.device.write_used_element(0, 8)
    assert not bench.driver.has_used()
    assert bench.driver.pop_used() is None
    assert bench.driver.in_flight_heads == (0,)


def test_chain_added_but_not_published_is_invisible_to_the_device() -> None:
    bench = Bench()
    bench.driver.add([(DATA, 8)], [])
    bench.driver.add([(DATA, 8)], [])
    assert not bench.device.has_available()
    assert bench.driver.publish(1) == 1
    assert isinstance(bench.device.next_chain(), DescriptorChain)
    assert bench.device.next_chain() is None


def test_direct_chain_followed_by_an_indirect_table_is_walked_through_both() -> None:
    bench = Bench(RingFeatures(indirect=True))
    bench.descriptor(2, DATA, 16, NEXT, 1)
    bench.descriptor(1, TABLE, 32, INDIRECT | WRITE)  # the device ignores WRITE here
    bench.table_entry(0, DATA + 0x100, 32, NEXT | WRITE, 1)
    bench.table_entry(1, DATA + 0x200, 1, WRITE)
    bench.expose(2)
    assert bench.device.next_chain() == DescriptorChain(
        2,
        readable=((DATA, 16),),
        writable=((DATA + 0x100, 32), (DATA + 0x200, 1)),
        fetched=(RING + 32, RING + 16, TABLE, TABLE + 16),
    )


Spoil = Callable[[Bench], None]


def loop(bench: Bench) -> None:
    bench.descriptor(0, DATA, 8, NEXT, 1)
    bench.descriptor(1, DATA, 8, NEXT, 0)


def table_loop(bench: Bench) -> None:
    bench.descriptor(0, TABLE, 32, INDIRECT)
    bench.table_entry(0, DATA, 8, NEXT, 1)
    bench.table_entry(1, DATA, 8, NEXT, 1)


def table_longer_than_the_queue(bench: Bench) -> None:
    bench.descriptor(0, TABLE, 5 * 16, INDIRECT)
    for index in range(5):
        bench.table_entry(index, DATA, 8, NEXT if index < 4 else 0, index + 1)


def nested(bench: Bench) -> None:
    bench.descriptor(0, TABLE, 16, INDIRECT)
    bench.table_entry(0, TABLE, 16, INDIRECT)


def more_than_4_gib(bench: Bench) -> None:
    bench.memory.end = 1 << 33
    bench.descriptor(0, DATA, 0xFFFFFFFF, NEXT | WRITE, 1)
    bench.descriptor(1, DATA, 2, WRITE)


def first(addr: int, length: int, flags: int, next_: int = 0) -> Spoil:
    return lambda bench: bench.descriptor(0, addr, length, flags, next_)


def readable_last(bench: Bench) -> None:
    bench.descriptor(0, DATA, 8, NEXT | WRITE, 1)
    bench.descriptor(1, DATA, 8, 0)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (loop, MalformedReason.LOOP),
        (first(DATA, 8, NEXT, 0), MalformedReason.LOOP),
        (table_loop, MalformedReason.LOOP),
        (first(DATA, 8, NEXT, 4), MalformedReason.NEXT_OUTSIDE_TABLE),
        (table_longer_than_the_queue, MalformedReason.CHAIN_TOO_LONG),
        (more_than_4_gib, MalformedReason.CHAIN_TOO_BIG),
        (first(MEMORY_END - 7, 8, 0), MalformedReason.BUFFER_OUTSIDE_MEMORY),
        (first((1 << 64) - 4, 8, WRITE), MalformedReason.BUFFER_OUTSIDE_MEMORY),
        (readable_last, MalformedReason.READABLE_AFTER_WRITABLE),
        (nested, MalformedReason.INDIRECT_NESTED),
        (first(TABLE, 16, INDIRECT | NEXT, 1), MalformedReason.INDIRECT_WITH_NEXT),
        (first(TABLE, 0, INDIRECT), MalformedReason.INDIRECT_LENGTH),
        (first(TABLE, 17, INDIRECT), MalformedReason.INDIRECT_LENGTH),
        (first(MEMORY_END - 8, 16, INDIRECT), MalformedReason.INDIRECT_OUTSIDE_MEMORY),
    ],
)
def test_chain_that_breaks_a_rule_is_a_finding_and_stays_in_the_ring(
    spoil: Spoil, reason: MalformedReason
) -> None:
    bench = Bench(RingFeatures(indirect=True))
    spoil(bench)
    bench.expose(0)
    before = bench.device.state()
    found = bench.device.next_chain()
    assert isinstance(found, MalformedChain), found
    assert found.reason is reason
    assert found.fetched[0] == RING
    assert bench.device.state() == before
    assert bench.device.next_chain() == found


def test_indirect_table_without_the_feature_is_malformed() -> None:
    bench = Bench()
    bench.descriptor(0, TABLE, 16, INDIRECT)
    bench.expose(0)
    found = bench.device.next_chain()
    assert isinstance(found, MalformedChain)
    assert found.reason is MalformedReason.INDIRECT_NOT_NEGOTIATED


def test_head_beyond_the_table_is_malformed_with_its_place() -> None:
    bench = Bench()
    bench.expose(500)
    found = bench.device.next_chain()
    entry = bench.layout.available_entry(0)
    assert found == MalformedChain(MalformedReason.HEAD_OUTSIDE_TABLE, entry, 500)
    assert str(found) == (
        f"the head of the chain is beyond the descriptor table: 0x1f4 at {entry:#x}"
    )


def test_head_made_available_again_while_in_flight_is_malformed() -> None:
    bench = Bench()
    bench.descriptor(0, DATA, 8, 0)
    bench.expose(0, 0)
    assert isinstance(bench.device.next_chain(), DescriptorChain)
    found = bench.device.next_chain()
    assert isinstance(found, MalformedChain)
    assert found.reason is MalformedReason.HEAD_IN_FLIGHT


@pytest.mark.parametrize(
    ("taken", "index", "is_sound"),
    [(0, 4, True), (0, 5, False), (1, 4, True), (1, 5, False), (0, 65535, False)],
)
def test_available_index_may_not_run_ahead_of_the_ring(
    taken: int, index: int, is_sound: bool
) -> None:
    """The second guest after a crash starts at 0 again: to a device not reset that is a jump."""
    bench = Bench()
    for head in range(4):
        bench.descriptor(head, DATA, 8, 0)
    bench.expose(0, 1, 2, 3)
    for _ in range(taken):
        bench.device.next_chain()
    bench.memory.write(bench.layout.available_index, INDEX.pack(index))
    found = bench.device.next_chain()
    if is_sound:
        assert isinstance(found, DescriptorChain)
    else:
        assert isinstance(found, MalformedChain)
        assert found.reason is MalformedReason.AVAILABLE_INDEX_TOO_FAR
        assert found.value == index


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        (RingLayout(3, 0x1000, 0x2000, 0x3000), MalformedReason.RING_SIZE),
        (RingLayout(0, 0x1000, 0x2000, 0x3000), MalformedReason.RING_SIZE),
        (RingLayout(65536, 0x1000, 0x2000, 0x3000), MalformedReason.RING_SIZE),
        (RingLayout(4, 0x1008, 0x2000, 0x3000), MalformedReason.RING_MISALIGNED),
        (RingLayout(4, 0x1000, 0x2001, 0x3000), MalformedReason.RING_MISALIGNED),
        (RingLayout(4, 0x1000, 0x2000, 0x3002), MalformedReason.RING_MISALIGNED),
        (RingLayout(4, 0x1000, 0x2000, MEMORY_END - 36), MalformedReason.RING_OUTSIDE_MEMORY),
    ],
)
def test_ring_put_where_it_cannot_be_gives_a_finding_and_no_access(
    layout: RingLayout, reason: MalformedReason
) -> None:
    device = SplitDeviceQueue(FlatMemory(MEMORY_END), layout, PLAIN)
    assert device.has_available()
    found = device.next_chain()
    assert isinstance(found, MalformedChain)
    assert found.reason is reason


def test_buffer_of_no_bytes_is_let_pass_or_refused_as_the_device_likes() -> None:
    bench = Bench()
    bench.descriptor(0, MEMORY_END + 5, 0, 0)
    bench.expose(0)
    strict = SplitDeviceQueue(bench.memory, bench.layout, PLAIN, accepts_zero_length=False)
    found = strict.next_chain()
    assert isinstance(found, MalformedChain)
    assert found.reason is MalformedReason.ZERO_LENGTH
    lenient = bench.device.next_chain()
    assert isinstance(lenient, DescriptorChain)
    assert lenient.readable == ((MEMORY_END + 5, 0),)


def test_device_that_uses_an_unknown_head_is_a_finding_for_the_driver() -> None:
    bench = Bench()
    bench.driver.add([], [(DATA, 8)])
    bench.driver.publish()
    bench.device.next_chain()
    bench.device.write_used_element(3, 8)
    bench.device.publish_used()
    found = bench.driver.pop_used()
    assert isinstance(found, MalformedUsed)
    assert (found.reason, found.value) == (MalformedUsedReason.UNKNOWN_HEAD, 3)
    assert bench.driver.in_flight_heads == (0,)


def test_device_that_uses_more_than_is_in_flight_is_a_finding_for_the_driver() -> None:
    bench = Bench()
    bench.memory.write(bench.layout.used_index, INDEX.pack(1))
    found = bench.driver.pop_used()
    assert isinstance(found, MalformedUsed)
    assert found.reason is MalformedUsedReason.USED_INDEX_TOO_FAR


def test_flag_suppresses_notifications_without_the_event_index() -> None:
    bench = Bench()
    bench.device.suppress_notifications()
    bench.driver.suppress_notifications()
    bench.driver.add([], [(DATA, 8)])
    bench.driver.publish()
    assert not bench.driver.must_notify()
    bench.device.next_chain()
    assert not bench.device.complete(0, 8)
    bench.driver.allow_notifications()
    bench.device.allow_notifications()
    bench.driver.add([], [(DATA, 8)])
    bench.driver.publish()
    assert bench.driver.must_notify()
    bench.device.next_chain()
    assert bench.device.complete(1, 8)


def test_event_index_suppresses_all_but_the_entry_that_was_asked_for() -> None:
    bench = Bench(RingFeatures(event_index=True), size=8)
    bench.memory.write(bench.layout.avail_event, INDEX.pack(2))
    asked = []
    for _ in range(5):
        bench.driver.add([], [(DATA, 8)])
        bench.driver.publish()
        asked.append(bench.driver.must_notify())
    assert asked == [False, False, True, False, False]


def test_suppressed_driver_gets_no_notification_with_the_event_index() -> None:
    bench = Bench(RingFeatures(event_index=True))
    bench.driver.add([], [(DATA, 8)])
    bench.driver.publish()
    bench.driver.suppress_notifications()
    bench.device.next_chain()
    assert not bench.device.complete(0, 8)


def test_event_index_is_asked_only_for_what_is_new() -> None:
    bench = Bench(RingFeatures(event_index=True))
    bench.driver.add([], [(DATA, 8)])
    bench.driver.publish()
    assert bench.driver.must_notify()
    assert not bench.driver.must_notify()


def test_in_order_driver_uses_the_table_round_and_round() -> None:
    """VIRTIO 1.2, 2.7.5: next is x + 1, and 0 behind the last descriptor."""
    bench = Bench(RingFeatures(in_order=True))
    nexts = []
    for _ in range(3):
        head = bench.driver.add([(DATA, 8)], [(DATA, 8), (DATA, 8)])
        assert head is not None
        for index in (head, (head + 1) % 4):
            place = bench.layout.descriptor(index) + 14
            nexts.append((index, bench.word(place)))
        bench.driver.publish()
        bench.device.next_chain()
        bench.device.complete(head, 0)
        bench.driver.pop_used()
    assert nexts == [(0, 1), (1, 2), (3, 0), (0, 1), (2, 3), (3, 0)]


def test_in_order_element_stands_for_the_whole_batch() -> None:
    bench = Bench(RingFeatures(in_order=True))
    for length in (8, 16, 32):
        bench.driver.add([], [(DATA, length)])
    bench.driver.publish()
    for _ in range(3):
        bench.device.next_chain()
    bench.device.complete(1, 5)
    assert bench.word(bench.layout.used_index) == 2
    assert bench.driver.pop_used() == UsedBuffer(0, 8)
    assert bench.driver.pop_used() == UsedBuffer(1, 5)
    assert bench.driver.pop_used() is None
    assert bench.device.write_used_element(2, 32) == bench.layout.used_element(2)


def test_notification_data_is_the_queue_and_the_next_position() -> None:
    bench = Bench()
    bench.driver.add([], [(DATA, 8)])
    bench.driver.publish()
    assert bench.driver.notification_data(5) == 0x0001_0005


def test_reset_returns_both_sides_to_slot_zero_and_tells_what_was_lost() -> None:
    bench = Bench()
    for _ in range(3):
        bench.driver.add([], [(DATA, 8)])
    bench.driver.publish()
    bench.device.next_chain()
    bench.device.next_chain()
    fresh = Bench()
    assert bench.device.reset() == (0, 1)
    assert bench.driver.reset() == (0, 1, 2)
    bench.driver.initialise()
    assert bench.device.state() == fresh.device.state()
    assert bench.driver.state() == fresh.driver.state()
    assert bench.memory.read(bench.layout.driver_area, 14) == bytes(14)


def test_largest_queue_takes_as_many_chains_as_it_has_descriptors() -> None:
    memory = FlatMemory(0x100000)
    layout = split_layout_at(RING, 32768)
    driver = SplitDriverQueue(memory, layout, PLAIN)
    for _ in range(32768):
        assert driver.add([], [(0, 1)]) is not None
    assert driver.add([], [(0, 1)]) is None
    driver.publish()
    device = SplitDeviceQueue(memory, layout, PLAIN)
    last = None
    while isinstance(chain := device.next_chain(), DescriptorChain):
        last = chain
    assert chain is None
    assert last is not None
    assert last.head_index == 32767
