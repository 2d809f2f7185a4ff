"""Where the instants of a symbolic state stand in its zone, and what an event does to them.

Symbolic states whose parts have equally many pending delays have the same layout, and events that
enter the same parts and begin the same delays are the same change.  There are few of both and many
states, so that zones can be worked on in stacks, one for each change.

The instants of a layout are, in this order: the *touches*, at which parts were entered last; the
*references* of observers; the ends of pending delays.  The first two are past, the others are to
come.  With one clock for all parts there is one touch, `PRESENT`.
"""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

from ...model.dense.step import PartAfter
from ...model.dense.transition import Transition
from .observers import EVENT, Turn
from .zones import FOREVER, PRESENT, Indices, Origin, Rebase, rebase_of

WaitCounts = tuple[int, ...]
"""How many delays are pending in each part."""


class Clocks(Enum):
    """How many clocks a search has."""

    GLOBAL = "one clock for all parts: events are in one order, and symbolic states are joined"
    PER_PART = "a clock for each part: events that enter different parts have no order"


class Layout(NamedTuple):
    """Where instants stand.

    Attributes:
        number: Of the layout, in the order of finding.
        touch: For each part the index of its touch.
        past: How many instants are past; they have the first indices.
        references: For each observer the indices of its references.
        first_wait: For each part the index of its first pending delay.
        waits: (index, part, position) of all pending delays.
        kept: Indices of the instants on which comparison depends, beside the moment itself.
        size: How many instants there are.
        is_global: Whether there is one clock for all parts.
        is_open: Whether the next event comes at the very instant of the last one.
        order: For each pending delay, after and before which instants it ends if it is the first
            one of its part; with clocks per part only.
    """

    number: int
    touch: tuple[int, ...]
    past: int
    references: tuple[tuple[int, ...], ...]
    first_wait: tuple[int, ...]
    waits: list[tuple[int, int, int]]
    kept: Indices
    size: int
    is_global: bool
    is_open: bool
    order: list[tuple[Indices, Indices]]


class Change(NamedTuple):
    """What an event does to the zones of a layout.

    Attributes:
        number: Of the change, in the order of finding.
        now: Index of the delay that ends.
        earlier: Indices of the instants that must not be after it.
        later: Indices of the instants that must not be before it.
        origins: Of each instant after it.
        rebase: To the instants after it.
        after: The layout after it.
        has_unbounded: Whether it begins a delay that has no greatest length.
    """

    number: int
    now: int
    earlier: Indices
    later: Indices
    origins: list[Origin]
    rebase: Rebase
    after: Layout
    has_unbounded: bool


