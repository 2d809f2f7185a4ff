"""Our walk over configuration space, on a bus that is not ours: what does QEMU say is there?"""

from typing import Any

import pytest

from quiesce.model.pci.walk import FoundFunction, enumerate_functions

from .conftest import MachineMaker
from .machine import QemuMachine
from .pci_access import QemuBus, QemuFunction, place_bars

DEVICES = (
    *("-blockdev", "driver=null-co,node-name=n0,size=65536"),
    *("-blockdev", "driver=null-co,node-name=n1,size=65536"),
    *("-object", "memory-backend-ram,id=shared,size=1M"),
    *("-device", "virtio-blk-pci-non-transitional,drive=n0,addr=2"),
    *("-device", "virtio-net-pci-non-transitional,addr=3,multifunction=on"),
    *("-device", "edu,addr=3.1"),
    *("-device", "ivshmem-plain,memdev=shared,addr=3.5"),
    *("-device", "virtio-serial-pci-non-transitional,addr=4"),
    *("-device", "virtio-blk-pci-transitional,drive=n1,addr=5"),
    *("-device", "e1000e,addr=6"),
    *("-device", "qemu-xhci,addr=7"),
    *("-device", "pcie-root-port,id=rp0,addr=8"),
)

EXPANSION_ROM = 6
"""QEMU's number for a register that our walk leaves alone."""

Function = tuple[object, ...]


@pytest.fixture(scope="module")
def machine(start_machine: MachineMaker) -> QemuMachine:
    return start_machine(DEVICES)


def as_reported(device: dict[str, Any]) -> Function:
    """Return what QMP says of a function."""
    identity = device["id"]
    return (
        (device["bus"], device["slot"], device["function"]),
        (identity["vendor"], identity["device"]),
        (identity.get("subsystem-vendor", 0), identity.get("subsystem", 0)),
        device["class_info"]["class"],
        device["irq_pin"],
        tuple(
            (
                region["bar"],
                region["size"],
                region["type"] == "io",
                bool(region.get("mem_type_64")),
                bool(region.get("prefetch")),
            )
            for region in device["regions"]
            if region["bar"] != EXPANSION_ROM
        ),
    )


def as_found(function: FoundFunction) -> Function:
    """Return what our walk says of it."""
    assert function.class_code is not None
    address = function.address
    return (
        (address.bus, address.device, address.function),
        (function.vendor_id, function.device_id),
        (function.subsystem_vendor_id, function.subsystem_id),
        function.class_code >> 8,
        function.interrupt_pin,
        tuple(
            (bar.index, bar.size, bar.is_io, bar.is_64bit, bar.is_prefetchable)
            for bar in function.bars
        ),
    )


def test_walk_finds_what_qemu_says_is_on_its_bus(machine: QemuMachine) -> None:
    (bus,) = machine.qmp("query-pci")
    reported = [device for device in bus["devices"] if "pci_bridge" not in device]
    found = enumerate_functions(QemuBus(machine), 0)
    with_plain_header = [function for function in found if function.space[0x0E] & 0x7F == 0]
    assert [as_found(function) for function in with_plain_header] == [
        as_reported(device) for device in reported
    ]
    assert len(reported) >= 12
    bridges = [device for device in bus["devices"] if "pci_bridge" in device]
    assert [(bridge["slot"], bridge["function"]) for bridge in bridges] == [
        (function.address.device, function.address.function)
        for function in found
        if function not in with_plain_header
    ]


def test_walk_reads_the_virtio_types_of_modern_and_transitional_devices(
    machine: QemuMachine,
) -> None:
    found = enumerate_functions(QemuBus(machine), 0)
    kinds = {f.address.device: f.virtio_id for f in found if f.virtio_id is not None}
    assert kinds == {2: 2, 3: 1, 4: 3, 5: 2}


@pytest.mark.slow
def test_bars_that_we_place_are_where_qemu_says_they_are(machine: QemuMachine) -> None:
    bus = QemuBus(machine)
    (blk,) = [f for f in enumerate_functions(bus, 0) if f.address.device == 2]
    placed = place_bars(QemuFunction(bus, blk))
    (pci,) = machine.qmp("query-pci")
    (reported,) = [device for device in pci["devices"] if device["slot"] == 2]
    assert {
        region["bar"]: region["address"]
        for region in reported["regions"]
        if region["bar"] != EXPANSION_ROM
    } == placed
    (again,) = [f for f in enumerate_functions(bus, 0) if f.address.device == 2]
    assert {bar.index: bar.address for bar in again.bars} == placed
