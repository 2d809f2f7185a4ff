"""Counts how long teardowns take over many runs, in buckets, so that memory use stays small.

A bucket is one of 64 equal parts of an octave; its two ends differ by at most 1.6 percent.
"""

from collections.abc import Iterable

import msgspec

from ...model.trace.events import QvmExited, TerminationBegun, Trace

__all__ = ["Durations", "bucket_of", "bucket_start"]

_STEP_BITS = 6


class Durations(msgspec.Struct):
    """How long qvm processes took from the beginning of their end to their exit.

    Attributes:
        counts: How many fall into each bucket, by its number.
        least_ns: The shortest duration; -1 without any.
        most_ns: The longest duration; -1 without any.
        unended: Teardowns that were still going on when their run ended.
    """

    counts: dict[int, int] = {}
    least_ns: int = -1
    most_ns: int = -1
    unended: int = 0

    @property
    def count(self) -> int:
        """How many teardowns have ended."""
        return sum(self.counts.values())

    def add(self, trace: Trace) -> None:
        """Count the teardowns of one run."""
        begun: dict[int, int] = {}
        for record in trace.records:
            event = record.event
            if isinstance(event, TerminationBegun):
                begun.setdefault(event.epoch, record.at_ns)
            elif isinstance(event, QvmExited) and event.epoch in begun:
                self._count(record.at_ns - begun.pop(event.epoch))
        self.unended += len(begun)

    def absorb(self, other: "Durations") -> None:
        """Add the counts of another part of the campaign."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self._widen(each for each in (other.least_ns, other.most_ns) if each >= 0)
        self.unended += other.unended

    def quantile(self, percent: int) -> int:
        """Return the start of the bucket below which this percentage of the durations lies."""
        wanted = self.count * percent / 100
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return bucket_start(bucket)
        return -1

    def _count(self, took_ns: int) -> None:
        bucket = bucket_of(took_ns)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self._widen((took_ns,))

    def _widen(self, durations_ns: Iterable[int]) -> None:
        for took_ns in durations_ns:
            self.least_ns = took_ns if self.least_ns < 0 else min(self.least_ns, took_ns)
            self.most_ns = max(self.most_ns, took_ns)


def bucket_of(value_ns: int) -> int:
    """Return the number of a duration's bucket; later buckets hold longer durations.

    Example:
        >>> [bucket_of(value) for value in (0, 1, 63, 64, 127, 128, 129, 130)]
        [0, 1, 63, 64, 127, 128, 128, 129]
    """
    shift = max(value_ns.bit_length() - 1 - _STEP_BITS, 0)
    return (shift << _STEP_BITS) + (value_ns >> shift)


def bucket_start(bucket: int) -> int:
    """Return the shortest duration of a bucket.

    Example:
        >>> [bucket_start(bucket_of(value)) for value in (7, 1_000, 1_000_000)]
        [7, 1000, 999424]
    """
    shift = max((bucket >> _STEP_BITS) - 1, 0)
    return (bucket - (shift << _STEP_BITS)) << shift
