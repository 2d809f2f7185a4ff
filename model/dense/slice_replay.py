"""Makes the run of the whole system that corresponds to a run of a slice.

The devices that stand idle in the slice work in the whole, as fast as they can.  The devices of the
slice take the times that the slice's run gives them.  qvm releases memory in more pieces than in
the slice, since more frames have been touched.  Each piece takes its share of the time of the piece
that contains it.  So every frame is released when the slice releases it, as far as whole numbers
allow.
"""

from collections.abc import Mapping, Sequence

from ..base.choices import ChoicePoint
from ..trace.events import Record
from .dense_kernel import Build
from .replay import Scheduled, ScheduledKernel, run_until
from .step import DelayName, Pick

_RELEASE = ".release"
_CALLBACK = ".callback"
_STEPS = ("join", "cancel", "detach")
"""The names of the delays of which callbacks consist, without their waits."""

Lasting = tuple[int, int, int]
"""Least and greatest length of a delay, and the one that it has."""


class Borrowed(Scheduled):
    """Takes the times of a slice's run as far as they are possible.

    Args:
        lengths_ns: By the label of the delay and the number of earlier delays of that label.
        answers: To named questions, in order for each label.
        spans_ns: Least and greatest length of each of these delays.
    """

    def __init__(
        self,
        lengths_ns: Mapping[DelayName, int],
        answers: Sequence[Pick],
        spans_ns: Mapping[DelayName, tuple[int, int]],
    ) -> None:
        super().__init__(lengths_ns, answers)
        self._pieces: dict[str, _Pieces] = {}
        self._shares: dict[str, tuple[int, int]] = {}
        for label, serial in lengths_ns:
            if label.endswith(_CALLBACK):
                least, greatest = spans_ns[label, serial]
                share = (lengths_ns[label, serial] - least, max(1, greatest - least))
                vdev = label.removesuffix(_CALLBACK)
                self._shares |= {f"{vdev}.{step}": share for step in _STEPS}
            if label.endswith(_RELEASE) and label not in self._pieces:
                count = sum(other == label for other, _ in lengths_ns)
                names = [(label, serial) for serial in range(count)]
                self._pieces[label] = _Pieces(
                    [(*spans_ns[name], lengths_ns[name]) for name in names]
                )

    def between(self, lo_ns: int, hi_ns: int, label: str) -> int:
        """Return the length of the next delay of a label."""
        length_ns = None
        if label in self._pieces:
            length_ns = self._pieces[label].length_of_next(lo_ns, hi_ns)
        elif label in self._shares:
            part, whole = self._shares[label]
            length_ns = lo_ns + (hi_ns - lo_ns) * part // whole
        if length_ns is not None:
            name = (label, self._begun.get(label, 0))
            self._lengths_ns = {**self._lengths_ns, name: length_ns}
        return super().between(lo_ns, hi_ns, label)

    def _offset(self, bound: int, label: str) -> int:
        return max(0, min(super()._offset(bound, label), bound - 1))

    def _option(self, bound: int, label: str) -> int:
        return min(super()._option(bound, label), bound - 1)


class _Pieces:
    """The pieces in which a slice releases memory, cut smaller.

    Args:
        pieces: In order.  Greatest lengths say how much of the memory each is.
    """

    def __init__(self, pieces: Sequence[Lasting]) -> None:
        self._left = list(pieces)
        self._done_ns = 0
        self._taken_ns = 0

    def length_of_next(self, lo_ns: int, hi_ns: int) -> int:
        """Return how long the next smaller piece takes."""
        while self._left and self._left[0][1] <= self._done_ns:
            self._done_ns -= self._left.pop(0)[1]
            self._taken_ns = 0
        if not self._left:
            return lo_ns
        least, greatest, length = self._left[0]
        self._done_ns += hi_ns
        if self._done_ns >= greatest:
            wanted = length - self._taken_ns
        else:
            slack = max(1, greatest - least)
            wanted = lo_ns + (hi_ns - lo_ns) * (length - least) // slack
        wanted = max(lo_ns, min(wanted, hi_ns))
        self._taken_ns += wanted
        return wanted


def replay_in_whole(
    build: Build,
    lengths_ns: Mapping[DelayName, int],
    order: Sequence[DelayName],
    answers: Sequence[Pick],
    spans_ns: Mapping[DelayName, tuple[int, int]],
    last_ns: int,
    pinned: Mapping[str, str] | None = None,
) -> tuple[list[Record], list[ChoicePoint]]:
    """Return records and answers of the run of the whole that a slice's schedule suggests."""
    borrowed = Borrowed(lengths_ns, answers, spans_ns)
    kernel = ScheduledKernel(borrowed, order, pinned)
    run_until(kernel, build, last_ns)
    return kernel.records, borrowed.log
