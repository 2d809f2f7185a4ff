"""The one source of nondeterminism of a run.

A run asks a `Choices` object for all that it leaves open: the length of a delay inside its span,
and the choice between named options.  Both come down to one question, "a whole number below
this bound".  The object logs every answer with its label and bound.  A scenario together with
such a log *is* the run: quiesce can replay, shrink and enumerate it.

The answer 0 is always the plainest one: the earliest time, the documented or default option,
the first in order.  A question with one possible answer is no choice and is not logged.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import TypeVar

from .errors import ReplayMismatch

ChoicePoint = tuple[str, int, int]
"""One logged answer: label, bound (exclusive) and value, `0 <= value < bound`."""

T = TypeVar("T")

TIE = "kernel.tie"
"""Label of the order in which delays fire that end at one instant."""

_END_IN = 10
"""A random delay takes each end of its span once in this many draws, where races are likeliest."""

# Habits of `Biased`, by the byte that is drawn.  Below `_LEAST` always the least, then up to
# `_GREATEST` always the greatest, then up to `_TAIL` always in the tail; from there anything.
_LEAST = 52
_GREATEST = 104
_TAIL = 130
_ANYTHING = 255

_TAIL_PART = 10
"""The last tenth of a span is its tail."""


class Choices:
    """Decides everything that a run leaves open, and logs the decisions.

    Subclasses decide, by `_option` for named options and `_offset` for delays.

    Attributes:
        log: The answers so far, in the order of the questions.
    """

    def __init__(self) -> None:
        self.log: list[ChoicePoint] = []

    def below(self, bound: int, label: str) -> int:
        """Return a whole number from 0 to `bound - 1`; 0 is the plainest."""
        assert bound >= 1, (label, bound)
        # Invariant: every entry of the log had at least two possible answers.
        if bound == 1:
            return 0
        value = self._option(bound, label)
        self.log.append((label, bound, value))
        return value

    def pick(self, options: Sequence[T], label: str) -> T:
        """Return one of the options, of which the first is the plainest."""
        return options[self.below(len(options), label)]

    def happens(self, label: str) -> bool:
        """Return whether the labelled thing happens; the plainest is that it does not."""
        return self.below(2, label) == 1

    def between(self, lo_ns: int, hi_ns: int, label: str) -> int:
        """Return a duration inside the closed span, in nanoseconds."""
        if lo_ns == hi_ns:
            return lo_ns
        bound = hi_ns - lo_ns + 1
        offset = self._offset(bound, label)
        self.log.append((label, bound, offset))
        return lo_ns + offset

    def finish(self) -> None:
        """Note that the run has ended; a replay checks here that nothing is left over."""

    def _option(self, bound: int, label: str) -> int:
        raise NotImplementedError

    def _offset(self, bound: int, label: str) -> int:
        raise NotImplementedError


class Nominal(Choices):
    """Takes the middle of every span and the plainest of every option."""

    def _option(self, bound: int, label: str) -> int:  # noqa: ARG002
        return 0

    def _offset(self, bound: int, label: str) -> int:  # noqa: ARG002
        return (bound - 1) // 2


class Ordered(Nominal):
    """Takes nominal choices, but for some named options given by their place in the log.

    Args:
        given: Place in the log to answer; an answer that is too great becomes the greatest.
    """

    def __init__(self, given: Mapping[int, int]) -> None:
        super().__init__()
        self._given = given

    def _option(self, bound: int, label: str) -> int:  # noqa: ARG002
        return min(self._given.get(len(self.log), 0), bound - 1)


class Earliest(Choices):
    """Takes the shortest of every span and the plainest of every option."""

    def _option(self, bound: int, label: str) -> int:  # noqa: ARG002
        return 0

    def _offset(self, bound: int, label: str) -> int:  # noqa: ARG002
        return 0


class Latest(Choices):
    """Takes the longest of every span and the plainest of every option."""

    def _option(self, bound: int, label: str) -> int:  # noqa: ARG002
        return 0

    def _offset(self, bound: int, label: str) -> int:  # noqa: ARG002
        return bound - 1


class Seeded(Choices):
    """Draws every answer from a generator with a seed; the same seed gives the same run.

    A delay takes each end of its span with probability 1/10 and is uniform otherwise.

    Args:
        seed: Any whole number.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = Random(seed)

    def _option(self, bound: int, label: str) -> int:  # noqa: ARG002
        return self._random.randrange(bound)

    def _offset(self, bound: int, label: str) -> int:  # noqa: ARG002
        end = self._random.randrange(_END_IN)
        if end == 0:
            return 0
        if end == 1:
            return bound - 1
        return self._random.randrange(bound)


