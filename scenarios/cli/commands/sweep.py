"""`quiesce sweep`: let the guest die at every crash point of a scenario."""

from ....model.base.clock import format_ns
from ....properties.core.verdict import worst
from ....properties.search.sweep import SweepStrip
from ....reports.summary import print_judgement
from ....reports.verdict_file import document_of as verdict_document
from ...run.crash_sweep import SweepRequest, SweepResult, sweep_scenario
from ...run.sweep_files import causes_document
from ..output.exit_status import INTERRUPTED, NOTHING_CHECKED, OF_VERDICT
from ..output.terminal import say, say_json, say_rows, show_progress


def sweep_command(request: SweepRequest, *, as_json: bool, verbose: bool) -> int:
    """Sweep each cause, print what was found, and return the exit status.

    Args:
        request: What is to be swept.
        as_json: Whether to print one JSON document.
        verbose: Whether to print every bound and assumption.

    Raises:
        InputError: If the scenario, a cause or the folder for the results cannot be used.
    """
    result = sweep_scenario(request, show_progress)
    judgement = result.judgement
    status = OF_VERDICT[judgement.verdict] if judgement.verdicts else NOTHING_CHECKED
    if not result.swept[-1].is_whole:
        status = INTERRUPTED
    if as_json:
        _print_json(result, status)
    else:
        _print_text(result, verbose=verbose)
    return status


def _print_text(result: SweepResult, *, verbose: bool) -> None:
    swept, judgement, files, seconds = result
    print_judgement(judgement, verbose=verbose)
    say()
    rows = []
    for each in swept:
        windows = each.windows
        unsafe, points = each.part.tally.violated, each.part.points
        is_safe = each.is_whole and not each.part.tally.unfinished
        fate = "unsafe" if unsafe else "safe" if is_safe else "open"
        said = f"{unsafe} of {points} crash points violate something"
        if windows:
            severity = worst(window.severity for window in windows)
            spans = ", ".join(map(_span, windows[:3])) + (" ..." if len(windows) > 3 else "")
            said += f" ({severity}): {spans}"
        rows.append((each.target.cause, fate, said))
    say_rows(rows, {"safe": "green", "unsafe": "red", "open": "yellow"})
    points = sum(each.part.points for each in swept)
    say()
    say(f"{points} crash points, {round(points / max(seconds, 1e-9))} a second")
    say(f"written to {files[0].parent}: {', '.join(file.name for file in files)}", hang=2)


def _span(window: SweepStrip) -> str:
    if window.from_ns == window.to_ns:
        return format_ns(window.from_ns)
    return f"{format_ns(window.from_ns)}..{format_ns(window.to_ns)}"


def _print_json(result: SweepResult, status: int) -> None:
    swept, judgement, files, seconds = result
    points = sum(each.part.points for each in swept)
    say_json(
        {
            "exit_status": status,
            **verdict_document(judgement),
            "points": points,
            "points_per_s": round(points / max(seconds, 1e-9)),
            "causes": causes_document(swept),
            "files": [str(file) for file in files],
        }
    )
