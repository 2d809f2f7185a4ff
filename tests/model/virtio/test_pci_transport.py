"""Stories about PCI functions in general and virtio ones in particular."""

import pytest

from quiesce.model.virtio.device_registers import NO_VECTOR, DeviceRegisters
from quiesce.model.virtio.effects import (
    AccessRefused,
    BarMoved,
    CapabilityWritten,
    CommandChanged,
    ConfigWritten,
    MsiMessage,
    MsixControlChanged,
    QueueNotified,
    QueueReadyChanged,
    QueueResetRequested,
    VectorMapped,
)
from quiesce.model.virtio.features import (
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_F_RING_RESET,
    VIRTIO_F_VERSION_1,
    feature_mask,
)
from quiesce.model.virtio.layout import RingLayout
from quiesce.model.virtio.pci_function import QVM_HOST_BRIDGE, Bar, PciFunction, PciIdentity
from quiesce.model.virtio.pci_transport import PciTransport

OFFERED = feature_mask(VIRTIO_F_VERSION_1, VIRTIO_F_RING_RESET)
COMMON, ISR, DEVICE, NOTIFY = 0x0000, 0x1000, 0x2000, 0x3000


def block_device(offered: int = OFFERED, vectors: int | None = None) -> PciTransport:
    registers = DeviceRegisters(
        2, offered, (256, 64), config=bytes(range(72)), writable_config=(32,)
    )
    return PciTransport(registers, 0x018000, vectors)


def read(device: PciTransport, offset: int, length: int) -> int:
    return device.bar_read(4, offset, length)


def live(device: PciTransport) -> None:
    offered = device.registers.machine.offered
    device.bar_write(4, COMMON + 20, 1, 3)
    for select in (0, 1):
        device.bar_write(4, COMMON + 8, 4, select)
        device.bar_write(4, COMMON + 12, 4, offered >> 32 * select & 0xFFFFFFFF)
    for status in (11, 15):
        device.bar_write(4, COMMON + 20, 1, status)
    assert read(device, COMMON + 20, 1) == 15


def enable_msix(device: PciTransport, vectors: int) -> None:
    for vector in range(vectors):
        for word, value in enumerate((0xFEE00000 + 0x100 * vector, 0, 0x40 + vector, 0)):
            device.bar_write(1, 16 * vector + 4 * word, 4, value)
    control = msix_offset(device) + 2
    effects = device.config_write(control, 2, 0x8000)
    assert effects == [MsixControlChanged(is_enabled=True, is_function_masked=False)]


def msix_offset(device: PciTransport) -> int:
    return next(offset for id_, offset, _ in device.function.capabilities if id_ == 0x11)


def walk_capabilities(device: PciTransport) -> list[tuple[int, int]]:
    found = []
    at = device.config_read(0x34, 1)
    while at:
        found.append((device.config_read(at, 1), at))
        at = device.config_read(at + 1, 1)
    return found


def test_host_bridge_of_a_vm_is_a_function_without_anything() -> None:
    bridge = PciFunction(QVM_HOST_BRIDGE)
    assert bridge.read(0, 4) == 0x00021C05
    assert bridge.read(8, 4) == 0x06000000
    assert bridge.read(0x06, 2) & 0x10 == 0
    assert bridge.write(0x10, 4, 0xFFFFFFFF) == []
    assert bridge.read(0x10, 4) == 0
    assert bridge.read(0x3F, 2) == 0xFFFF


def test_bars_are_sized_by_writing_ones_and_decode_when_the_command_says_so() -> None:
    bars = (Bar(0, 0x20, is_io=True), Bar(1, 0x1000), Bar(4, 0x4000, is_64bit=True))
    function = PciFunction(PciIdentity(1, 2, 3), bars)
    for offset, mask in ((0x10, 0xFFFFFFE1), (0x14, 0xFFFFF000), (0x20, 0xFFFFC004)):
        function.write(offset, 4, 0xFFFFFFFF)
        assert function.read(offset, 4) == mask
    function.write(0x10, 4, 0xC000)
    function.write(0x14, 4, 0xE0001000)
    assert function.write(0x20, 4, 0xE0004000) == [BarMoved(4)]
    assert function.write(0x24, 4, 0x1) == [BarMoved(4)]
    assert function.decode(0xE0001010, 4) is None
    assert function.write(0x04, 2, 0x2) == [CommandChanged(0, 2)]
    assert function.decode(0xE0001010, 4) == (1, 0x10)
    assert function.decode(0x1_E0004004, 4) == (4, 4)
    assert function.decode(0xE0001FFE, 4) is None
    assert function.decode(0xC000, 1, is_io=True) is None
    function.write(0x04, 2, 0x3)
    assert function.decode(0xC000, 1, is_io=True) == (0, 0)


