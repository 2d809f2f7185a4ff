"""Every known difference between QEMU's block device and ours can be shown, and is written down."""

import re
from pathlib import Path

import pytest

from quiesce.model.virtio.block_format import VIRTIO_BLK_F_CONFIG_WCE
from quiesce.model.virtio.block_format import BlockRequestType as Kind
from quiesce.model.virtio.device_status import DeviceStatus
from quiesce.model.virtio.features import (
    VIRTIO_F_EVENT_IDX,
    VIRTIO_F_INDIRECT_DESC,
    VIRTIO_F_RING_PACKED,
)

from .actions import (
    Action,
    Collect,
    Corrupt,
    Initialise,
    Kick,
    Misbehave,
    ReadIsr,
    SetWriteback,
    Submit,
    Suppress,
)
from .block_pair import BlockPair, QemuDisk, block_arguments, model_side, qemu_side
from .conftest import MachineMaker
from .corruptions import PACKED, REACHES_THE_DEVICE
from .differences import DIFFERENCES, Difference
from .lockstep import Lockstep
from .side import Side

DOCUMENT = Path(__file__).parents[2] / "docs" / "fidelity.md"

PLAIN = Initialise()
_SPLIT_TABLES = Initialise(frozenset({VIRTIO_F_INDIRECT_DESC}))


def _request(kind: int, **changes: object) -> tuple[Action, ...]:
    return PLAIN, Submit(kind, **changes), Kick(), Collect()  # type: ignore[arg-type]


EXAMPLES: dict[str, tuple[Action, ...]] = {
    "used length of what was not written": _request(Kind.IN, sector=1 << 40),
    "identifier without padding": _request(Kind.GET_ID, length=20),
    "packed ring without the write flag": (
        Initialise(frozenset({VIRTIO_F_RING_PACKED})),
        Submit(),
        Kick(),
        Collect(),
    ),
    "interrupt status with MSI-X": (PLAIN, Submit(), Kick(), ReadIsr()),
    "first completion always notifies": (
        Initialise(frozenset({VIRTIO_F_EVENT_IDX})),
        Suppress(),
        Submit(),
        Kick(),
    ),
    "flush with a sector": _request(Kind.FLUSH, sector=1),
    "write-through without FLUSH": (Initialise(frozenset({VIRTIO_BLK_F_CONFIG_WCE})),),
    "bits of the request type ignored": _request(5),
    "legacy SCSI commands": _request(2),
    "segment flags after the range": _request(Kind.DISCARD, length=16, segment=(1 << 40, 1, 2)),
    "several segments": _request(Kind.DISCARD, length=32, segment=(0, 1, 0)),
    "segment cut short": _request(Kind.DISCARD, length=15, segment=(0, 1, 0)),
    "buffer where there is no memory": (PLAIN, Corrupt("data nowhere")),
    "available index too far ahead": (PLAIN, Corrupt("index too far ahead")),
    "indirect table without the feature": (PLAIN, Corrupt("unannounced table")),
    "table inside a table": (_SPLIT_TABLES, Corrupt("table chained on", indirect=True)),
    "table behind other descriptors": (_SPLIT_TABLES, Corrupt("tail in a table")),
    "features that were not offered": (Misbehave("a feature that is not offered"),),
    "status bits cleared by the driver": (Misbehave("status bits cleared"),),
    "DEVICE_NEEDS_RESET set by the driver": (Misbehave("DEVICE_NEEDS_RESET by the driver"),),
    "queue size that is not allowed": (Misbehave("queue size 5"),),
    "queue_enable written with 0": (Misbehave("queue_enable 0"),),
    "queue size changed in use": (Misbehave("queue size changed in use"),),
    "doorbell before DRIVER_OK": (Misbehave("doorbell before DRIVER_OK"),),
    "ring in a wrong place": (Misbehave("ring not aligned"),),
}

SHOWN_ALONE = {
    "spoilt chain in a packed ring",
    "blocks larger than a sector",
    "receive header without a buffer count",
}
"""Differences that need a QEMU of their own; their tests stand below and in `test_net`."""


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_known_difference_is_there(difference: Difference, block_pair: BlockPair) -> None:
    name = difference.name
    before = block_pair.met[name]
    block_pair.run(EXAMPLES[name])
    assert block_pair.met[name] > before, "QEMU and the model agree here: take it off the table"


