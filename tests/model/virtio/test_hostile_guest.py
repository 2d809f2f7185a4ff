"""Any bytes that a guest writes into a ring or a register give a value and never a crash."""

import random

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from quiesce.model.virtio.device_registers import DeviceRegisters
from quiesce.model.virtio.effects import Effect
from quiesce.model.virtio.features import VIRTIO_F_SUSPEND, VIRTIO_F_VERSION_1, feature_mask
from quiesce.model.virtio.layout import (
    DESCRIPTOR,
    INDEX,
    RingLayout,
    layout_end,
    packed_layout_at,
    packed_part_sizes,
    split_layout_at,
    split_part_sizes,
)
from quiesce.model.virtio.memory import FlatMemory
from quiesce.model.virtio.mmio_transport import MmioTransport
from quiesce.model.virtio.packed_device import PackedDeviceQueue
from quiesce.model.virtio.pci_transport import PciTransport
from quiesce.model.virtio.split_device import SplitDeviceQueue
from quiesce.model.virtio.transport import Transport
from quiesce.model.virtio.virtqueue import DescriptorChain, MalformedChain, RingFeatures

BASE = 0x1000
END = 0x4000
FEATURES = RingFeatures(event_index=True, indirect=True)


def likely_descriptor(rng: random.Random) -> bytes:
    """Return a descriptor that is wrong in some ways but not in all."""
    addr = rng.choice([0x2000, 0x2040, 0x3000, 0x3000, END - 8, rng.getrandbits(64)])
    length = rng.choice([0, 1, 16, 32, 48, 64, rng.getrandbits(32)])
    flags = rng.choice([0, 0, 1, 2, 2, 3, 4, 5, rng.getrandbits(16)])
    flags |= rng.choice([1 << 7, 1 << 7, 1 << 7, 0, 1 << 15])
    last = rng.choice([0, 1, 2, 3, rng.getrandbits(16)])
    return DESCRIPTOR.pack(addr, length, last, flags)


def check(found: DescriptorChain | MalformedChain, memory: FlatMemory, size: int) -> None:
    if isinstance(found, MalformedChain):
        assert str(found)
        return
    buffers = found.readable + found.writable
    assert 0 < len(buffers) <= size
    assert all(length == 0 or memory.contains(addr, length) for addr, length in buffers)


@pytest.mark.parametrize("seed", range(4))
def test_split_device_survives_rings_full_of_nonsense(seed: int) -> None:
    rng = random.Random(seed)
    sound = malformed = 0
    for _ in range(250):
        size = rng.choice([1, 2, 4, 8])
        memory = FlatMemory(END - BASE, BASE)
        layout = split_layout_at(BASE, size)
        for addr in (*range(BASE, BASE + 16 * size, 16), *range(0x2000, 0x2080, 16)):
            packed = DESCRIPTOR.unpack(likely_descriptor(rng))
            memory.write(addr, DESCRIPTOR.pack(packed[0], packed[1], packed[3] & 7, packed[2]))
        for position in range(size):
            head = rng.choice([0, 1, 2, 3, rng.getrandbits(16)])
            memory.write(layout.available_entry(position), INDEX.pack(head))
        memory.write(layout.available_index, INDEX.pack(rng.choice([1, size, rng.getrandbits(16)])))
        device = SplitDeviceQueue(memory, layout, FEATURES)
        while (found := device.next_chain()) is not None:
            check(found, memory, size)
            if isinstance(found, MalformedChain):
                malformed += 1
                break
            sound += 1
    assert sound > 20
    assert malformed > 20


@pytest.mark.parametrize("seed", range(4))
def test_packed_device_survives_rings_full_of_nonsense(seed: int) -> None:
    rng = random.Random(seed)
    sound = malformed = 0
    for _ in range(250):
        size = rng.choice([1, 2, 3, 5])
        memory = FlatMemory(END - BASE, BASE)
        layout = packed_layout_at(BASE, size)
        for addr in (*range(BASE, BASE + 16 * size, 16), *range(0x2000, 0x2080, 16)):
            memory.write(addr, likely_descriptor(rng))
        device = PackedDeviceQueue(memory, layout, FEATURES)
        while (found := device.next_chain()) is not None:
            check(found, memory, size)
            if isinstance(found, MalformedChain):
                malformed += 1
                break
            sound += 1
    assert sound > 20
    assert malformed > 20


@given(
    size=st.one_of(st.integers(0, 9), st.integers(0, 65535)),
    areas=st.tuples(*[st.one_of(st.integers(0, 0x5000), st.integers(0, (1 << 64) - 1))] * 3),
)
def test_ring_anywhere_is_either_in_memory_or_a_finding(
    size: int, areas: tuple[int, int, int]
) -> None:
    memory = FlatMemory(END - BASE, BASE)
    layout = RingLayout(size, *areas)
    for side, lengths in (
        (SplitDeviceQueue, split_part_sizes(size)),
        (PackedDeviceQueue, packed_part_sizes(size)),
    ):
        device = side(memory, layout, FEATURES)
        assert device.has_available() == (device.next_chain() is not None)
        if device.fault is None:
            assert layout_end(layout, lengths) <= END
            assert min(areas) >= BASE


def device_registers() -> DeviceRegisters:
    offered = feature_mask(VIRTIO_F_VERSION_1, VIRTIO_F_SUSPEND)
    return DeviceRegisters(1, offered, (256, 0, 8), config=bytes(24), writable_config=(0, 1))


ACCESSES = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 0x140), st.integers(0, 0x4000)),
        st.sampled_from([1, 2, 4, 8]),
        st.one_of(st.integers(0, 20), st.integers(0, (1 << 64) - 1)),
    ),
    max_size=30,
)


def check_effects(effects: list[Effect]) -> None:
    assert all(isinstance(effect, Effect) for effect in effects)


@settings(max_examples=60, deadline=None)
@given(accesses=ACCESSES)
def test_mmio_registers_answer_every_access(accesses: list[tuple[int, int, int]]) -> None:
    mmio = MmioTransport(device_registers(), 0)
    for offset, length, value in accesses:
        check_effects(mmio.write(offset, length, value & (1 << 8 * length) - 1))
        assert 0 <= mmio.read(offset, length) < 1 << 8 * length
    hash(mmio.state())


@settings(max_examples=60, deadline=None)
@given(accesses=ACCESSES, where=st.randoms(use_true_random=False))
def test_pci_registers_answer_every_access(
    accesses: list[tuple[int, int, int]], where: random.Random
) -> None:
    pci = PciTransport(device_registers(), 0x020000)
    for offset, length, value in accesses:
        data = value & (1 << 8 * length) - 1
        bar = where.choice([1, 4, 4, 2])
        check_effects(pci.bar_write(bar, offset, length, data))
        assert 0 <= pci.bar_read(bar, offset, length) < 1 << 8 * length
        if length <= 4:
            near = where.choice([offset & 0xFF, pci.window + offset % 20])
            check_effects(pci.config_write(near, length, data))
            assert 0 <= pci.config_read(near, length) < 1 << 8 * length
    hash(pci.state())


@pytest.mark.parametrize(
    "transport",
    [MmioTransport(device_registers(), 0), PciTransport(device_registers(), 0x020000)],
    ids=["mmio", "pci"],
)
def test_either_transport_serves_a_device_model_alike(transport: Transport) -> None:
    fresh = transport.state()
    assert transport.notify_used(0) is None
    assert transport.line_is_asserted
    transport.registers.write_status(1)
    transport.registers.write_status(0)
    transport.complete_reset()
    assert not transport.line_is_asserted
    assert transport.state() == fresh
