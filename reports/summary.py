"""Prints the judgement of a run on a terminal, or into a pipe.

A terminal gets colour; a pipe gets plain text without escape sequences. A window too narrow for a
table gets the same facts one below the other.
"""

import os
from typing import TYPE_CHECKING

from ..properties.core.exercise import Exercise
from ..properties.core.verdict import HEADLINES, Headline, Judgement, Verdict
from .core.assumption_lines import assumption_lines
from .core.findings import first_of_worst
from .core.words import EXACT, about_ns, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["HEADLINE_STYLES", "in_words", "print_judgement"]

TABLE_WIDTH_MIN = 80
"""Below this many columns the table becomes a list."""

_PIPE_WIDTH = 160
"""Columns of a table in a pipe, which has no width of its own."""

HEADLINE_STYLES: dict[Headline, str] = {
    "violated": "bold red",
    "withheld": "bold yellow",
    "inconclusive": "bold yellow",
    "not exercised": "yellow",
    "holds": "green",
}
"""How a headline looks on a terminal."""

_STYLES = {
    "violated": "bold red",
    "inconclusive": "bold yellow",
    "vacuous": "yellow",
    "holds": "green",
}


def print_judgement(
    judgement: Judgement,
    *,
    why: str = "",
    replay: str = "",
    console: "Console | None" = None,
    verbose: bool = False,
) -> None:
    """Print a judgement with all that limits its meaning.

    Args:
        judgement: The verdicts.
        why: One sentence on the worst violation; empty without a violation.
        replay: The command that shows this run again; empty if there is none.
        console: Where to print; standard output if None.
        verbose: Whether to list every assumption and every violation that was kept.
    """
    _Page(console or _standard_output(), judgement).print(why, replay, verbose=verbose)


def _standard_output() -> "Console":
    from rich.console import Console  # noqa: PLC0415

    console = Console(highlight=False)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(highlight=False, width=_PIPE_WIDTH)


class _Page:
    def __init__(self, console: "Console", judgement: Judgement) -> None:
        self._console = console
        self._judgement = judgement

    def print(self, why: str, replay: str, *, verbose: bool) -> None:
        judgement = self._judgement
        headline = judgement.headline
        severity = f" ({judgement.severity})" if headline == "violated" else ""
        words = f"{judgement.scenario}: {HEADLINES[headline]}{severity} [{judgement.label}]"
        self._line(words, HEADLINE_STYLES[headline])
        for reason in judgement.idle_reasons:
            self._line(f"not exercised: {reason}", _STYLES["vacuous"])
        self._line("")
        if self._console.width >= TABLE_WIDTH_MIN:
            self._console.print(self._table())
        else:
            self._list()
        self._line("")
        for reason, names in _open_reasons(judgement).items():
            self._line(f"open: {', '.join(names)}: {reason}", _STYLES["inconclusive"])
        for each in judgement.exercises:
            self._line(in_words(each))
        if why:
            self._line(f"why: {why}", "bold")
        self._line(f"label: {judgement.label}")
        for bound in judgement.bounds:
            self._line(f"bound: {bound}")
        self._assumptions(verbose=verbose)
        if verbose:
            self._violations()
        if replay:
            self._line(f"replay: {replay}")

    def _line(self, text: str, style: str = "") -> None:
        from rich.text import Text  # noqa: PLC0415

        # In a pipe a line stays one line, for the sake of programs that read it.
        soft = not self._console.is_terminal and self._console.width >= TABLE_WIDTH_MIN
        self._console.print(Text(printable(text), style), soft_wrap=soft, highlight=False)

    def _table(self) -> "Table":
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("property", no_wrap=True)
        table.add_column("verdict", no_wrap=True)
        table.add_column("severity", no_wrap=True)
        table.add_column("antecedents", justify="right", no_wrap=True)
        table.add_column("first violation at")
        for verdict in self._judgement.verdicts:
            table.add_row(
                Text(printable(verdict.property)),
                Text(verdict.verdict, _STYLES[verdict.verdict]),
                verdict.severity if verdict.violations else "-",
                str(verdict.antecedents),
                _first(verdict),
            )
        return table

    def _list(self) -> None:
        for verdict in self._judgement.verdicts:
            self._line(f"{verdict.property}:", "bold")
            severity = f" ({verdict.severity})" if verdict.violations else ""
            self._line(f"  {verdict.verdict}{severity}", _STYLES[verdict.verdict])
            self._line(f"  antecedents: {verdict.antecedents}")
            if verdict.violations:
                self._line(f"  first at: {_first(verdict)}")

    def _assumptions(self, *, verbose: bool) -> None:
        assumptions = self._judgement.assumptions
        for line in assumption_lines(assumptions):
            self._line(line)
        if verbose:
            for each in assumptions:
                self._line(f"  {each.name} = {each.value}  ({each.basis})")

    def _violations(self) -> None:
        for verdict in self._judgement.verdicts:
            for each in verdict.violations:
                at = about_ns(each.at_ns, EXACT)
                self._line(f"violation: {verdict.property} #{each.index} at {at}: {each.message}")
            left_out = verdict.violation_count - len(verdict.violations)
            if left_out:
                self._line(f"violation: {verdict.property}: {left_out} more")


def _open_reasons(judgement: Judgement) -> dict[str, list[str]]:
    """Return why properties are undecided: each reason, and the properties that share it."""
    reasons: dict[str, list[str]] = {}
    for verdict in judgement.verdicts:
        if verdict.verdict == "inconclusive":
            reasons.setdefault(verdict.reason, []).append(verdict.property)
    return reasons


def in_words(exercise: Exercise) -> str:
    """Return what a device did for its VM, as one line."""
    parts = []
    if exercise.can_write:
        parts.append(f"{exercise.landings} writes landed")
    if exercise.can_interrupt:
        parts.append(f"{exercise.interrupts} interrupts")
    parts.append("at work at the end" if exercise.was_at_work else "idle at the end")
    mark = "" if exercise.is_whole else "; not exercised"
    return f"device: {exercise.device} for {exercise.vm}: {', '.join(parts)}{mark}"


def _first(verdict: Verdict) -> str:
    if not verdict.violations:
        return "-"
    earliest = about_ns(verdict.violations[0].at_ns, EXACT)
    more = f", {verdict.violation_count} in all" if verdict.violation_count > 1 else ""
    worst = first_of_worst(verdict.violations)
    differs = worst.index != verdict.violations[0].index
    then = f", {worst.severity} at {about_ns(worst.at_ns, EXACT)}" if differs else ""
    return f"{earliest}{then}{more}"
