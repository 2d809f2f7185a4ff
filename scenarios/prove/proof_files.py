"""The files of a proof: one document for programs, replays, and pictures."""

from pathlib import Path

import msgspec

from ...model.trace.codec import write_whole
from ...properties.core.verdict import Judgement
from ...reports.verdict_file import document_of as verdict_document
from ...reports.write import write
from ..resolve import replay
from ..run.result_files import unwritable
from .attained_distances import distance_document, distance_files
from .margin_picture import remove_pictures, spare_files
from .proof_extent import slices_document
from .proven_scenario import ProvenScenario
from .windows_and_budgets import windows_and_budgets_document, windows_and_budgets_files

__all__ = ["proof_document", "write_proof"]


def write_proof(
    judgement: Judgement, proven: ProvenScenario, folder: Path, *, plot: bool
) -> tuple[Path, ...]:
    """Write `proof.json`, the replays and the pictures of a proof; returns the files.

    Raises:
        InputError: If the folder cannot be written.
    """
    files: tuple[Path, ...] = ()
    try:
        if proven.example is not None:
            result = proven.example.result
            data = replay.encode(result.recording)
            files = write(folder, result.trace, result.judgement, replay=data, plot=plot)
        path = folder / "proof.json"
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, _encoded(proof_document(judgement, proven)))
        files = (*files, path, *distance_files(proven.distances, folder))
        name, label, distances = judgement.scenario, judgement.label, proven.proof.distances
        remove_pictures(folder)
        if plot:
            files += tuple(spare_files(proven.plan, label, distances, folder))
        if proven.more is not None:
            files += tuple(windows_and_budgets_files(proven.more, name, label, folder, plot=plot))
    except OSError as error:
        raise unwritable(folder, error) from None
    return files


def proof_document(judgement: Judgement, proven: ProvenScenario) -> dict[str, object]:
    """Return the keys and values of `proof.json`."""
    proof = proven.proof
    document: dict[str, object] = {
        **verdict_document(judgement),
        "is_whole": proof.is_whole,
        "was_stopped": proven.was_stopped,
        "classes": proof.classes,
        "states": proof.states,
        "frontier": proof.frontier,
        "depth": proof.depth,
        "model_runs": proof.model_runs,
        "slices": slices_document(proof),
        "distances": [distance_document(each) for each in proven.distances],
    }
    if proven.more is not None:
        document |= windows_and_budgets_document(proven.more)
    if proven.example is not None:
        events = proven.example.events
        document["counterexample"] = {
            "property": proven.violated,
            "events": events or None,
            "is_fewest": bool(events),
        }
    return document


def _encoded(document: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
