"""The register side of a virtio vdev: what the guest's accesses reach, and its interrupts.

A register access of the guest is carried out at once, on the vCPU thread that makes it.  What it
causes beyond the registers is an effect, and `take_effect` carries the effect out.

The level interrupt follows the transport's line.  Each rise, and each acknowledgement that leaves
the line up, makes the interrupt pending in the guest once; a message does so when it is sent.

Source:
    VIRTIO 1.2, 2.1.2, 2.3, 4.1.4.5, 4.1.5 and 4.2.3.4.
"""

from ..plan.virtio_plan import VirtioPlan
from ..sim.component import Component
from ..trace.event_base import TraceEvent
from ..trace.events import IrqInjected
from ..trace.virtio_events import (
    ConfigChanged,
    FeaturesOffered,
    LineLowered,
    NeedsResetSet,
    NotificationSent,
)
from ..virtio.device_registers import DeviceRegisters
from ..virtio.effects import Effect, InterruptAcknowledged, MsiMessage
from ..virtio.features import (
    VIRTIO_F_EVENT_IDX,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_INDIRECT_DESC,
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_F_RING_PACKED,
    VIRTIO_F_RING_RESET,
    VIRTIO_F_SUSPEND,
    VIRTIO_F_VERSION_1,
    feature_mask,
)
from ..virtio.mmio_transport import MmioTransport
from ..virtio.pci_function import PciFunction
from ..virtio.pci_transport import QNX_SUBSYSTEM_VENDOR_ID, PciTransport
from .site import NO_LINE, VdevSite, WorkerRam

CONFIG_CHANGE = -1
"""The queue number of a configuration change notification."""

_OFFERED: dict[str, int] = {
    "event_index": VIRTIO_F_EVENT_IDX,
    "indirect": VIRTIO_F_INDIRECT_DESC,
    "in_order": VIRTIO_F_IN_ORDER,
    "notification_data": VIRTIO_F_NOTIFICATION_DATA,
    "ring_reset": VIRTIO_F_RING_RESET,
    "suspend": VIRTIO_F_SUSPEND,
}


def offered_by(plan: VirtioPlan) -> int:
    """Return the features that belong to no device type and are offered, as a number."""
    bits = [bit for name, bit in _OFFERED.items() if getattr(plan, name)]
    if plan.format == "packed":
        bits.append(VIRTIO_F_RING_PACKED)
    return feature_mask(VIRTIO_F_VERSION_1, *bits)


