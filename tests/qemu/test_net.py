"""Our driver side on QEMU's virtio-net: frames out, frames in, silence after a reset."""

import socket
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from quiesce.model.virtio.features import (
    VIRTIO_F_EVENT_IDX,
    VIRTIO_F_INDIRECT_DESC,
    VIRTIO_F_RING_PACKED,
    VIRTIO_F_VERSION_1,
    feature_mask,
    has_feature,
)
from quiesce.model.virtio.net_format import (
    HEADER_SIZE,
    VIRTIO_NET_F_MAC,
    VIRTIO_NET_F_MRG_RXBUF,
    VIRTIO_NET_F_STATUS,
    VIRTIO_NET_S_LINK_UP,
    NetConfig,
    NetHeader,
    receive_queue,
    transmit_queue,
)
from quiesce.model.virtio.packed_driver import PackedDriverQueue
from quiesce.model.virtio.virtqueue import DriverQueue, UsedBuffer

from .block_pair import qemu_driver, settled
from .conftest import MachineMaker
from .machine import QemuMachine

MAC = bytes.fromhex("525400abcdef")
PATH = "/machine/peripheral/net0/virtio-backend"
RX, TX = receive_queue(0), transmit_queue(0)
RX_RING, TX_RING, RX_BUFFERS, TX_BUFFER, TABLES = 0x1_0000, 0x1_4000, 0x2_0000, 0x3_0000, 0x3_8000
BUFFER_SIZE = 0x800
WAIT_SECONDS_MAX = 60
FEATURES = feature_mask(VIRTIO_F_VERSION_1, VIRTIO_NET_F_MAC, VIRTIO_NET_F_STATUS)
RINGS = [
    feature_mask(*(bit for bit, is_on in zip(bits, chosen, strict=True) if is_on))
    for bits in ((VIRTIO_F_RING_PACKED, VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC),)
    for chosen in product((False, True), repeat=3)
]


class Wire:
    """A cable between QEMU's device and this test: unix datagrams, one for each frame."""

    def __init__(self, folder: Path, machine: QemuMachine, socket_: socket.socket) -> None:
        self.folder = folder
        self.machine = machine
        self.socket = socket_

    def send(self, frame: bytes) -> None:
        self.socket.sendto(frame, str(self.folder / "device"))

    def receive(self) -> bytes:
        return self.socket.recv(65536)


@pytest.fixture(scope="module")
def wire(start_machine: MachineMaker) -> Iterator[Wire]:
    with TemporaryDirectory(prefix="quiesce-wire-") as name:
        folder = Path(name)
        ours = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.bind(str(folder / "test"))
        ours.settimeout(WAIT_SECONDS_MAX)
        local = f"local.type=unix,local.path={folder}/device"
        remote = f"remote.type=unix,remote.path={folder}/test"
        device = "virtio-net-pci-non-transitional,id=net0,netdev=n0,addr=2,packed=on"
        machine = start_machine(
            [
                *("-netdev", f"dgram,id=n0,{local},{remote}"),
                *("-device", f"{device},mac={MAC.hex(':')},ioeventfd=off"),
            ]
        )
        with ours:
            yield Wire(folder, machine, ours)


