"""What all rules have in common."""

import copy
import re
from itertools import chain
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quiesce.model.trace.events import (
    AnyEvent,
    GuestEnded,
    Header,
    ObservationEnded,
    QvmExited,
    Record,
    Trace,
    WorkerEnded,
)
from quiesce.model.trace.virtio_events import FeaturesOffered, QueueVectorRead, VirtioEvent
from quiesce.properties.check import check
from quiesce.properties.core.monitor import Judge
from quiesce.properties.registry import PROPERTIES, TEARDOWN, VIRTIO, named
from quiesce.properties.virtio.table import RULES, table

from . import test_devices, test_notifications, test_queues, test_rings, test_silence, test_status
from .virtio_story import (
    HEADER,
    ME,
    VDEV,
    available,
    barrier,
    field,
    full_name,
    kicked,
    live,
    notified,
    published,
    reset,
    reset_completed,
    served,
    status,
    trace_of,
    used,
    written,
)

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "virtio-rules.md"

MODULES = (test_status, test_silence, test_queues, test_rings, test_notifications, test_devices)
STORIES = list(chain.from_iterable(module.TABLE for module in MODULES))
BREACHES = [each for each in STORIES if each.values[1] == "violated"]


# The registry and the document.


def test_rules_are_numbered_from_1_to_50_without_a_gap() -> None:
    assert [rule.rule for rule in RULES] == [f"N{number}" for number in range(1, 51)]
    for number, rule in enumerate(RULES, 1):
        assert re.fullmatch(rf"virtio-n{number:02}(-[a-z0-9]+)+", rule.name)


def test_teardown_comes_first_in_the_registry() -> None:
    assert list(PROPERTIES) == [*TEARDOWN, *(rule.name for rule in RULES)]
    assert len(TEARDOWN) == 14


def test_document_is_the_one_that_the_rules_write() -> None:
    assert DOCUMENT.read_text() == table(), (
        "run python -m quiesce.properties.virtio.table > docs/virtio-rules.md"
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule)
def test_every_rule_has_a_story_for_each_of_the_three_words(rule: Any) -> None:
    words = {each.values[1] for each in STORIES if each.values[0] == rule.rule}
    assert words >= {"holds", "violated", "vacuous"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule)
def test_every_rule_says_where_it_stands_and_whom_it_blames(rule: Any) -> None:
    assert rule.source == f"VIRTIO {rule.cited}, {rule.section}"
    assert rule.since in {"1.1", "1.2", "1.4"}
    assert rule.blames in {"driver", "device", "both"}
    assert (rule.level == "SHOULD") == (rule.severity == "unadvised")


# When a rule is judged, and whom it binds.


def test_rules_are_judged_unasked_only_where_their_events_are() -> None:
    steps = (live(), available(), served())
    without = trace_of(*steps, header=Header(scenario="teardown alone"))
    assert [each.property for each in check(without)] == list(TEARDOWN)
    assert [each.property for each in check(trace_of(*steps))] == list(PROPERTIES)


def test_rule_asked_for_by_name_is_judged_at_any_detail() -> None:
    empty = trace_of(header=Header(scenario="teardown alone"))
    (found,) = check(empty, [full_name("N9")])
    assert found.verdict == "vacuous"
    assert found.reason == "never put to the test: there were no completed resets"


def older(steps: Any, **changes: Any) -> Trace:
    """Give a story of a device with another version or transport."""
    trace = trace_of(*steps)
    records = []
    for record in trace.records:
        event = record.event
        if isinstance(event, FeaturesOffered):
            parts = {name: getattr(event, name) for name in event.__struct_fields__}
            event = FeaturesOffered(**{**parts, **changes})
        records.append(Record(record.at_ns, record.source, record.cause, event))
    return Trace(trace.header, tuple(records))


def offers_itself(steps: Any) -> bool:
    return any(isinstance(record.event, FeaturesOffered) for record in trace_of(*steps).records)


