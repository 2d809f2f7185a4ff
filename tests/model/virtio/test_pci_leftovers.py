"""What must not be left over on PCI after a reset, and what must be there beside a message."""

from quiesce.model.virtio.device_registers import ISR_CONFIG, DeviceRegisters
from quiesce.model.virtio.pci_transport import ISR_OFFSET, REGISTER_BAR, PciTransport

ENABLED = 1 << 15


def transport_with_messages() -> PciTransport:
    transport = PciTransport(DeviceRegisters(2, 0, [8]), 0x018000)
    assert transport.function.msix is not None
    transport.function.msix.set_control(is_enabled=True, is_function_masked=True)
    return transport


def test_a_masked_message_of_the_former_life_is_gone_after_a_reset() -> None:
    """VIRTIO 1.2, 2.4.1: after a reset the device does not notify."""
    transport = transport_with_messages()
    transport.registers.queues[0].vector = 1
    assert transport.notify_used(0) is None, "it is masked and therefore only pending"
    transport.registers.machine.write(0)
    transport.complete_reset()
    assert transport.function.msix is not None
    let_go = transport.function.msix.set_control(is_enabled=True, is_function_masked=False)
    assert let_go == []


def test_a_configuration_change_sets_its_bit_although_a_message_tells_of_it() -> None:
    """VIRTIO 1.2, 4.1.4.5.1."""
    transport = transport_with_messages()
    transport.registers.config_vector = 0
    transport.notify_config()
    assert transport.bar_read(REGISTER_BAR.index, ISR_OFFSET, 1) == ISR_CONFIG


def test_a_used_buffer_sets_no_bit_where_a_message_tells_of_it() -> None:
    transport = transport_with_messages()
    transport.registers.queues[0].vector = 1
    transport.notify_used(0)
    assert transport.bar_read(REGISTER_BAR.index, ISR_OFFSET, 1) == 0
