"""`quiesce export`: runs in the formats that other programs open."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from .... import __version__
from ....model.base.errors import InputError, Place, Problem, nearest
from ....model.trace import codec
from ....model.trace.events import Trace
from ....properties.core.verdict import Judgement
from ....reports import verdict_file
from ....reports.formats.junit import junit_xml
from ....reports.formats.needs import needs_json
from ....reports.formats.sarif import ReportedRun, sarif_json
from ....reports.formats.sequence import sequence
from ....reports.formats.source import TraceSource
from ....reports.formats.table import RUN_FORMATS
from ...resolve.library import resolved
from ...run.runner import choices_for, run_scenario
from ..output.exit_status import OK
from ..output.terminal import say, say_json


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for.

    Attributes:
        runs: Folders of runs, or words for scenarios.
        formats: Words for formats.
        out: Folder for the files.
        json: Whether to write JSON.
    """

    runs: tuple[str, ...]
    formats: tuple[str, ...]
    out: Path
    json: bool


class ExportedRun(msgspec.Struct, frozen=True):
    """A run to be exported.

    Attributes:
        source: Its trace, in its file if it has one.
        judgement: What was found in it.
        origins: Where the user's files speak of each component.
    """

    source: TraceSource
    judgement: Judgement
    origins: dict[str, Place]

    def found(self) -> ReportedRun:
        """Return it with the whole trace in memory."""
        source = self.source
        trace = source if isinstance(source, Trace) else Trace(source.header, tuple(source.records))
        return ReportedRun(trace, self.judgement, self.origins)


def _write_sequence(run: ExportedRun, to: BinaryIO) -> None:
    to.write(sequence(run.found().trace, run.judgement).encode())


def _judgements(runs: Sequence[ExportedRun]) -> list[Judgement]:
    return [run.judgement for run in runs]


ALL_RUNS: dict[str, tuple[str, Callable[[Sequence[ExportedRun]], bytes]]] = {
    "junit": ("junit.xml", lambda runs: junit_xml(_judgements(runs))),
    "sarif": ("findings.sarif", lambda runs: sarif_json([r.found() for r in runs], __version__)),
    "needs": ("needs.json", lambda runs: needs_json(_judgements(runs), __version__)),
}
"""Formats with one file for all runs: its name, and what makes it."""

SEQUENCE = "mermaid"
SEQUENCE_FILE = "sequence.mmd"
FORMATS = (*RUN_FORMATS, SEQUENCE, *ALL_RUNS)


def export_command(request: ExportRequest) -> int:
    """Write runs in other formats.

    Raises:
        InputError: If a format, a run or the folder for the files cannot be used.
    """
    formats = list(dict.fromkeys(request.formats or FORMATS))
    _check(formats)
    runs = [_run(word) for word in request.runs]
    _check_names(runs)
    try:
        files = [file for word in formats for file in _write(word, runs, request.out)]
    except OSError as error:
        message = f"the files cannot be written: {error.strerror or error}"
        problem = Problem(Place(str(request.out)), message, remedy="name another folder with --out")
        raise InputError([problem]) from None
    if request.json:
        say_json({"files": [str(file) for file in files]})
    else:
        for file in files:
            say(str(file))
    return OK


def _check(formats: Sequence[str]) -> None:
    problems = []
    for word in formats:
        if word not in FORMATS:
            near = nearest(word, FORMATS)
            remedy = f"did you mean {near!r}?" if near else f"there are {', '.join(FORMATS)}"
            problems.append(Problem(Place("--as"), f"there is no format {word!r}", word, remedy))
    if problems:
        raise InputError(problems)


def _check_names(runs: Sequence[ExportedRun]) -> None:
    names = [run.source.header.scenario for run in runs]
    for index, name in enumerate(names):
        if name in names[:index]:
            message = f"two runs are called {name!r}, and their files would be the same"
            problem = Problem(Place("RUN"), message, name, "export them into different folders")
            raise InputError([problem])


def _run(word: str) -> ExportedRun:
    """Return the run in a folder, or of a scenario with all delays at their middle."""
    folder = Path(word)
    if not folder.is_dir():
        result = run_scenario(resolved(word), *choices_for())
        return ExportedRun(result.trace, result.judgement, result.origins)
    for name in ("trace.jsonl", "verdict.json"):
        if not (folder / name).is_file():
            message = f"there is no {name} in it, so it is not the folder of a run"
            raise InputError([Problem(Place(word), message, remedy="see `quiesce run --out`")])
    return ExportedRun(
        codec.TraceFile(folder / "trace.jsonl"),
        verdict_file.read(folder / "verdict.json"),
        verdict_file.read_origins(folder / "origins.json"),
    )


def _write(word: str, runs: Sequence[ExportedRun], out: Path) -> list[Path]:
    if word in ALL_RUNS:
        name, made_of = ALL_RUNS[word]
        codec.write_whole(out / name, made_of(runs))
        return [out / name]
    written = []
    for run in runs:
        file_name = SEQUENCE_FILE if word == SEQUENCE else RUN_FORMATS[word].file
        path = out / run.source.header.scenario / file_name
        with codec.whole_file(path) as file:
            if word == SEQUENCE:
                _write_sequence(run, file)
            else:
                RUN_FORMATS[word].write(run.source, run.judgement, file)
        written.append(path)
    return written