@pytest.mark.parametrize(
    ("rule", "steps"),
    [
        pytest.param(each.values[0], each.values[2], id=each.id)
        for each in BREACHES
        if offers_itself(each.values[2])
    ],
)
def test_breach_by_a_device_older_than_the_rule_is_none(rule: str, steps: Any) -> None:
    (found,) = check(older(steps, version="1.0"), [full_name(rule)])
    assert found.verdict == "vacuous"
    assert "is of VIRTIO 1.0, and this binds since" in found.reason


@pytest.mark.parametrize(
    ("rule", "steps"),
    [
        pytest.param(each.values[0], each.values[2], id=each.id)
        for each in BREACHES
        if VIRTIO[full_name(each.values[0])].transport  # type: ignore[attr-defined]
    ],
)
def test_breach_on_a_transport_that_the_rule_is_not_about_is_none(rule: str, steps: Any) -> None:
    about = VIRTIO[full_name(rule)].transport  # type: ignore[attr-defined]
    other = "pci" if about == "mmio" else "mmio"
    (found,) = check(older(steps, transport=other), [full_name(rule)])
    assert found.verdict == "vacuous"
    assert f"is on {other}, and this is about {about}" in found.reason


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule)
def test_trace_that_is_cut_off_never_holds(rule: Any) -> None:
    kept = [each for each in STORIES if each.values[:2] == (rule.rule, "holds")]
    for each in kept:
        (found,) = check(trace_of(*each.values[2], ends_ns=None), [rule.name])
        assert found.verdict == "inconclusive"


# Good and bad stories before all rules at once.


def good() -> list[Any]:
    """Give a story of a driver and a device that keep to the standard."""
    requests = []
    for n in range(1, 4):
        kick = [barrier("suppression_read"), kicked()]
        requests += [available(n, n), kick, served(n, n), notified(0, "msix")]
    mapped = [field("vector", 3), QueueVectorRead(*ME, 0, 3)]
    offer, *begin, driver_ok = live()
    once = [begin, mapped, driver_ok, requests, reset()]
    return [offer, once, once]


def bad() -> list[Any]:
    """Give a story of a driver and a device that break nearly every rule."""
    dead = [GuestEnded("vm1", 1, "crashed"), WorkerEnded("vm1", 1, VDEV, "killed")]
    return [
        live(),
        [published(9, 1), available(0, 1), used(3), written(3), served(0, 2), kicked()],
        [status(0), status(3), used(1), notified(), reset_completed(1, 1, 1), *served()],
        [
            live()[1:],
            available(
                5,
                9,
            ),
            served(5, 1),
            status(0),
            dead,
        ],
        [QvmExited("vm1", 1, 0), used(2), notified(-1)],
    ]


def test_faultless_story_breaks_no_rule() -> None:
    trace = trace_of(good())
    words = {each.property: each.verdict for each in check(trace, list(VIRTIO))}
    assert [name for name, word in words.items() if word not in {"holds", "vacuous"}] == []
    assert sum(word == "holds" for word in words.values()) >= 20


def virtio_judge(header: Header = HEADER) -> Judge:
    return Judge(header, named(None, "virtio"))


@pytest.mark.parametrize("steps_of", [good, bad])
def test_copy_taken_anywhere_goes_on_to_the_same_verdicts(steps_of: Any) -> None:
    trace = trace_of(steps_of())
    expected = check(trace)
    judge = virtio_judge()
    for index, record in enumerate(trace.records):
        if index % 7 == 0:
            twin = copy.deepcopy(judge)
            twin.read(trace.records[index:], index)
            assert twin.finish() == expected
        judge.step(index, record)


def test_asking_for_the_verdicts_between_two_instants_changes_none() -> None:
    trace = trace_of(bad())
    judge = virtio_judge()
    for index, record in enumerate(trace.records):
        judge.step(index, record)
        assert judge.finish() == judge.finish()
    assert judge.finish() == check(trace)


