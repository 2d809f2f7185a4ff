"""The door of the reports: writes all files of a run into a folder.

All files are made before the first is written. Each is written whole or not at all.
"""

from pathlib import Path

import msgspec

from ..model.base.errors import Place
from ..model.trace import codec
from ..model.trace.events import Trace
from ..properties.core.verdict import Judgement
from . import verdict_file
from .core.notes import notes_of
from .explanation.explanation import Explanation
from .explanation.why import why
from .formats.causal_formats import dot, mermaid
from .pictures.causal_graph import CausalPicture
from .pictures.timing import TimingPicture

__all__ = ["explanation_files", "verdict_json", "write"]


def write(
    folder: Path,
    trace: Trace,
    judgement: Judgement,
    *,
    replay: bytes,
    plot: bool = True,
    origins: dict[str, Place] | None = None,
    explanation: Explanation | None = None,
) -> tuple[Path, ...]:
    """Write the report of a run into a folder; make the folder if it does not exist.

    The files are:

    - `trace.jsonl`, `verdict.json`, `replay.json`, `timing.svg` and `timing.png`;
    - `origins.json`, if the files that speak of the components are known (not for a replay);
    - those of `explanation_files`, with an explanation.

    Args:
        folder: The folder; files of these names are replaced.
        trace: The records of the run.
        judgement: The verdicts on it.
        replay: The bytes of the replay file; empty for a recorded trace, which has none.
        origins: Where the user's files speak of each component, if that is known.
        plot: Whether to draw the pictures, which take longer than everything else.
        explanation: Why the worst violation came about; None without a violation or if not wanted.

    Returns:
        The files that were written.

    Raises:
        OSError: If the folder cannot be written.
    """
    files = {
        "trace.jsonl": codec.encode(trace),
        "verdict.json": verdict_json(trace, judgement),
        "replay.json": replay,
        "origins.json": verdict_file.encode_origins(origins) if origins else b"",
    }
    if plot:
        picture = TimingPicture(trace, judgement, explanation)
        files |= {"timing.svg": picture.svg(), "timing.png": picture.png()}
    if explanation is not None:
        files |= explanation_files(explanation, judgement.scenario, plot=plot)
    written = []
    for name, data in files.items():
        if data:
            codec.write_whole(folder / name, data)
            written.append(folder / name)
    return tuple(written)


def explanation_files(
    explanation: Explanation, scenario: str, *, plot: bool = True
) -> dict[str, bytes]:
    """Return the files of an explanation by name.

    They are `explanation.txt`, `explanation.json` for programs, `causes.dot`, `causes.mmd` and,
    with a plot, `causes.svg` and `causes.png`.
    """
    graph = explanation.slice
    title = f"{scenario}: what led to the violation of {explanation.property}"
    files = {
        "explanation.txt": "".join(f"{each}\n" for each in explanation.sentences).encode(),
        "explanation.json": msgspec.json.format(msgspec.json.encode(explanation), indent=2) + b"\n",
        "causes.dot": dot(graph, title).encode(),
        "causes.mmd": mermaid(graph).encode(),
    }
    if plot:
        picture = CausalPicture(graph, title)
        files |= {"causes.svg": picture.svg(), "causes.png": picture.png()}
    return files


def verdict_json(trace: Trace, judgement: Judgement) -> bytes:
    """Return the judgement as JSON for programs: one object, verdicts by name of the property."""
    content = verdict_file.document_of(judgement) | {
        "why": why(trace, judgement),
        "notes": notes_of(trace),
        "replay_sha256": trace.header.replay_sha256,
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
