"""Where the instants of a state stand in its zones, and what an event does to them.

States whose parts have equally many pending delays have the same layout, and events that enter the
same parts and begin the same delays are the same change: there are few of both and many states.
So zones are worked on in stacks, one for each change (`zones`).
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ...model.dense.step import Outcome, PartAfter
from .zones import FOREVER, Indices, Rebase, rebase_of

State = tuple[int, ...]
"""The number of the form of each part."""


class Forms(Protocol):
    """What is known of the forms of a model's parts.

    Attributes:
        first_stopwatch: Number of the first part that is a stopwatch.
        wait_counts: How many pending delays a part has in each form.
    """

    first_stopwatch: int
    wait_counts: list[int]

    def is_running(self, form: int) -> bool:
        """Return whether a stopwatch in this form is running."""
        ...


class Layout(NamedTuple):
    """Where the instants of a state stand in its zones: touches first, then pending delays.

    Attributes:
        number: Of the layout, in the order of finding.
        touch: For each part the index of its touch.
        touches: How many touches there are.
        first_wait: For each part the index of its first pending delay.
        waits: (index, part, position) of all pending delays.
        kept: Indices of pending delays and of running stopwatches.
        size: How many instants there are.
    """

    number: int
    touch: tuple[int, ...]
    touches: int
    first_wait: tuple[int, ...]
    waits: list[tuple[int, int, int]]
    kept: Indices
    size: int


class Change(NamedTuple):
    """What an event does to the zones of a layout.

    Attributes:
        number: Of the change, in the order of finding.
        now: Index of the delay that ends.
        earlier: Touches of the parts that it enters.
        later: Pending delays of those parts.
        rebase: To the instants after it.
        after: The layout after it.
        is_open: Whether it begins a delay that has no greatest length.
    """

    number: int
    now: int
    earlier: Indices
    later: Indices
    rebase: Rebase
    after: Layout
    is_open: bool


class Layouts:
    """All layouts of one search, and the changes between them."""

    def __init__(self, forms: Forms, *, has_stopwatches: bool) -> None:
        self._forms = forms
        self._has_stopwatches = has_stopwatches
        self._layouts: dict[tuple[int, ...], Layout] = {}
        self._changes: dict[object, Change] = {}

    def of(self, state: State) -> Layout:
        """Return the layout of a state."""
        counts = self._forms.wait_counts
        shape = tuple([counts[form] for form in state])
        if self._has_stopwatches:
            shape += state[self._forms.first_stopwatch :]
        layout = self._layouts.get(shape)
        if layout is None:
            layout = self._layouts[shape] = self._new(len(self._layouts), state)
        return layout

    def _new(self, number: int, state: State) -> Layout:
        first_stopwatch = self._forms.first_stopwatch
        touch = tuple(range(len(state)))
        size = touches = len(state)
        first_wait: list[int] = []
        waits: list[tuple[int, int, int]] = []
        for part, form in enumerate(state):
            first_wait.append(size)
            for position in range(self._forms.wait_counts[form]):
                waits.append((size, part, position))
                size += 1
        # The touch of a stopwatch that stands still orders what it reads, and matters no longer
        # when all have come equally far.
        marks = [part for part in touch[first_stopwatch:] if self._forms.is_running(state[part])]
        kept = indices([*range(touches, size), *marks])
        return Layout(number, touch, touches, tuple(first_wait), waits, kept, size)

    def change(self, layout: Layout, now: int, outcome: Outcome, after: Layout) -> Change:
        """Return what an outcome of the delay at the index `now` does, leading to a layout."""
        entered = tuple([(each.part, each.waits) for each in outcome.after])
        key = (layout.number, after.number, now, entered)
        change = self._changes.get(key)
        if change is None:
            number = len(self._changes)
            change = self._changes[key] = _new_change(number, layout, after, now, outcome)
        return change


def _new_change(number: int, layout: Layout, after: Layout, now: int, outcome: Outcome) -> Change:
    entered = {each.part: each for each in outcome.after}
    instants: list[tuple[int, int, int]] = [(0, 0, 0)] * after.size
    for part, index in enumerate(after.touch):
        instants[index] = (now if part in entered else layout.touch[part], 0, 0)
    for index, part, position in after.waits:
        instants[index] = _wait(layout, now, entered.get(part), part, position)
    overtaken = [index for index, part, _ in layout.waits if part in entered and index != now]
    earlier = [layout.touch[part] for part in entered]
    is_open = any(hi >= FOREVER for _, _, hi in instants)
    rebase = rebase_of(instants, layout.size)
    return Change(number, now, indices(earlier), indices(overtaken), rebase, after, is_open)


def _wait(
    layout: Layout, now: int, entered: PartAfter | None, part: int, position: int
) -> tuple[int, int, int]:
    """Return from which instant a pending delay is counted, and its least and greatest length."""
    if entered is None:
        return (layout.first_wait[part] + position, 0, 0)
    wait = entered.waits[position]
    if wait.source < 0:
        return (now, wait.lo_ns, min(wait.hi_ns, FOREVER))
    return (layout.first_wait[part] + wait.source, 0, 0)


def indices(values: Sequence[int]) -> Indices:
    """Return indices as numpy wants them."""
    return np.array(values, dtype=np.intp)