def test_document_tells_of_every_difference_and_of_no_other() -> None:
    headings = re.findall(r"^### (.+)$", DOCUMENT.read_text(), re.MULTILINE)
    known = {difference.name for difference in DIFFERENCES}
    assert {heading.lower() for heading in headings} == {
        name.lower() for name in known | SHOWN_ALONE
    }
    assert len(headings) == len(set(headings))


def test_sound_driver_meets_only_differences_in_lengths_and_notifications(
    block_pair: BlockPair,
) -> None:
    """What a driver sees that breaks no rule: nothing that would mislead it."""
    block_pair.met.clear()
    for bits in ((), (VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC), (VIRTIO_F_RING_PACKED,)):
        block_pair.run(
            [
                Initialise(frozenset(bits)),
                *(Submit(Kind.OUT, sector=3 * n, length=1024, fill=n) for n in range(1, 4)),
                Kick(),
                Collect(),
                Submit(Kind.FLUSH),
                SetWriteback(0),
                *(Submit(Kind.IN, sector=3 * n, length=1024) for n in range(1, 4)),
                Kick(),
                Collect(),
            ]
        )
    assert set(block_pair.met) <= {
        "packed ring without the write flag",
        "first completion always notifies",
    }


STUCK = tuple(how for how in PACKED if how not in REACHES_THE_DEVICE)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["readable after writable", "empty table"])
def test_spoilt_chain_in_a_packed_ring_takes_qemu_down_and_not_the_model(
    how: str, start_machine: MachineMaker
) -> None:
    """QEMU 7.2 looks for ever whether the ring is empty, or fails an assertion."""
    assert how in STUCK
    disk = QemuDisk()
    machine = start_machine(block_arguments(disk))
    machine.qtest.connection.settimeout(1.0)
    setting = Initialise(frozenset({VIRTIO_F_RING_PACKED, VIRTIO_F_INDIRECT_DESC}))
    ours, theirs = model_side(machine.ram.size), qemu_side(machine, disk)
    offered = ours.driver.offered() & theirs.driver.offered()

    def status_after_spoiling(side: Side) -> DeviceStatus:
        assert side.initialise(setting, offered)
        assert side.submit(Submit())
        side.publish()
        side.corrupt(how, indirect=False)
        side.ring_doorbell()
        return side.driver.status

    assert DeviceStatus.DEVICE_NEEDS_RESET in status_after_spoiling(ours)
    with pytest.raises(OSError, match=r"timed out|closed|reset"):
        status_after_spoiling(theirs)
    machine.kill()


def test_read_only_disk_refuses_on_both_sides(start_machine: MachineMaker) -> None:
    pair = BlockPair(start_machine, read_only=True)
    pair.run(
        [
            PLAIN,
            Submit(Kind.OUT, length=512),
            Submit(Kind.IN, sector=5, length=512),
            Submit(Kind.FLUSH),
            Kick(),
            Collect(),
        ]
    )
    assert not pair.met
    pair.machine.kill()


def test_blocks_larger_than_a_sector_bind_qemu_and_not_the_model(
    start_machine: MachineMaker,
) -> None:
    """The unit of a request is 512 bytes, with any block size that a device recommends."""
    disk = QemuDisk()
    machine = start_machine(
        block_arguments(disk, "logical_block_size=4096", "physical_block_size=4096")
    )
    ours, theirs = model_side(machine.ram.size), qemu_side(machine, disk)
    lockstep = Lockstep(ours, theirs, ours.driver.offered() & theirs.driver.offered())
    aligned = (PLAIN, Submit(Kind.OUT, sector=8, length=4096), Kick(), Collect())
    lockstep.run(aligned)
    with pytest.raises(AssertionError, match=r"status_byte: ours 0, QEMU's 1"):
        lockstep.run((PLAIN, Submit(Kind.IN, sector=1, length=512), Kick()))
    machine.kill()
