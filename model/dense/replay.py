"""The ordinary kernel, made to run exactly as a schedule says."""

from collections.abc import Mapping, Sequence

from simpy.events import Event

from ..base.choices import ChoicePoint, Choices
from ..base.clock import Span
from ..sim.kernel import Delay, Kernel, _Pending
from ..trace.events import Record
from .dense_kernel import Build
from .step import DelayName, Pick


class Scheduled(Choices):
    """Takes each delay as long as a schedule says; others take their least time.

    Args:
        lengths_ns: By the label of the delay and how many of that label came before it.
        answers: To named questions, in order for each label.
    """

    def __init__(self, lengths_ns: Mapping[DelayName, int], answers: Sequence[Pick]) -> None:
        super().__init__()
        self._lengths_ns = lengths_ns
        self._answers: dict[str, list[int]] = {}
        for label, _, value in answers:
            self._answers.setdefault(label, []).append(value)
        self._begun: dict[str, int] = {}
        self.latest: DelayName = ("", 0)
        self.tie = 0
        self._next_ns = 0

    def between(self, lo_ns: int, hi_ns: int, label: str) -> int:
        """Return the length of the next delay of a label."""
        serial = self._begun.get(label, 0)
        self._begun[label] = serial + 1
        self.latest = (label, serial)
        self._next_ns = self._lengths_ns.get(self.latest, lo_ns) - lo_ns
        return super().between(lo_ns, hi_ns, label)

    def _offset(self, bound: int, label: str) -> int:  # noqa: ARG002
        return self._next_ns

    def _option(self, bound: int, label: str) -> int:  # noqa: ARG002
        if label == "kernel.tie":
            return self.tie
        answers = self._answers.get(label)
        return answers.pop(0) if answers else 0


class ScheduledKernel(Kernel):
    """Breaks ties in the order of a schedule."""

    def __init__(
        self,
        scheduled: Scheduled,
        order: Sequence[DelayName],
        pinned: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scheduled, pinned)
        self._scheduled = scheduled
        self._rank = {name: rank for rank, name in enumerate(order)}
        self._names: dict[Event, DelayName] = {}

    def delay(self, span: Span, label: str) -> Delay:
        """Begin a delay and remember its name."""
        delay = super().delay(span, label)
        self._names[delay] = self._scheduled.latest
        return delay

    def _break_tie(self, entry: _Pending) -> _Pending:
        at_ns = entry[0]
        tied = sorted([entry, *(each for each in self._delays if each[0] == at_ns)])
        ranks = [
            self._rank.get(self._names[each[2]], len(self._rank))
            for each in tied
            if each[2].callbacks
        ]
        self._scheduled.tie = ranks.index(min(ranks)) if ranks else 0
        return super()._break_tie(entry)


def replay(
    build: Build,
    lengths_ns: Mapping[DelayName, int],
    order: Sequence[DelayName],
    answers: Sequence[Pick],
    last_ns: int,
    pinned: Mapping[str, str] | None = None,
) -> tuple[list[Record], list[ChoicePoint]]:
    """Return the records and the answers of the run that a schedule describes, up to its end."""
    scheduled = Scheduled(lengths_ns, answers)
    kernel = ScheduledKernel(scheduled, order, pinned)
    run_until(kernel, build, last_ns)
    return kernel.records, scheduled.log


def run_until(kernel: Kernel, build: Build, last_ns: int) -> None:
    """Build a model and run it up to and with an instant, or to its end."""
    done = build(kernel)
    while kernel._urgent or kernel._due or kernel._delays:
        if kernel.peek() > last_ns or (done is not None and done.callbacks is None):
            return
        kernel.step()
