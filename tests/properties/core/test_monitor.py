"""What all monitors have in common: they can be copied, resumed, compared and driven alone."""

import copy
from itertools import pairwise
from typing import get_args, get_type_hints

import pytest

from quiesce.model.trace.events import (
    AnyEvent,
    CallbackBegun,
    CallbackEnded,
    DmaBlocked,
    DmaRead,
    FramesQuarantined,
    IommuMapped,
    IommuSynced,
    IommuUnmapped,
    OutsideEnded,
    QuiesceStepBegun,
    QuiesceStepEnded,
    QvmExited,
    RequestSubmitted,
    RestartGivenUp,
    RestartRequested,
    StopConfirmed,
    TerminationBegun,
    Trace,
    VmStarted,
    WorkerEnded,
)
from quiesce.properties.check import check
from quiesce.properties.core.monitor import Judge, Listener, Property
from quiesce.properties.registry import PROPERTIES, TEARDOWN, named

from ..story import (
    FRAME,
    HEADER,
    Moment,
    asserted,
    at,
    attached,
    detached,
    granted,
    handled,
    injected,
    landed,
    masked,
    released,
    requested,
    story,
    taken,
    unmasked,
    written,
)


def read(epoch: int) -> DmaRead:
    return DmaRead("eth0", epoch, FRAME << 12, 16, "descriptor")


def everything(stretch: int = 1) -> Trace:
    """Return a story in which every property is put to the test and most are violated."""
    moments: list[list[Moment]] = [
        at(0, granted(1, 4), IommuMapped("eth0", 1, 0, FRAME << 12, 0x4000), attached(1)),
        at(1, attached(0, "devb-ahci"), unmasked()),
        at(2, requested(1, addr=0), landed(1), written(1, FRAME + 1)),
        at(3, asserted(1), taken(1), masked(), injected(1, 1), handled(0, "devb-ahci")),
        at(5, TerminationBegun("vm1", 1, "guest-crash", orderly=True)),
        at(6, CallbackBegun("vm1", 1, "eth0"), QuiesceStepBegun("eth0", 1, "stop-dma")),
        at(6, RestartRequested("vm1", 1), RestartRequested("vm2", 1)),
        at(7, QuiesceStepEnded("eth0", 1, "stop-dma", "timed_out")),
        at(8, CallbackEnded("vm1", 1, "eth0", "timed_out"), WorkerEnded("vm1", 1, "w", "joined")),
        at(9, detached(1), taken(1), IommuUnmapped("eth0", 1)),
        at(10, landed(1), released(1, 2)),
        at(11, FramesQuarantined("vm1", 1, FRAME + 2, 1), released(1, 1, FRAME + 3)),
        at(12, QvmExited("vm1", 1, 0), landed(1), read(1), VmStarted("vm2", 2)),
        at(13, granted(2, 2), attached(2), landed(1), landed(2), injected(2, 1)),
        at(14, IommuSynced("eth0", 1), StopConfirmed("eth0", 1)),
        at(14, RequestSubmitted("vm2.blk0", 2, 0), OutsideEnded()),
        at(14, RestartGivenUp("vm1", 1, "memory_withheld")),
        at(15, *[DmaBlocked("eth0", 1, 0, 4, "lost")] * 70, asserted(2, "eth1")),
    ]
    stretched = [[(at_ns * stretch, event) for at_ns, event in group] for group in moments]
    return story(*stretched, ends_ns=900_000)


def test_story_of_everything_puts_every_property_to_the_test() -> None:
    found = {verdict.property: verdict.verdict for verdict in check(everything())}
    assert set(found) == set(TEARDOWN)
    assert "vacuous" not in found.values()
    assert [name for name, word in found.items() if word == "holds"] == ["teardown-bounded"]


def test_same_trace_gives_the_same_verdicts() -> None:
    assert check(everything()) == check(everything())


@pytest.mark.parametrize("stop", range(len(everything().records) + 1))
def test_copy_taken_anywhere_goes_on_to_the_same_verdicts(stop: int) -> None:
    trace = everything()
    first = Judge(HEADER, named())
    first.read(trace.records[:stop])
    second = copy.deepcopy(first)
    # The original is led astray, which must not show in the copy.
    first.read(trace.records[:stop])
    first.finish()
    second.read(trace.records[stop:], stop)
    assert second.finish() == check(trace)


