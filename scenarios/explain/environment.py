"""What the environment of a guest decides: other answers to the open questions of a run.

The author of a vdev does not decide these things; the board, its BSP, a server of the host or an
undocumented part of the system does.  An answer that saves a run says what to ask of them.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from ...model.base.choices import ChoicePoint
from ...model.plan.open_questions import QUESTIONS, OpenQuestion
from ...model.plan.system_plan import SystemPlan

__all__ = ["AnsweredPlan", "also_answered", "answers_of", "otherwise_answered"]


class AnsweredPlan(NamedTuple):
    """A plan with an open question answered otherwise.

    Attributes:
        text: What to make sure of, as an instruction without a full stop.
        plan: The plan.
    """

    text: str
    plan: SystemPlan


def answers_of(plan: SystemPlan, asked: Iterable[ChoicePoint]) -> Iterator[AnsweredPlan]:
    """Give the plans in which one open question of a run is answered otherwise.

    Args:
        plan: Of the run.
        asked: Its answers; they show which questions came up that the plan does not answer.
    """
    given = dict(plan.pinned)
    by_label = {question.label: question for question in QUESTIONS}
    for label, _, value in asked:
        if label in by_label:
            given.setdefault(label, by_label[label].answers[value])
    for question in QUESTIONS:
        if question.label not in given:
            continue
        for answer in question.answers:
            if answer != given[question.label]:
                pinned = plan.pinned | {question.label: answer}
                yield AnsweredPlan(_text(question, answer), replace(plan, pinned=pinned))


def otherwise_answered(
    plan: SystemPlan, asked: Iterable[ChoicePoint], other: Iterable[ChoicePoint]
) -> Iterator[tuple[str, str]]:
    """Give the open questions that another run answers otherwise, with the answer of the first.

    Args:
        plan: What was run; what it pins is the same in both.
        asked: Answers of the first run; what it did not ask has its default.
        other: Answers of the other run.
    """
    first: dict[str, int] = {}
    for label, _, value in asked:
        first.setdefault(label, value)
    differing: dict[str, None] = {}
    for label, _, value in other:
        if label not in plan.pinned and value != first.get(label, 0):
            differing[label] = None
    for question in QUESTIONS:
        if question.label in differing:
            yield question.label, question.answers[first.get(question.label, 0)]


def also_answered(plan: SystemPlan, label: str, answer: str) -> AnsweredPlan:
    """Return the plan with one more open question answered."""
    question = next(each for each in QUESTIONS if each.label == label)
    return AnsweredPlan(
        _text(question, answer),
        replace(plan, pinned=plan.pinned | {label: answer}),
    )


def _text(question: OpenQuestion, answer: str) -> str:
    return (
        f"make sure that {question.label} is {answer} (the environment decides this: "
        f"{question.meaning})"
    )
