"""Routes, the pending table and list registers, as state without time."""

import pytest

from quiesce.model.interrupts.list_registers import ListRegisters, VirtualIrq
from quiesce.model.interrupts.message_routes import Route, RouteTable
from quiesce.model.interrupts.pending_table import PendingTable

ROUTE = Route("eth0", 60)


def test_a_message_without_a_route_goes_nowhere() -> None:
    table = RouteTable()
    assert not table.translate(ROUTE)
    table.map(ROUTE)
    assert table.translate(ROUTE)
    assert not table.translate(Route("eth1", 60)), "the route is that device's alone"


def test_a_used_route_lives_on_in_the_cache_until_it_is_invalidated() -> None:
    """XSA-442 is the same thing for memory: the table was changed, the cache was not."""
    table = RouteTable()
    table.map(ROUTE)
    table.translate(ROUTE)
    table.unmap(ROUTE)
    assert table.translate(ROUTE)
    table.invalidate(ROUTE)
    assert not table.translate(ROUTE)


def test_a_route_that_nobody_used_is_not_cached() -> None:
    table = RouteTable()
    table.map(ROUTE)
    table.unmap(ROUTE)
    assert not table.translate(ROUTE)


def test_each_change_of_an_lpi_is_one_byte_to_be_written() -> None:
    table = PendingTable()
    assert table.program(1, 0x8000)
    table.note(60, is_pending=True)
    table.note(58, is_pending=True)
    assert table.dirty == [7], "both bits lie in one byte"
    assert table.write_back() == (0x8007, bytes([1 << 4 | 1 << 2]))
    table.note(60, is_pending=False)
    assert table.write_back() == (0x8007, bytes([1 << 2]))
    assert not table.dirty


def test_a_table_in_use_cannot_be_moved() -> None:
    """IHI 0069: GICR_PENDBASER is writable only while EnableLPIs is clear."""
    table = PendingTable()
    table.program(1, 0x8000)
    assert not table.program(2, 0x9000)
    assert (table.epoch, table.addr) == (1, 0x8000)
    table.disable()
    assert table.program(2, 0x9000)


def test_what_changed_before_the_disable_is_still_to_be_written() -> None:
    table = PendingTable()
    table.program(1, 0x8000)
    table.note(8, is_pending=True)
    table.disable()
    assert table.dirty == [1]


def irq(intid: int) -> VirtualIrq:
    return VirtualIrq(intid, 1, "eth0")


def test_what_finds_no_register_moves_in_when_one_is_free() -> None:
    registers = ListRegisters(count=2)
    for intid in (1, 2, 3, 2):
        registers.fill(irq(intid))
    assert (registers.held, registers.waiting) == ([irq(1), irq(2)], [irq(3)])
    registers.end(1)
    assert (registers.held, registers.waiting) == ([irq(2), irq(3)], [])


@pytest.mark.parametrize(("scrubbed", "left"), [(True, []), (False, [irq(1)])])
def test_registers_keep_what_they_hold_unless_they_are_scrubbed(
    scrubbed: bool, left: list[VirtualIrq]
) -> None:
    """What only waited is memory of qvm, and gone either way."""
    registers = ListRegisters(count=1)
    registers.fill(irq(1))
    registers.fill(irq(2))
    registers.leave(scrubbed=scrubbed)
    assert (registers.held, registers.waiting) == (left, [])