def test_identity_registers_keep_their_values_whatever_is_written() -> None:
    device = block_device()
    before = bytes(device.function.space)
    for offset in (0x00, 0x08, 0x2C, 0x34):
        device.config_write(offset, 4, 0xFFFFFFFF)
    assert bytes(device.function.space) == before


def test_virtio_function_shows_itself_as_a_qnx_vm_does() -> None:
    device = block_device()
    assert device.config_read(0x00, 4) == 0x10421AF4
    assert device.config_read(0x2C, 4) == 0x00421C05
    assert device.config_read(0x08, 4) >> 8 == 0x018000


def test_driver_finds_every_structure_through_the_capability_list() -> None:
    device = block_device()
    found = {}
    for id_, at in walk_capabilities(device):
        if id_ == 0x09:
            kind = device.config_read(at + 3, 1)
            bar = device.config_read(at + 4, 1)
            found[kind] = (bar, device.config_read(at + 8, 4), device.config_read(at + 12, 4))
            if kind == 2:
                assert device.config_read(at + 2, 1) == 20
                assert device.config_read(at + 16, 4) == 4
    assert found == {
        1: (4, COMMON, 64),
        2: (4, NOTIFY, 8),
        3: (4, ISR, 1),
        4: (4, DEVICE, 72),
        5: (0, 0, 0),
    }
    assert walk_capabilities(device)[0][0] == 0x11


def test_common_configuration_sets_up_a_queue() -> None:
    device = block_device()
    live(device)
    assert read(device, COMMON + 18, 2) == 2
    device.bar_write(4, COMMON + 22, 2, 1)
    assert read(device, COMMON + 24, 2) == 64
    assert read(device, COMMON + 30, 2) == 1
    device.bar_write(4, COMMON + 24, 2, 32)
    for offset, value in ((32, 0x1000), (36, 1), (40, 0x2000), (48, 0x3000), (52, 3)):
        assert device.bar_write(4, COMMON + offset, 4, value) == []
    assert read(device, COMMON + 36, 4) == 1
    assert device.bar_write(4, COMMON + 28, 2, 1) == [QueueReadyChanged(1, is_ready=True)]
    layout = device.registers.queues[1].layout
    assert layout == RingLayout(32, 0x1_0000_1000, 0x2000, 0x3_0000_3000)
    assert isinstance(device.bar_write(4, COMMON + 32, 4, 0)[0], AccessRefused)
    assert isinstance(device.bar_write(4, COMMON + 28, 2, 0)[0], AccessRefused)
    assert read(device, COMMON + 28, 2) == 1


@pytest.mark.parametrize(("offset", "length"), [(20, 4), (24, 4), (32, 8), (33, 4), (21, 1)])
def test_fields_are_accessed_whole_and_read_only_ones_are_kept(offset: int, length: int) -> None:
    device = block_device()
    before = device.state()
    assert isinstance(device.bar_write(4, COMMON + offset, length, 1)[0], AccessRefused)
    assert device.state() == before


def test_doorbell_names_the_queue_by_its_place() -> None:
    device = block_device()
    live(device)
    assert device.bar_write(4, NOTIFY + 4, 2, 1) == [QueueNotified(1)]
    assert isinstance(device.bar_write(4, NOTIFY + 8, 2, 2)[0], AccessRefused)
    assert isinstance(device.bar_write(4, NOTIFY + 4, 4, 1)[0], AccessRefused)
    telling = block_device(OFFERED | feature_mask(VIRTIO_F_NOTIFICATION_DATA))
    live(telling)
    assert telling.bar_write(4, NOTIFY + 4, 4, 0x80050001) == [QueueNotified(1, 0x8005)]


def test_reading_the_isr_clears_it_and_drops_the_line() -> None:
    device = block_device()
    assert device.notify_used(0) is None
    assert device.notify_config() is None
    assert device.line_is_asserted
    assert device.config_read(0x06, 2) & 8
    assert read(device, ISR, 1) == 3
    assert read(device, ISR, 1) == 0
    assert not device.line_is_asserted


def test_intx_disable_holds_the_line_but_not_the_status() -> None:
    device = block_device()
    device.notify_used(0)
    device.config_write(0x04, 2, 0x400)
    assert not device.line_is_asserted
    assert device.function.intx_is_pending


def test_event_without_a_vector_is_silent_and_one_with_it_is_a_message() -> None:
    device = block_device()
    enable_msix(device, 3)
    assert device.notify_used(1) is None
    device.bar_write(4, COMMON + 22, 2, 1)
    assert device.bar_write(4, COMMON + 26, 2, 2) == [VectorMapped(1, 2)]
    assert device.notify_used(1) == MsiMessage(2, 0xFEE00200, 0x42)
    assert not device.line_is_asserted
    assert device.bar_write(4, COMMON + 16, 2, 3) == [VectorMapped(None, NO_VECTOR)]
    assert read(device, COMMON + 16, 2) == NO_VECTOR
    assert device.notify_config() is None


