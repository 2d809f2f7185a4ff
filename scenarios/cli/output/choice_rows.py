"""Rows of the report's table of choices, one for each label."""

from collections.abc import Iterable

from ....model.base.choices import ChoicePoint
from ....model.plan.open_questions import QUESTIONS
from ....reports.html.content import ChoiceRow

_ANSWERS = {question.label: question.answers for question in QUESTIONS}

_LISTED_MAX = 6
"""Up to so many different answers are listed; of more, the least and the greatest."""

_OPTIONS_MAX = 24
"""A choice among more than this is a delay; labels do not say so themselves."""


def choice_rows(choices: Iterable[ChoicePoint]) -> list[ChoiceRow]:
    """Return one row for each label, in the order in which they were first asked."""
    by_label: dict[str, list[tuple[int, int]]] = {}
    for label, bound, value in choices:
        by_label.setdefault(label, []).append((bound, value))
    return [_row(label, answers) for label, answers in by_label.items()]


def _row(label: str, answers: list[tuple[int, int]]) -> ChoiceRow:
    bound = max(bound for bound, _ in answers)
    if label in _ANSWERS:
        names = _ANSWERS[label]
        given = dict.fromkeys(names[value] for _, value in answers)
        return ChoiceRow(label, "option", len(answers), ", ".join(given))
    different = sorted({value for _, value in answers})
    if bound <= _OPTIONS_MAX:
        given = dict.fromkeys(f"number {value} of {bound}" for value in different)
        return ChoiceRow(label, "option", len(answers), _few(list(given)))
    return ChoiceRow(label, "delay", len(answers), f"{_few(list(map(str, different)))} of {bound}")


def _few(texts: list[str]) -> str:
    if len(texts) <= _LISTED_MAX:
        return ", ".join(texts)
    return f"{len(texts)} different ones from {texts[0]} to {texts[-1]}"
