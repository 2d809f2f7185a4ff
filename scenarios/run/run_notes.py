"""What the report of a run says besides its verdicts."""

from ...model.plan.open_questions import QUESTIONS
from ...reports.core.notes import notes_of
from .runner import RunResult

_ANSWERS = {question.label: question.answers for question in QUESTIONS}


def notes_of_run(result: RunResult) -> list[str]:
    """Return the notes of a run: causes of an end that were not obeyed, and unusual answers.

    The usual answer to an open question is its first one.  A run that rests on another one shows
    nothing for a system in which that answer is impossible.
    """
    unusual = {
        label: _ANSWERS[label][value]
        for label, _, value in result.recording.choices
        if label in _ANSWERS and value > 0
    }
    notes = list(notes_of(result.trace))
    if unusual:
        listed = ", ".join(f"{label} = {answer}" for label, answer in unusual.items())
        notes.append(
            f"this run rests on answers to open questions that are not the usual: {listed}"
        )
    return notes
