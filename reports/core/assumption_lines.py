"""Writes in few lines what a judgement rests on: open questions, answers, assumptions, omissions.

Each group is one line. A long line is folded and says how much more there is. `quiesce assumptions`
and `--verbose` show everything with the reasons.
"""

import re
from collections.abc import Iterable

from ...model.trace.events import Assumption

__all__ = ["assumption_lines", "is_undocumented"]

_LISTED_MAX = 10
_TEXT_MAX = 60
_DURATION = re.compile(r"^[0-9.]+(ns|us|ms|s)(\.\.[0-9.]+(ns|us|ms|s))?$")


def assumption_lines(assumptions: tuple[Assumption, ...]) -> list[str]:
    """Return the lines; the first has the numbers."""
    if not assumptions:
        return ["assumptions: none but the trace itself"]
    loose = sum(map(is_undocumented, assumptions))
    head = f"assumptions: {len(assumptions)}, of which {loose} undocumented"
    head += " (see `quiesce assumptions SCENARIO`)"
    groups = {title: _folded(items) for title, items in _groups(assumptions).items() if items}
    return [head, *(f"  {title}: {text}" for title, text in groups.items())]


def is_undocumented(assumption: Assumption) -> bool:
    """Return whether no document supports the assumption."""
    return "not documented" in assumption.basis or assumption.basis.startswith("assumed")


def _groups(assumptions: Iterable[Assumption]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {
        "open questions": [],
        "answered by the scenario": [],
        "assumed": [],
        "durations without a source": [],
        "not modelled": [],
        "without effect": [],
    }
    for each in assumptions:
        if each.basis.startswith("left open"):
            groups["open questions"].append(f"{each.name} ({each.value.replace(' | ', '|')})")
        elif each.basis.startswith("pinned"):
            groups["answered by the scenario"].append(f"{each.name} = {each.value}")
        elif each.basis.startswith("not modelled"):
            kind = each.name.removesuffix(".left-out")
            groups["not modelled"].append(f"{kind} ({_cut(each.value)})")
        elif each.basis.startswith("no effect"):
            groups["without effect"] += each.value.split(", ")
        elif is_undocumented(each):
            is_long = bool(_DURATION.match(each.value))
            group = groups["durations without a source" if is_long else "assumed"]
            group.append(each.name if is_long else f"{each.name} = {_cut(each.value)}")
    return groups


def _cut(text: str) -> str:
    if len(text) <= _TEXT_MAX:
        return text
    return text[: _TEXT_MAX - 3].rsplit(" ", 1)[0].rstrip(",;:") + " ..."


def _folded(items: list[str]) -> str:
    if len(items) <= _LISTED_MAX:
        return "; ".join(items) if any(", " in item for item in items) else ", ".join(items)
    return f"{_folded(items[:_LISTED_MAX])} and {len(items) - _LISTED_MAX} more"