def test_asking_for_the_verdicts_between_two_instants_changes_none() -> None:
    trace = everything()
    judge = Judge(HEADER, named())
    for index, (record, later) in enumerate(pairwise(trace.records)):
        judge.step(index, record)
        if record.at_ns != later.at_ns:
            assert judge.finish() == judge.finish()
    judge.step(len(trace.records) - 1, trace.records[-1])
    assert judge.finish() == check(trace)


@pytest.mark.parametrize("name", TEARDOWN)
def test_property_on_its_own_says_what_it_says_among_others(name: str) -> None:
    trace = everything()
    alone = TEARDOWN[name](HEADER)
    for index, record in enumerate(trace.records):
        alone.step(index, record)
    (among_others,) = (each for each in check(trace) if each.property == name)
    assert alone.finish() == among_others


def test_states_that_differ_only_in_time_have_the_same_key() -> None:
    slow, fast = everything(stretch=7), everything()
    judges = Judge(HEADER, named()), Judge(HEADER, named())
    keys = set()
    for index, record in enumerate(fast.records[:-1]):
        judges[0].step(index, record)
        judges[1].step(index, slow.records[index])
        if record.at_ns != fast.records[index + 1].at_ns:
            for judge in judges:
                judge.settle()
            assert judges[0].key() == judges[1].key()
            keys.add(judges[0].key())
    instants = {record.at_ns for record in fast.records[:-1]}
    assert len(keys) == len(instants), "no two instants of this story leave the same state"


def key_after(name: str, *moments: list[Moment]) -> object:
    judge = Judge(HEADER, named([name]))
    judge.read(story(*moments, ends_ns=None).records)
    judge.settle()
    return judge.key()


def test_state_that_was_put_to_the_test_differs_from_one_that_was_not() -> None:
    left = at(0, attached(1), attached(2), unmasked(), detached(1, masked=False))
    served = at(9, asserted(2), taken(2), masked(), handled(2), unmasked())
    name = "next-owner-gets-interrupts"
    assert key_after(name, left) != key_after(name, left, served)


def test_interrupt_pending_for_the_dead_is_forgotten() -> None:
    name = "next-owner-gets-interrupts"
    pending = key_after(name, at(0, attached(1)), at(5, asserted(1)), at(9, detached(1)))
    heard = key_after(
        name, at(0, attached(1)), at(5, asserted(1)), at(6, taken(1)), at(9, detached(1))
    )
    assert pending == heard


def test_no_number_of_violations_makes_the_state_grow() -> None:
    late = [at(20 + n, landed(1)) for n in range(100)]
    judge = Judge(HEADER, named(["no-dma-after-teardown"]))
    judge.read(story(at(0, granted(1)), at(10, released(1)), *late).records)
    judge.settle()
    assert (judge.properties[0].violation_count, len(judge.properties[0].violations)) == (100, 20)


def test_no_property_speaks_before_the_end_is_announced() -> None:
    words = {verdict.verdict for verdict in check(story(ends_ns=None))}
    assert words == {"inconclusive"}
    assert {verdict.verdict for verdict in check(story())} == {"vacuous"}


def listeners() -> list[type[Listener]]:
    judge = Judge(HEADER, named())
    return [type(listener) for listener in (*judge.trackers, *judge.properties)]


@pytest.mark.parametrize("kind", listeners())
def test_every_handler_takes_the_events_that_it_is_declared_for(kind: type[Listener]) -> None:
    known = get_args(AnyEvent)
    for event_type, handler in kind.reads.items():
        declared = get_type_hints(handler)["event"]
        assert event_type in known
        assert event_type in (get_args(declared) or (declared,)), (kind, event_type)


@pytest.mark.parametrize("kind", PROPERTIES.values())
def test_every_property_says_what_it_claims_and_why(kind: type[Property]) -> None:
    assert kind.claim.endswith(".")
    for text in (kind.formula, kind.antecedent, kind.boundary, kind.source):
        assert text
        assert not text.endswith(".")
