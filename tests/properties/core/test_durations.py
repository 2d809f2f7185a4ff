"""Durations in buckets: counted once, merged in any order, and never far off."""

from quiesce.model.trace import events as ev
from quiesce.model.trace.events import Header, Record, Trace
from quiesce.properties.core.durations import Durations, bucket_of, bucket_start


def teardown(begin_ns: int, end_ns: int | None) -> Trace:
    records = [Record(begin_ns, "vm", -1, ev.TerminationBegun("vm", 1, "guest-crash", True))]
    if end_ns is not None:
        records.append(Record(end_ns, "vm", 0, ev.QvmExited("vm", 1, 0)))
    return Trace(Header("s"), tuple(records))


def counted(*durations_ns: int) -> Durations:
    durations = Durations()
    for took_ns in durations_ns:
        durations.add(teardown(5, 5 + took_ns))
    return durations


def test_a_bucket_holds_what_lies_between_its_start_and_the_next() -> None:
    for value in (0, 1, 63, 64, 65, 1_000, 999_999, 10**12 + 7):
        bucket = bucket_of(value)
        assert bucket_start(bucket) <= value < bucket_start(bucket + 1)
        assert bucket_start(bucket + 1) - bucket_start(bucket) <= max(value // 60, 1)


def test_parts_add_up_to_the_whole_in_any_order() -> None:
    whole = counted(10, 2_000, 30_000, 30_000)
    first, second = counted(30_000, 10), counted(2_000, 30_000)
    for one, other in ((first, second), (second, first)):
        merged = Durations()
        merged.absorb(one)
        merged.absorb(other)
        assert merged == whole
    assert (whole.count, whole.least_ns, whole.most_ns) == (4, 10, 30_000)
    assert whole.quantile(50) == bucket_start(bucket_of(2_000))


def test_a_teardown_that_does_not_end_is_counted_apart() -> None:
    durations = Durations()
    durations.add(teardown(5, None))
    assert (durations.count, durations.unended, durations.least_ns) == (0, 1, -1)
    assert durations.quantile(99) == -1
