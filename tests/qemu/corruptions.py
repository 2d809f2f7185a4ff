"""Ways to spoil a chain of header, data and status after a driver has written it.

Each is given the memory, the ring, and the addresses of the chain's three descriptors.
"""

from collections.abc import Callable

from quiesce.model.virtio.layout import (
    DESCRIPTOR,
    DESCRIPTOR_SIZE,
    INDEX,
    VIRTQ_DESC_F_INDIRECT,
    VIRTQ_DESC_F_NEXT,
    VIRTQ_DESC_F_WRITE,
    RingLayout,
)
from quiesce.model.virtio.memory import GuestMemory

NOWHERE = 0x7000_0000
"""An address behind which there is neither memory nor a register."""

TABLE_BEHIND_STATUS = 0x100
"""Distance from a slot's status byte to the room for its indirect table."""

Corruption = Callable[[GuestMemory, RingLayout, list[int]], None]

HEADER, DATA, STATUS = 0, 1, 2
_ADDR, _LENGTH, _THIRD, _FOURTH = range(4)


def _change(memory: GuestMemory, place: int, index: int, value: int) -> None:
    fields = list(DESCRIPTOR.unpack(memory.read(place, DESCRIPTOR_SIZE)))
    fields[index] = value
    memory.write(place, DESCRIPTOR.pack(*fields))


def _field(memory: GuestMemory, place: int, index: int) -> int:
    return int(DESCRIPTOR.unpack(memory.read(place, DESCRIPTOR_SIZE))[index])


def _set(which: int, field: int, value: int) -> Corruption:
    return lambda memory, _, places: _change(memory, places[which], field, value)


def _flags(flags_at: int, which: int, added: int, removed: int = 0) -> Corruption:
    def change(memory: GuestMemory, _: RingLayout, places: list[int]) -> None:
        flags = _field(memory, places[which], flags_at)
        _change(memory, places[which], flags_at, flags & ~removed | added)

    return change


def _both(*changes: Corruption) -> Corruption:
    def change(memory: GuestMemory, layout: RingLayout, places: list[int]) -> None:
        for one in changes:
            one(memory, layout, places)

    return change


def _index_ahead(memory: GuestMemory, layout: RingLayout, _: list[int]) -> None:
    """The index as it will be published is one lap and a step further on."""
    index = INDEX.unpack(memory.read(layout.available_index, 2))[0]
    memory.write(layout.available_index, INDEX.pack((index + layout.size + 1) & 0xFFFF))


def _head_outside(memory: GuestMemory, layout: RingLayout, _: list[int]) -> None:
    index = INDEX.unpack(memory.read(layout.available_index, 2))[0]
    memory.write(layout.available_entry(index - 1), INDEX.pack(layout.size))


def _loop(memory: GuestMemory, layout: RingLayout, places: list[int]) -> None:
    """The data descriptor names itself as the next."""
    ring = layout.descriptor_area
    is_in_ring = ring <= places[HEADER] < ring + DESCRIPTOR_SIZE * layout.size
    start = ring if is_in_ring else places[HEADER]
    _change(memory, places[DATA], _FOURTH, (places[DATA] - start) // DESCRIPTOR_SIZE)


def _unannounced_table(memory: GuestMemory, layout: RingLayout, places: list[int]) -> None:
    """The chain moves into a table behind its status byte; only its head stays in the ring."""
    table = _field(memory, places[STATUS], _ADDR) + TABLE_BEHIND_STATUS
    for index, place in enumerate(places):
        memory.write(table + DESCRIPTOR_SIZE * index, memory.read(place, DESCRIPTOR_SIZE))
        _change(memory, table + DESCRIPTOR_SIZE * index, _FOURTH, index + 1)
    reference = DESCRIPTOR.pack(table, 3 * DESCRIPTOR_SIZE, VIRTQ_DESC_F_INDIRECT, 0)
    memory.write(places[HEADER], reference)


def _tail_in_table(memory: GuestMemory, layout: RingLayout, places: list[int]) -> None:
    """Header in the ring, data and status in a table: unusual, and allowed (2.7.5.3.2)."""
    table = _field(memory, places[STATUS], _ADDR) + 2 * TABLE_BEHIND_STATUS
    for index, place in enumerate(places[DATA:]):
        memory.write(table + DESCRIPTOR_SIZE * index, memory.read(place, DESCRIPTOR_SIZE))
        _change(memory, table + DESCRIPTOR_SIZE * index, _FOURTH, index + 1)
    reference = DESCRIPTOR.pack(table, 2 * DESCRIPTOR_SIZE, VIRTQ_DESC_F_INDIRECT, 0)
    memory.write(places[DATA], reference)


def _common(flags_at: int) -> dict[str, Corruption]:
    """What can be spoilt in either format; `flags_at` says which field holds the flags."""
    return {
        "header too short": _set(HEADER, _LENGTH, 8),
        "no bytes in the data": _set(DATA, _LENGTH, 0),
        "no bytes in the status": _set(STATUS, _LENGTH, 0),
        "readable after writable": _flags(flags_at, STATUS, 0, VIRTQ_DESC_F_WRITE),
        "nothing writable": _both(
            _flags(flags_at, DATA, 0, VIRTQ_DESC_F_WRITE),
            _flags(flags_at, STATUS, 0, VIRTQ_DESC_F_WRITE),
        ),
        "nothing readable": _flags(flags_at, HEADER, VIRTQ_DESC_F_WRITE),
        "header nowhere": _set(HEADER, _ADDR, NOWHERE),
        "data nowhere": _set(DATA, _ADDR, NOWHERE),
        "status nowhere": _set(STATUS, _ADDR, NOWHERE),
        "table of odd length": _both(
            _flags(flags_at, HEADER, VIRTQ_DESC_F_INDIRECT, VIRTQ_DESC_F_NEXT),
            _set(HEADER, _LENGTH, 17),
        ),
        "empty table": _both(
            _flags(flags_at, HEADER, VIRTQ_DESC_F_INDIRECT, VIRTQ_DESC_F_NEXT),
            _set(HEADER, _LENGTH, 0),
        ),
        "table chained on": _both(
            _flags(flags_at, HEADER, VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_NEXT),
            _set(HEADER, _LENGTH, 16),
        ),
        "chain goes on after its end": _flags(flags_at, STATUS, VIRTQ_DESC_F_NEXT),
    }


SPLIT: dict[str, Corruption] = {
    **_common(_THIRD),
    "loop": _loop,
    "next outside the table": _set(HEADER, _FOURTH, 999),
    "head outside the table": _head_outside,
    "index too far ahead": _index_ahead,
    "unannounced table": _unannounced_table,
    "tail in a table": _tail_in_table,
}

PACKED: dict[str, Corruption] = _common(_FOURTH)

REACHES_THE_DEVICE = frozenset(
    {
        "header too short",
        "nothing writable",
        "nothing readable",
        "header nowhere",
        "data nowhere",
        "status nowhere",
    }
)
"""What a packed ring lets pass and the block device finds."""

CORRUPTIONS = tuple(dict.fromkeys((*SPLIT, *PACKED)))
"""The names of all, in a fixed order."""