class Ends(Choices):
    """Takes one end of every span, drawn from a generator with a seed; nothing in between.

    With an even seed each label keeps to one end for the whole run, so that one kind of delay is
    long while another is short.  With an odd seed each delay is drawn by itself.  Ties come in any
    order; open questions get their default answer.

    Args:
        seed: Any whole number.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = Random(seed)
        self._keeps = seed % 2 == 0
        self._is_great: dict[str, bool] = {}

    def _option(self, bound: int, label: str) -> int:
        return self._random.randrange(bound) if label == TIE else 0

    def _offset(self, bound: int, label: str) -> int:
        is_great = self._is_great.get(label) if self._keeps else None
        if is_great is None:
            is_great = self._is_great[label] = bool(self._random.getrandbits(1))
        return bound - 1 if is_great else 0


class Biased(Choices):
    """Draws every answer by a profile in which whole kinds of questions lean to one side.

    Most violations need a coincidence: one kind of delay is long *while* another is short.  Answers
    drawn one by one rarely agree so.  Here each label gets a habit for the whole run, in the order
    in which labels come up:

    - always the least;
    - always the greatest;
    - always in the tail;
    - anything, and then each end and the tail one time in eight.

    Options lean in the same way.

    Args:
        data: The profile: one byte for each of the first labels, then 8 bytes of seed; the zero
            bytes give the earliest run.
    """

    SIZE = 40
    """Bytes that the data should have: habits for 32 labels."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._random = Random(data[-8:])
        self._unused = iter(data[:-8])
        self._habits: dict[str, int] = {}

    def _habit(self, label: str) -> int:
        habit = self._habits.get(label)
        if habit is None:
            habit = self._habits[label] = next(self._unused, _ANYTHING)
        return habit

    def _option(self, bound: int, label: str) -> int:
        habit = self._habit(label)
        if habit < _LEAST:
            return 0
        if habit < _GREATEST:
            return bound - 1
        return self._random.randrange(bound)

    def _offset(self, bound: int, label: str) -> int:
        habit = self._habit(label)
        if habit < _LEAST:
            return 0
        if habit < _GREATEST:
            return bound - 1
        draw = self._random.getrandbits
        if habit >= _TAIL:
            side = draw(3)
            if side == 0:
                return 0
            if side == 1:
                return bound - 1
            if side != 2:
                return draw(64) * bound >> 64
        return bound - 1 - (draw(64) * -(-bound // _TAIL_PART) >> 64)


class Replay(Choices):
    """Gives the answers of an earlier run, and checks that the questions are the same.

    Args:
        recorded: The log of that run.
    """

    def __init__(self, recorded: Iterable[ChoicePoint]) -> None:
        super().__init__()
        self._recorded = list(recorded)

    def _option(self, bound: int, label: str) -> int:
        # Invariant: the log is a prefix of the recording, so its length is the next position.
        position = len(self.log)
        if position == len(self._recorded):
            raise ReplayMismatch(position, "already over", _in_words(label, bound))
        recorded_label, recorded_bound, value = self._recorded[position]
        if (recorded_label, recorded_bound) != (label, bound) or not 0 <= value < bound:
            recorded = f"{_in_words(recorded_label, recorded_bound)} with answer {value}"
            raise ReplayMismatch(position, recorded, _in_words(label, bound))
        return value

    def _offset(self, bound: int, label: str) -> int:
        return self._option(bound, label)

    def finish(self) -> None:
        """Check that the run asked for every recorded answer.

        Raises:
            ReplayMismatch: If the run ended before the recording.
        """
        position = len(self.log)
        if position < len(self._recorded):
            label, bound, _ = self._recorded[position]
            raise ReplayMismatch(position, _in_words(label, bound), "nothing more")


class Guided(Choices):
    """Gives the answers of an earlier run label by label, as far as they fit.

    Unlike in a replay the questions may differ.  Each label has its own sequence of answers.  An
    answer that is too great becomes the greatest possible; a missing answer becomes 0.

    Args:
        answers: The answers of each label, in order.
    """

    def __init__(self, answers: Mapping[str, Sequence[int]]) -> None:
        super().__init__()
        self._answers = {label: iter(values) for label, values in answers.items()}

    def _option(self, bound: int, label: str) -> int:
        values = self._answers.get(label)
        return 0 if values is None else min(next(values, 0), bound - 1)

    def _offset(self, bound: int, label: str) -> int:
        return self._option(bound, label)


def by_label(log: Iterable[ChoicePoint]) -> dict[str, tuple[int, ...]]:
    """Return the answers of each label, in order; what `Guided` takes.

    Example:
        >>> by_label([("a", 2, 1), ("b", 9, 4), ("a", 2, 0)])
        {'a': (1, 0), 'b': (4,)}
    """
    answers: dict[str, list[int]] = {}
    for label, _, value in log:
        answers.setdefault(label, []).append(value)
    return {label: tuple(values) for label, values in answers.items()}


class AdaptedReplay(Choices):
    """Repeats an earlier run in a system that has changed a little.

    Each label has its own sequence of answers, as in `Guided`.  A delay whose span has another
    length takes the same share of it.  Where the answers of a label run out, its last answer is
    repeated.  A label that the earlier run never asked gets the nominal answer.

    Args:
        recorded: The log of that run.
    """

    def __init__(self, recorded: Iterable[ChoicePoint]) -> None:
        super().__init__()
        self._answers: dict[str, list[ChoicePoint]] = {}
        for point in recorded:
            self._answers.setdefault(point[0], []).append(point)
        # Invariant: the next answer of a label is the last of its list, so `pop` takes it.
        for answers in self._answers.values():
            answers.reverse()

    def _next(self, label: str) -> ChoicePoint | None:
        answers = self._answers.get(label)
        if answers is None:
            return None
        return answers.pop() if len(answers) > 1 else answers[0]

    def _option(self, bound: int, label: str) -> int:
        point = self._next(label)
        return 0 if point is None else min(point[2], bound - 1)

    def _offset(self, bound: int, label: str) -> int:
        point = self._next(label)
        if point is None:
            return (bound - 1) // 2
        _, earlier, value = point
        return value if earlier == bound else value * (bound - 1) // (earlier - 1)


class Varied(AdaptedReplay):
    """Repeats an earlier run, but draws new answers for some labels.

    Each label is either repeated or drawn for the whole run.  So one kind of delay differs, while
    the rest of the run stays as it was.

    Args:
        recorded: The log of that run.
        seed: Decides which labels are drawn, and what is drawn for them.
        one_in: About one label in so many is drawn.
    """

    def __init__(self, recorded: Iterable[ChoicePoint], seed: int, one_in: int = 3) -> None:
        super().__init__(recorded)
        self._drawn = Seeded(seed)
        self._random = Random(seed)
        self._one_in = one_in
        self._is_drawn: dict[str, bool] = {}

    def _draws(self, label: str) -> bool:
        """Return whether the answers of a label are drawn in this run."""
        if label not in self._is_drawn:
            self._is_drawn[label] = self._random.randrange(self._one_in) == 0
        return self._is_drawn[label]

    def _option(self, bound: int, label: str) -> int:
        if self._draws(label):
            return self._drawn.below(bound, label)
        return super()._option(bound, label)

    def _offset(self, bound: int, label: str) -> int:
        if self._draws(label):
            return self._drawn.between(0, bound - 1, label)
        return super()._offset(bound, label)


class Drawn(Choices):
    """Takes every answer from a function, such as a Hypothesis draw.

    Args:
        draw: Called with the exclusive bound and the label; gives the answer.
    """

    def __init__(self, draw: Callable[[int, str], int]) -> None:
        super().__init__()
        self._draw = draw

    def _option(self, bound: int, label: str) -> int:
        return self._draw(bound, label)

    def _offset(self, bound: int, label: str) -> int:
        return self._draw(bound, label)


def _in_words(label: str, bound: int) -> str:
    return f"{label!r} below {bound}"
