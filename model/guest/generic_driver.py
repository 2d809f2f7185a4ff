"""The guest's driver for a passed-through generic device."""

from ..hardware.generic_device import GenericDevice
from ..hardware.generic_procedure import PROCEDURE
from ..hardware.procedure import wait_until
from ..sim.kernel import Steps
from .device_driver import DeviceDriver, GuestSite

RING_SIZE = 64
_JOBS_UNHEARD_MAX = 64
"""How many operations the driver requests in advance from a device that never interrupts."""

_POLL_NS_MAX = 1_000_000_000


class GenericDriver(DeviceDriver[GenericDevice]):
    """The driver.

    Attributes:
        area, stride, ring: Buffers and completion ring.
        remaining: Operations that the driver has yet to request; 0 at the start means without end.
        until_own_registers: Operations up to the one into the device's registers; 0 for none.
    """

    procedure = PROCEDURE

    def __init__(self, site: GuestSite, device: GenericDevice) -> None:
        super().__init__(site, device)
        allocator = site.allocator
        plan = device.plan
        self.stride = max(16, sum(plan.lengths), plan.reads)
        self.area = allocator.allocate(self.stride * plan.in_flight, 4096)
        ring_length = plan.completion_length * RING_SIZE
        self.ring = allocator.allocate(ring_length, 4096) if ring_length else 0
        self.remaining = plan.jobs
        self.until_own_registers = plan.own_registers_at

    def set_up(self) -> Steps:
        """Reset the device, program its areas, enable it, and request the first operations."""
        plan = self.device.plan
        self.post("RESET", 1)
        yield from wait_until(
            self.kernel, self.device, lambda: self.device.is_reset_done, _POLL_NS_MAX
        )
        if plan.is_pcie:
            self.post("PCI.BME", 1)
        self.post("AREA", self.area)
        self.post("AREA.STRIDE", self.stride)
        if self.ring:
            self.emit_dma_requested(self.ring, plan.completion_length * RING_SIZE)
            self.post("RING", self.ring)
            self.post("RING.SIZE", RING_SIZE)
        self.post("IRQ.ENABLE", 1)
        self.post("ENABLE", 1)
        if plan.period is not None:
            for number in range(plan.in_flight):
                self._announce_buffer(number)
            return
        jobs = plan.in_flight if plan.interrupts else (plan.jobs or _JOBS_UNHEARD_MAX)
        for number in range(jobs):
            self._request_next(number % plan.in_flight)

    def serve(self) -> None:
        """Request a further operation for each that is done."""
        for number in self.device.acknowledge():
            self._request_next(number)

    def _request_next(self, number: int) -> None:
        if self.is_stopping or (self.device.plan.jobs and not self.remaining):
            return
        self.remaining = max(0, self.remaining - 1)
        if self._targets_own_registers():
            self.post("AREA", self.device.registers_at - self.stride * number)
            self.post("GO", number)
            self.post("AREA", self.area)
            return
        self._announce_buffer(number)
        self.post("GO", number)

    def _targets_own_registers(self) -> bool:
        """Return whether this is the operation into the device's own registers."""
        if not self.until_own_registers:
            return False
        self.until_own_registers -= 1
        return not self.until_own_registers

    def _announce_buffer(self, number: int) -> None:
        length = sum(self.device.plan.lengths)
        if length:
            self.emit_dma_requested(self.area + self.stride * number, length)
