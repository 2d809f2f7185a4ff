"""`quiesce prove`: judge every run of a scenario, in every timing."""

import shlex
import sys

from ....reports.explanation.why import why
from ....reports.summary import print_judgement
from ...prove.proof_files import proof_document
from ...prove.prove_scenario import ProveRequest, ProveResult, prove_scenario
from ...run.run_notes import notes_of_run
from ..output.exit_status import INTERRUPTED, OF_VERDICT
from ..output.terminal import say, say_json, show_progress
from .prove_words import in_words, sentences, slice_lines


def prove_command(request: ProveRequest, *, as_json: bool, verbose: bool) -> int:
    """Prove or refute, print what was found, and return the exit status.

    Args:
        request: What is to be proved.
        as_json: Whether to print one JSON document.
        verbose: Whether to print every bound and assumption.

    Raises:
        InputError: If the scenario, a property or the folder for the results cannot be used.
    """
    result = prove_scenario(request, show_progress)
    status = OF_VERDICT[result.judgement.verdict]
    if result.proven.was_stopped:
        status = INTERRUPTED
    if as_json:
        _tell_json(result, status)
    else:
        _tell(result, verbose=verbose)
    return status


def _tell(result: ProveResult, *, verbose: bool) -> None:
    proven, judgement, files = result
    example = proven.example
    reason = why(example.result.trace, example.result.judgement) if example else ""
    print_judgement(judgement, why=reason, verbose=verbose)
    proof = proven.proof
    rate = round(proof.classes / max(proven.seconds, 1e-9))
    say(
        f"{proof.classes} classes, {proof.states} states, {rate} classes/s, {proven.seconds:.1f} s",
        hang=2,
    )
    for line in slice_lines(proof):
        say(line, hang=2)
    for distance in proven.distances:
        say(in_words(distance), hang=2)
    for sentence in sentences(proven.more) if proven.more is not None else ():
        say(sentence, hang=2)
    if example is not None:
        size = f"{example.events} events, the fewest" if example.events else "found by sampling"
        say(f"counterexample: {proven.violated}, {size}", hang=2)
        for note in notes_of_run(example.result):
            say(f"note: {note}", hang=2)
        # One line, however narrow the terminal, so that the user can copy it.
        path = next(file for file in files if file.name == "replay.json")
        sys.stdout.write(f"replay: quiesce run --replay {shlex.quote(str(path))}\n")
    say(f"written to {files[0].parent}: {', '.join(file.name for file in files)}", hang=2)


def _tell_json(result: ProveResult, status: int) -> None:
    proven, judgement, files = result
    document = {"exit_status": status} | proof_document(judgement, proven)
    document["seconds"] = round(proven.seconds, 3)
    document["files"] = [str(file) for file in files]
    say_json(document)