class NetDriver:
    """A driver with one pair of queues and MSI-X: vector 0 for receive, 1 for transmit."""

    def __init__(self, wire: Wire, rings: int, receive_buffers: int = 4) -> None:
        self.machine = wire.machine
        self.ram = wire.machine.ram
        self.features = FEATURES | rings
        self.driver = driver = qemu_driver(wire.machine)
        driver.reset()
        assert driver.negotiate(self.features)
        driver.enable_msix()
        self.rx = driver.set_up_queue(RX, 8, RX_RING, self.features, 0)
        self.tx = driver.set_up_queue(TX, 16, TX_RING, self.features, 1)
        driver.go_live()
        self.addresses: dict[int, int] = {}
        self.last_header = NetHeader()
        self.last_buffer = 0
        for index in range(receive_buffers):
            self.give_buffer(RX_BUFFERS + BUFFER_SIZE * index)
        self.publish(RX, self.rx)

    def table(self, index: int) -> int | None:
        is_on = has_feature(self.features, VIRTIO_F_INDIRECT_DESC)
        return TABLES + 0x100 * index if is_on else None

    def give_buffer(self, addr: int) -> None:
        self.ram.write(addr, bytes(BUFFER_SIZE))
        parts = ((addr, HEADER_SIZE), (addr + HEADER_SIZE, BUFFER_SIZE - HEADER_SIZE))
        head = self.rx.add((), parts, self.table((addr - RX_BUFFERS) // BUFFER_SIZE))
        assert head is not None
        self.addresses[head] = addr

    def publish(self, index: int, queue: DriverQueue) -> None:
        queue.publish()
        if queue.must_notify():
            self.driver.ring_doorbell(index)

    def transmit(self, frame: bytes) -> None:
        self.ram.write(TX_BUFFER, NetHeader().pack() + frame)
        parts = ((TX_BUFFER, HEADER_SIZE), (TX_BUFFER + HEADER_SIZE, len(frame)))
        assert self.tx.add(parts, (), self.table(15)) is not None
        self.publish(TX, self.tx)
        self.wait(self.tx.has_used)
        assert isinstance(self.tx.pop_used(), UsedBuffer)

    def receive(self) -> bytes:
        """Take the next frame; the length is read although QEMU does not set the write flag."""
        self.wait(self.rx.has_used)
        length = 0
        if isinstance(self.rx, PackedDriverQueue):
            length = self.rx._read_next_used()[1]
        used = self.rx.pop_used()
        assert isinstance(used, UsedBuffer)
        length = length or used.length
        self.last_buffer = self.addresses.pop(used.head_index)
        content = self.ram.read(self.last_buffer, length)
        self.last_header = NetHeader.unpack(content[:HEADER_SIZE])
        return content[HEADER_SIZE:]

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while not condition():
            assert time.monotonic() < deadline, "nothing came"
            self.machine.barrier()


def frame(number: int, length: int = 60) -> bytes:
    return (MAC + bytes(6) + b"\x88\xb5" + bytes((number,))).ljust(length, bytes((number,)))


def test_configuration_space_is_read_as_the_standard_lays_it_out(wire: Wire) -> None:
    driver = qemu_driver(wire.machine)
    driver.reset()
    assert driver.negotiate(FEATURES)
    config = NetConfig.unpack(driver.read_config(0, 24))
    assert (config.mac, config.status) == (MAC, VIRTIO_NET_S_LINK_UP)


@pytest.mark.parametrize("rings", RINGS, ids=hex)
def test_frames_go_out_and_come_in_over_every_kind_of_ring(rings: int, wire: Wire) -> None:
    driver = NetDriver(wire, rings)
    for number in range(1, 12):
        sent = frame(number, 60 + 97 * number)
        driver.transmit(sent)
        assert wire.receive() == sent
        wire.send(sent)
        assert driver.receive() == sent
        driver.give_buffer(driver.last_buffer)
        driver.publish(RX, driver.rx)
    settled(wire.machine, TX, PATH)
    assert set(driver.driver.take_messages()) == {0, 1}
    driver.driver.reset()


def test_receive_header_counts_its_buffer_only_where_buffers_may_be_merged(wire: Wire) -> None:
    """Without MRG_RXBUF the standard wants 1 (5.1.6.3.2); QEMU leaves 0."""
    counts = []
    for rings in (0, feature_mask(VIRTIO_NET_F_MRG_RXBUF)):
        driver = NetDriver(wire, rings)
        wire.send(frame(3))
        assert driver.receive() == frame(3)
        counts.append(driver.last_header.buffer_count)
        driver.driver.reset()
    assert counts == [0, 1]


def test_frame_that_comes_after_the_reset_lands_nowhere_and_never(wire: Wire) -> None:
    """Reception is unsolicited, so what silences it is the reset alone.

    QEMU keeps such a frame, and the next driver's own reset throws it away.
    """
    former = NetDriver(wire, 0)
    former.driver.reset()
    former.driver.take_messages()
    before = wire.machine.ram.read(0, 0x4_0000)
    wire.send(frame(77))
    wire.machine.barrier()
    wire.machine.qmp("query-status")
    assert wire.machine.ram.read(0, 0x4_0000) == before
    assert former.driver.take_messages() == ()

    following = NetDriver(wire, 0)
    wire.send(frame(78))
    assert following.receive() == frame(78)
    following.driver.reset()