def test_masked_vector_waits_and_its_message_goes_out_once_with_the_new_address() -> None:
    device = block_device()
    enable_msix(device, 3)
    device.bar_write(4, COMMON + 26, 2, 1)
    device.bar_write(1, 16 + 12, 4, 1)
    assert device.notify_used(0) is None
    assert device.notify_used(0) is None
    assert device.bar_read(1, 0x800, 4) == 0b010
    device.bar_write(1, 16, 4, 0xFEE0AB00)
    assert device.bar_write(1, 16 + 12, 4, 0) == [MsiMessage(1, 0xFEE0AB00, 0x41)]
    assert device.bar_read(1, 0x800, 8) == 0
    assert device.notify_used(0) is not None


def test_mask_of_all_vectors_holds_every_message_back() -> None:
    device = block_device()
    enable_msix(device, 3)
    device.bar_write(4, COMMON + 26, 2, 0)
    control = msix_offset(device) + 2
    device.config_write(control, 2, 0xC000)
    assert device.notify_used(0) is None
    assert device.config_write(control, 2, 0x8000) == [
        MsixControlChanged(is_enabled=True, is_function_masked=False),
        MsiMessage(0, 0xFEE00000, 0x40),
    ]


def test_switching_msix_off_falls_back_to_the_line() -> None:
    device = block_device()
    enable_msix(device, 3)
    device.config_write(msix_offset(device) + 2, 2, 0)
    assert device.notify_used(0) is None
    assert device.line_is_asserted


def test_reset_takes_away_queues_vectors_and_interrupts_when_it_is_done() -> None:
    device = block_device()
    live(device)
    device.bar_write(4, COMMON + 16, 2, 0)
    device.bar_write(4, COMMON + 26, 2, 1)
    device.bar_write(4, COMMON + 28, 2, 1)
    device.notify_used(0)
    device.bar_write(4, COMMON + 20, 1, 0)
    assert read(device, COMMON + 20, 1) == 15
    assert device.line_is_asserted
    device.complete_reset()
    assert [read(device, COMMON + n, 2) for n in (16, 26, 28)] == [NO_VECTOR, NO_VECTOR, 0]
    assert read(device, COMMON + 20, 1) == 0
    assert not device.line_is_asserted
    assert device.state() == block_device().state()


def test_device_reset_leaves_command_and_msix_of_the_function_alone() -> None:
    """A virtio reset is not a function reset: bus mastering and the MSI-X table stay."""
    device = block_device()
    live(device)
    device.config_write(0x04, 2, 0x6)
    enable_msix(device, 3)
    device.bar_write(4, COMMON + 20, 1, 0)
    device.complete_reset()
    assert device.function.bus_master_enable
    assert device.function.msix is not None
    assert device.function.msix.is_enabled
    device.function_reset()
    assert device.state() == block_device().state()


def test_queue_reset_keeps_the_queue_enabled_until_it_is_done() -> None:
    device = block_device()
    live(device)
    device.bar_write(4, COMMON + 28, 2, 1)
    assert device.bar_write(4, COMMON + 58, 2, 1) == [QueueResetRequested(0)]
    assert [read(device, COMMON + n, 2) for n in (58, 28)] == [1, 1]
    device.complete_queue_reset(0)
    assert [read(device, COMMON + n, 2) for n in (58, 28)] == [0, 0]


def test_window_in_configuration_space_reaches_the_registers() -> None:
    device = block_device()
    window = device.window
    device.config_write(window + 4, 1, 4)
    device.config_write(window + 8, 4, DEVICE + 8)
    device.config_write(window + 12, 4, 2)
    assert device.config_read(window + 16, 2) == 0x0908
    device.config_write(window + 8, 4, DEVICE + 32)
    device.config_write(window + 12, 4, 1)
    assert device.config_write(window + 16, 1, 7) == [ConfigWritten(32, 1)]
    assert read(device, DEVICE + 32, 1) == 7
    device.config_write(window + 12, 4, 3)
    assert isinstance(device.config_write(window + 16, 1, 7)[0], AccessRefused)
    assert device.config_read(window + 16, 1) == 0


def test_device_without_vectors_has_no_msix_capability() -> None:
    device = block_device(vectors=0)
    assert all(id_ == 0x09 for id_, _ in walk_capabilities(device))
    device.bar_write(4, COMMON + 26, 2, 0)
    assert read(device, COMMON + 26, 2) == NO_VECTOR


def test_own_capability_of_a_function_is_listed_and_tells_its_writes() -> None:
    function = PciFunction(PciIdentity(1, 2, 3))
    at = function.add_capability(0x10, bytes(6), b"\0\0\xff")
    assert function.read(0x34, 1) == at
    assert function.write(at + 4, 1, 0x5A) == [CapabilityWritten(at + 4, 1, 0x5A)]
    assert function.read(at + 4, 2) == 0x005A
