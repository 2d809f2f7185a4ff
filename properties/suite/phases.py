"""Observes one system for longer and longer, and compares what each property says.

Every delay and answer depends only on its label and on how many of that label came before. A longer
observation is therefore the same run, continued.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from quiesce.model.base.choices import Choices
from quiesce.model.base.clock import exactly
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.properties.check import check

__all__ = ["Labelled", "contradictions", "lengths_ns"]

_PRIME, _MASK = 0x100000001B3, (1 << 64) - 1
"""FNV-1a, a plain hash that is the same in every process."""


class Labelled(Choices):
    """Choices that depend on label, number and seed alone, and lean to the ends of spans."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed
        self._counts: dict[str, int] = {}

    def _number(self, label: str) -> int:
        count = self._counts[label] = self._counts.get(label, 0) + 1
        value = 0xCBF29CE484222325 ^ self._seed
        for byte in f"{label}#{count}".encode():
            value = (value ^ byte) * _PRIME & _MASK
        return value ^ value >> 29

    def _option(self, bound: int, label: str) -> int:
        return self._number(label) % bound

    def _offset(self, bound: int, label: str) -> int:
        number = self._number(label)
        habit, number = number % 4, number // 4
        return {0: 0, 1: bound - 1}.get(habit, number % bound)


def lengths_ns(usual_ns: int, count: int) -> list[int]:
    """Return lengths of observation from next to nothing to ten times the usual one."""
    steps = max(1, count - 3)
    evenly = [usual_ns * step // steps for step in range(1, steps + 1)]
    return sorted({1, *evenly, 3 * usual_ns, 10 * usual_ns})


def contradictions(plan: SystemPlan, seed: int, lengths: Iterable[int]) -> dict[str, list[str]]:
    """Return the properties that hold for one length of observation and not for another.

    Args:
        plan: The system.
        seed: Of the choices.
        lengths: How long the outside goes on, in nanoseconds.
    """
    words: dict[str, dict[str, int]] = {}
    for length in lengths:
        observed = replace(plan, observe=exactly(length))
        for verdict in check(run(observed, Labelled(seed))):
            words.setdefault(verdict.property, {}).setdefault(verdict.verdict, length)
    return {
        name: [f"{word} from {length} ns" for word, length in found.items()]
        for name, found in words.items()
        if {"holds", "violated"} <= found.keys()
    }