def test_rule_on_its_own_says_what_it_says_among_others() -> None:
    trace = trace_of(bad())
    for among_others in check(trace, list(VIRTIO)):
        alone = VIRTIO[among_others.property](HEADER)
        for index, record in enumerate(trace.records):
            alone.step(index, record)
        assert alone.finish() == among_others


@pytest.mark.parametrize("steps_of", [good, bad])
def test_states_that_differ_only_in_time_have_the_same_key(steps_of: Any) -> None:
    trace = trace_of(steps_of())
    fast, slow = virtio_judge(), virtio_judge(Header("s", virtio_reset_ns_max=7_000))
    for index, record in enumerate(trace.records):
        later = Record(record.at_ns * 7, record.source, record.cause, record.event)
        for judge, each in ((fast, record), (slow, later)):
            judge.step(index, each)
            judge.settle()
        assert fast.key() == slow.key()
    hash(fast.key())


def test_rounds_without_end_leave_no_more_state_than_one() -> None:
    """The indices of the rings run through 2^16, all else comes back to what it was."""

    def size_after(rounds: int) -> int:
        turns = [[available(0, n), served(0, n), notified()] for n in range(1, rounds + 1)]
        judge = virtio_judge()
        judge.read(trace_of(live(), turns, ends_ns=None).records)
        return len(repr(judge.key()).replace(f"', {rounds})", "', 0)"))

    assert size_after(100) == size_after(1)


# Judging a recorded trace never fails, even if its events make no sense.


WORDS = ("mixed", "at", "never", "driver", "device", "line", "msix", "idx", "kick", "vector")
MORE_WORDS = ("size", "out", "flush", "ok", "pci", "mmio", "")
NUMBERS = (0, 1, 2, 3, 4, 7, 8, 15, 64, 128, 512, 65535, 1 << 32)
SMALL = st.sampled_from([0, 1, 2, 512])


def values_of(hint: Any, name: str) -> st.SearchStrategy[Any]:
    if hint is int:
        return st.sampled_from(NUMBERS)
    if hint is bool:
        return st.booleans()
    if hint is str:
        of_name = {"vdev": (VDEV,), "version": ("1.1", "1.2", "1.4")}
        return st.sampled_from(of_name.get(name, WORDS + MORE_WORDS))
    inner = get_args(hint)[0]
    return st.lists(SMALL if inner is int else st.tuples(SMALL, SMALL), max_size=3).map(tuple)


def events_of(kind: Any) -> st.SearchStrategy[AnyEvent]:
    hints = get_type_hints(kind)
    fields = {name: values_of(hints[name], name) for name in kind.__struct_fields__}
    return st.builds(kind, **fields)


ANY_EVENT = st.one_of([events_of(kind) for kind in get_args(VirtioEvent)])


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY_EVENT, max_size=60))
def test_no_sequence_of_events_makes_a_rule_fail(events: list[AnyEvent]) -> None:
    records = [Record(at_ns, "any", -1, event) for at_ns, event in enumerate(events)]
    records.append(Record(len(events), "any", -1, ObservationEnded()))
    judge = virtio_judge()
    judge.read(records)
    assert len(judge.finish()) == len(PROPERTIES)
    hash(judge.key())


def shown_types(hint: Any) -> set[Any]:
    """Return the X of `Seen[X]`, or of each of `Seen[X] | Seen[Y]`."""
    return {get_args(each)[0] for each in (get_args(hint) if is_union(hint) else [hint])}


def is_union(hint: Any) -> bool:
    return get_origin(hint) in {UnionType, Union}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule)
def test_every_method_takes_the_events_that_it_is_declared_for(rule: Any) -> None:
    assert rule.hears
    for event_type, method in rule.hears.items():
        assert shown_types(get_type_hints(method)["seen"]) & {Any, event_type}
