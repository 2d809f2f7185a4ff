"""Who owns a frame at a record of the trace."""

from quiesce.model.trace import events as ev
from quiesce.model.trace.events import Header, Record, Trace
from quiesce.reports.core.frames import FREE, FrameLedger

TWO_EPOCHS = Trace(
    Header("two epochs"),
    (
        Record(0, "memory", -1, ev.FramesGranted("vm1", 1, 16, 4)),
        Record(10, "memory", -1, ev.FramesReleased("vm1", 1, 16, 2)),
        Record(20, "memory", -1, ev.FramesQuarantined("vm1", 1, 19, 1)),
        Record(30, "memory", -1, ev.FramesGranted("vm2", 2, 16, 2)),
    ),
)


def test_a_frame_goes_from_epoch_to_no_owner_to_the_next_epoch() -> None:
    ledger = FrameLedger(TWO_EPOCHS)
    assert [ledger.owner(16, before).epoch for before in range(5)] == [FREE, 1, FREE, FREE, 2]
    assert ledger.owner(18, 4).epoch == 1
    assert ledger.owner(19, 4).epoch == 1
    assert ledger.owner(20, 4).vm == ""


def test_questions_out_of_order_get_the_same_answers() -> None:
    ledger = FrameLedger(TWO_EPOCHS)
    assert ledger.owner(17, 4).epoch == 2
    assert ledger.owner(17, 1).epoch == 1


def test_a_release_is_remembered_after_the_frame_has_a_new_owner() -> None:
    ledger = FrameLedger(TWO_EPOCHS)
    released = ledger.released_by(1, 17, before=4)
    assert released is not None
    assert released.since_ns == 10
    assert ledger.released_by(1, 18, before=4) is None
    assert ledger.released_by(2, 17, before=4) is None
