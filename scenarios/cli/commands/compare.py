"""`quiesce compare`: two runs in one picture, aligned at the termination."""

from pathlib import Path

import msgspec

from ....reports.pictures.comparison import ComparedRun, ComparisonPicture
from ...run.result_files import write_results
from ...run.runner import RunResult
from ..output.exit_status import OK
from ..output.terminal import say, say_json, say_rows
from .explain import run_of


class CompareRequest(msgspec.Struct, frozen=True):
    """What the user asked for.

    Attributes:
        words: Two folders, replay files or words for scenarios.
        out: Folder for the picture.
        json: Whether to write JSON.
    """

    words: tuple[str, str]
    out: Path
    json: bool = False


def compare_command(request: CompareRequest) -> int:
    """Draw two runs, and say in which properties they differ.

    Raises:
        InputError: If one of them cannot be used.
    """
    results = [run_of(word, request.out)[0] for word in request.words]
    first, second = results
    names = [result.plan.name for result in results]
    if names[0] == names[1]:
        names = [f"{name} ({number})" for number, name in enumerate(names, start=1)]
    picture = ComparisonPicture((_compared(names[0], first), _compared(names[1], second)))
    folder = request.out / f"{first.plan.name}-and-{second.plan.name}"
    files = {"compare.svg": picture.svg(), "compare.png": picture.png()}
    paths = write_results(folder, files)
    differences = _differences(first, second)
    if request.json:
        shown = [str(path) for path in paths]
        say_json({"runs": names, "differences": differences, "files": shown})
        return OK
    say(f"{names[0]} and {names[1]}")
    say()
    if differences:
        rows = [(name, words[0], words[1]) for name, words in differences.items()]
        say_rows(rows, {"violated": "red", "holds": "green"})
    else:
        say("no property tells them apart")
    say()
    say(f"written to {folder}: {', '.join(files)}", hang=2)
    return OK


def _compared(name: str, result: RunResult) -> ComparedRun:
    return ComparedRun(name, result.trace, result.judgement)


def _differences(first: RunResult, second: RunResult) -> dict[str, tuple[str, str]]:
    """Return the properties on which the verdicts differ, with both words."""
    others = {verdict.property: verdict.verdict for verdict in second.judgement.verdicts}
    return {
        verdict.property: (verdict.verdict, others.get(verdict.property, "not judged"))
        for verdict in first.judgement.verdicts
        if others.get(verdict.property) != verdict.verdict
    }