class RegisterSide(Component):
    """The registers of a virtio vdev, and the notifications that go with them.

    Args:
        site: What the vdev gets from its qvm.
        plan: What it offers.
        name: Its name in the VM.
        registers: Status, features, queues and configuration.
        class_code: On PCI, 24 bits.

    Attributes:
        transport: The register file.
        is_active: Whether the driver has set DRIVER_OK, and the vdev has not failed.
        line_is_up: Whether it asserts its level interrupt.
    """

    def __init__(
        self,
        site: VdevSite,
        plan: VirtioPlan,
        name: str,
        registers: DeviceRegisters,
        class_code: int,
    ) -> None:
        super().__init__(site.kernel, f"{site.vm}.{name}", site.timing)
        self.site = site
        self.common = plan
        self.vm, self.epoch = site.vm, site.epoch
        self.is_detailed = site.is_detailed
        self.ram = WorkerRam(site, self.name)
        self.registers = registers
        self.mmio = MmioTransport(registers, QNX_SUBSYSTEM_VENDOR_ID)
        self.pci: PciTransport | None = None
        if plan.transport == "pci":
            self.pci = PciTransport(registers, class_code, None if plan.msix else 0)
        self.transport: MmioTransport | PciTransport = self.pci or self.mmio
        self.intr = plan.intr
        self.is_active = False
        self.line_is_up = False
        if self.is_detailed:
            version = "1.4" if plan.suspend else "1.2"
            offered = registers.machine.offered
            who = (self.name, self.epoch)
            device_id = registers.device_id
            self.emit(FeaturesOffered(*who, offered, version, plan.transport, device_id))

    def take_effect(self, effect: Effect) -> None:
        """Carry out what an access causes beyond the registers."""
        raise NotImplementedError

    @property
    def function(self) -> PciFunction:
        """Its PCI configuration space."""
        assert self.pci is not None
        return self.pci.function

    def emit_detail(self, event: TraceEvent) -> None:
        """Emit an event of `virtio_events`; the caller has checked `is_detailed`."""
        self.emit(event)  # type: ignore[arg-type]  # every one of them is an AnyEvent

    # Register accesses of the guest, on its vCPU thread.

    def read_register(self, offset: int, length: int, region: int = 0) -> int:
        """Return what a read gives.

        Args:
            offset: From the start of the registers.
            length: Bytes.
            region: Which base address register, on PCI.
        """
        if self.pci is None:
            return self.mmio.read(offset, length)
        value = self.pci.bar_read(region, offset, length)
        # Invariant: a read never raises the line.  A read of the ISR may lower it.
        if self.line_is_up:
            self.follow_line()
        return value

    def write_register(self, offset: int, length: int, value: int, region: int = 0) -> None:
        """Carry out a write."""
        if self.pci is None:
            self.take_effects(self.mmio.write(offset, length, value))
        else:
            self.take_effects(self.pci.bar_write(region, offset, length, value))

    def config_read(self, offset: int, length: int) -> int:
        """Return what a PCI configuration read gives."""
        assert self.pci is not None
        value = self.pci.config_read(offset, length)
        if self.line_is_up:
            self.follow_line()
        return value

    def config_write(self, offset: int, length: int, value: int) -> None:
        """Carry out a PCI configuration write."""
        assert self.pci is not None
        self.take_effects(self.pci.config_write(offset, length, value))
        self.follow_line()

    def take_effects(self, effects: list[Effect]) -> None:
        """Carry out all effects of an access, in order."""
        for effect in effects:
            if isinstance(effect, MsiMessage):
                self._inject(effect.data)
            elif isinstance(effect, InterruptAcknowledged):
                self._acknowledge()
            else:
                self.take_effect(effect)

    def _acknowledge(self) -> None:
        self.follow_line()
        if self.line_is_up:  # another bit stands: the line interrupts again at once
            self._inject(NO_LINE)

    # Notifications.

    def notify_used(self, index: int) -> None:
        """Send a used buffer notification."""
        self._notify(self.transport.notify_used(index), index)

    def notify_config(self) -> None:
        """Send a configuration change notification."""
        self._notify(self.transport.notify_config(), CONFIG_CHANGE)

    def change_config(self, offset: int, data: bytes) -> None:
        """Change the configuration space and notify the driver, if the vdev is active."""
        self.registers.change_config(offset, data)
        if self.is_detailed:
            generation = self.registers.config_generation
            self.emit(ConfigChanged(self.name, self.epoch, generation))
        if self.is_active:
            self.notify_config()

    def _notify(self, message: MsiMessage | None, queue: int) -> None:
        if self.is_detailed:
            status = self.registers.interrupt_status
            carrier = "msix" if message is not None else "none"
            if message is None and self.transport.line_is_asserted:
                carrier = "line"
            self.emit(NotificationSent(self.name, self.epoch, queue, carrier, status != 0))
        if message is not None:
            self._inject(message.data)
        else:
            self.follow_line()

    def follow_line(self) -> None:
        """Raise or lower the level interrupt as the registers say."""
        # Invariant: `line_is_up` is the level that the guest's controller has seen.  One interrupt
        # becomes pending for each rise.
        is_up = self.transport.line_is_asserted
        if is_up == self.line_is_up:
            return
        self.line_is_up = is_up
        if is_up:
            self._inject(NO_LINE)
        elif self.is_detailed:
            self.emit(LineLowered(self.name, self.epoch))

    def _inject(self, number: int) -> None:
        """Make the level interrupt (`NO_LINE`) or a message pending in the guest."""
        self.emit(IrqInjected(NO_LINE, self.vm, self.epoch, self.epoch, self.name))
        self.site.pic.inject(self.intr if number == NO_LINE else number)

    def fail(self) -> None:
        """Set DEVICE_NEEDS_RESET and notify a driver that is live (VIRTIO 1.2, 2.1.2)."""
        must_notify = self.registers.fail()
        self.is_active = False
        if self.is_detailed:
            self.emit(NeedsResetSet(self.name, self.epoch, must_notify))
        if must_notify:
            self.notify_config()
