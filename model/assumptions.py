"""What a run takes for granted: every span and every answer, with its basis."""

from functools import lru_cache

from .open_questions import QUESTIONS
from .plan import SystemPlan
from .timing import EVIDENCE, Timing
from .trace import Assumption

_DEFAULTS = Timing()


def assumptions_of(plan: SystemPlan) -> tuple[Assumption, ...]:
    """Return all that a run of the plan rests on: spans first, then open questions."""
    pinned = tuple(sorted(plan.pinned.items()))
    return _spans(plan.timing) + _answers(pinned)


@lru_cache(maxsize=64)
def _spans(timing: Timing) -> tuple[Assumption, ...]:
    found = []
    for key, evidence in EVIDENCE.items():
        span = getattr(timing, key)
        if span == getattr(_DEFAULTS, key):
            basis = f"{evidence.grade}: {evidence.meaning}; {evidence.source}"
        else:
            basis = f"given by the scenario: {evidence.meaning}"
        found.append(Assumption(key, str(span), basis))
    return tuple(found)


@lru_cache(maxsize=64)
def _answers(pinned: tuple[tuple[str, str], ...]) -> tuple[Assumption, ...]:
    fixed = dict(pinned)
    found = []
    for question in QUESTIONS:
        answer = fixed.get(question.label)
        if answer is None:
            value = " | ".join(question.answers)
            basis = f"left open: {question.meaning}; {question.basis}"
        else:
            value = answer
            basis = f"pinned by the scenario: {question.meaning}; {question.basis}"
        found.append(Assumption(question.label, value, basis))
    return tuple(found)
