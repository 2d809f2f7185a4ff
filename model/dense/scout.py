"""A few ordinary runs before the search: the search first examines the claims that they break.

A claim that a run breaks is broken, but the path to it is not short.  So the runs decide only the
order of the search.  In most violations one component is as fast as possible while all others are
as slow as possible.  So each named component has one run ahead of all others, and one behind them.
"""

from collections.abc import Iterable, Iterator, Sequence

from ..base.choices import Choices, Earliest, Latest, Seeded
from ..sim.kernel import Kernel
from ..trace.events import Record
from .dense_kernel import Build
from .step import MakeWatch

EVENTS_MAX = 20_000
"""Events after which a scout turns back."""

SEEDS = 2
"""Runs with lengths drawn at random."""

RUSHED_MAX = 8
"""Components that have two runs of their own."""


class Rush(Choices):
    """Takes some delays as short as they may be and all others as long, or the other way round.

    Args:
        name: Labels of the delays in question begin with it and a dot.
        is_ahead: Whether they are the short ones.
    """

    def __init__(self, name: str, *, is_ahead: bool) -> None:
        super().__init__()
        self._prefix = f"{name}."
        self._is_ahead = is_ahead

    def _offset(self, bound: int, label: str) -> int:
        is_short = label.startswith(self._prefix) == self._is_ahead
        return 0 if is_short else bound - 1

    def _option(self, bound: int, label: str) -> int:  # noqa: ARG002
        return 0


def suspected(build: Build, makes: Sequence[MakeWatch], names: Iterable[str] = ()) -> list[int]:
    """Return the positions of the claims that some ordinary run breaks, the first such run ends it.

    Args:
        build: Builds the model.
        makes: Make the monitors of the claims.
        names: Of components that may be ahead or behind.
    """
    for choices in _ways(list(names)[:RUSHED_MAX]):
        broken = _broken_in(build, makes, choices)
        if broken:
            return broken
    return []


def _ways(names: Sequence[str]) -> Iterator[Choices]:
    for name in names:
        yield Rush(name, is_ahead=True)
        yield Rush(name, is_ahead=False)
    yield Earliest()
    yield Latest()
    for seed in range(SEEDS):
        yield Seeded(seed)


def _broken_in(build: Build, makes: Sequence[MakeWatch], choices: Choices) -> list[int]:
    kernel = Kernel(choices)
    watches = [make() for make in makes]
    seen = 0

    def note(record: Record) -> None:
        nonlocal seen
        for watch in watches:
            if watch.reads(record):
                watch.step(seen, record)
        seen += 1

    kernel.observe(note)
    done = build(kernel)
    for _ in range(EVENTS_MAX):
        is_over = done is not None and done.callbacks is None
        if is_over or not (kernel._urgent or kernel._due or kernel._delays):
            break
        kernel.step()
        for watch in watches:
            watch.settle()
    return [number for number, watch in enumerate(watches) if watch.fault]