class Layouts:
    """All layouts of one search, and the changes between them."""

    def __init__(self, clocks: Clocks, parts: int, observers: int) -> None:
        self._clocks = clocks
        self._parts = parts
        self._layouts: dict[object, Layout] = {}
        self._changes: dict[object, Change] = {}
        # Before a run begins there is one instant, which everything refers to.
        self.origin = Layout(
            -1, (PRESENT,) * parts, 1, ((PRESENT, PRESENT),) * observers,
            (1,) * parts, [(PRESENT, 0, 0)], indices([]), 1, True, False, [],
        )  # fmt: skip

    def of(self, counts: WaitCounts, turns: Sequence[Turn], *, is_open: bool) -> Layout:
        """Return the layout of states with so many delays, after these turns of observers."""
        # Layouts depend on numbers alone, so few layouts serve many states.
        observed = tuple([(len(turn.references), turn.measured) for turn in turns])
        key = (counts, observed, is_open)
        layout = self._layouts.get(key)
        if layout is None:
            layout = self._layouts[key] = self._new(counts, observed, is_open=is_open)
        return layout

    def _new(
        self, counts: WaitCounts, observed: Sequence[tuple[int, int]], *, is_open: bool
    ) -> Layout:
        is_global = self._clocks is Clocks.GLOBAL
        touch = (PRESENT,) * self._parts if is_global else tuple(range(self._parts))
        size = 1 if is_global else self._parts
        references: list[tuple[int, ...]] = []
        measured: list[int] = []
        for count, measured_count in observed:
            # With one clock the order of events is known, and references serve readings alone.
            held = measured_count if is_global else count
            references.append(tuple(range(size, size + held)))
            measured += range(size, size + measured_count)
            size += held
        past = size
        first_wait: list[int] = []
        waits: list[tuple[int, int, int]] = []
        for part, count in enumerate(counts):
            first_wait.append(size)
            waits += [(size + position, part, position) for position in range(count)]
            size += count
        # Invariant: with one clock this is all but the present, in order; so a zone that was
        # synchronised is a zone of this same layout.
        kept = indices([*measured, *range(past, size)])
        number = len(self._layouts)
        layout = Layout(number, touch, past, tuple(references), tuple(first_wait), waits, kept,
                        size, is_global, is_open, [])  # fmt: skip
        if not is_global:
            layout.order.extend(_order(layout, now, {part}, ()) for now, part, _ in waits)
        return layout

    def change(
        self, layout: Layout, now: int, transition: Transition, turns: Sequence[Turn], after: Layout
    ) -> Change:
        """Return what a transition by the end of the delay at the index `now` does."""
        # Invariant: equal keys mean equal origins and equal orders, in any states.
        entered = tuple([(each.part, each.waits) for each in transition.after])
        observed = tuple([(turn.references, turn.is_noted) for turn in turns])
        key = (layout.number, after.number, now, entered, observed)
        change = self._changes.get(key)
        if change is None:
            number = len(self._changes)
            parts = {each.part: each for each in transition.after}
            change = _new_change(number, layout, now, parts, turns, after)
            self._changes[key] = change
        return change


def _new_change(
    number: int,
    layout: Layout,
    now: int,
    entered: dict[int, PartAfter],
    turns: Sequence[Turn],
    after: Layout,
) -> Change:
    # Each instant after the event is the event, an instant before it, or some time after one.
    origins: list[Origin] = [(now, 0, 0)] * after.size
    for part, index in enumerate(after.touch):
        is_touched = part in entered or after.is_global
        origins[index] = (now if is_touched else layout.touch[part], 0, 0)
    for turn, old, new in zip(turns, layout.references, after.references, strict=True):
        for index, source in zip(new, turn.references, strict=False):
            origins[index] = (now if source == EVENT else old[source], 0, 0)
    for index, part, position in after.waits:
        origins[index] = _wait(layout, now, entered.get(part), part, position)
    noting = [at for at, turn in enumerate(turns) if turn.is_noted]
    earlier, later = _order(layout, now, entered, noting)
    has_unbounded = any(hi >= FOREVER for _, _, hi in origins)
    rebase = rebase_of(origins, layout.size)
    return Change(number, now, earlier, later, origins, rebase, after, has_unbounded)


def _order(
    layout: Layout, now: int, entered: "dict[int, PartAfter] | set[int]", noting: Sequence[int]
) -> tuple[Indices, Indices]:
    """Return before and after which instants an event comes that enters these parts."""
    if layout.is_global:
        # Invariant: with one clock all that is past comes before all that is to come, already.
        later = [index for index, _, _ in layout.waits if index != now]
        # In an open moment the event does not come after the present either.
        return indices([]), indices([*later, PRESENT] if layout.is_open else later)
    # Of events that enter different parts neither is first: only what meets is ordered.
    earlier = {layout.touch[part] for part in entered}
    earlier |= {index for at in noting for index in layout.references[at]}
    later = [index for index, part, _ in layout.waits if index != now and part in entered]
    return indices(sorted(earlier)), indices(later)


def _wait(layout: Layout, now: int, entered: PartAfter | None, part: int, position: int) -> Origin:
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
