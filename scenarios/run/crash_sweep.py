"""Lets the guest die at every crash point of a scenario, and writes the unsafe windows."""

import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from ...model.base.choices import Nominal
from ...model.base.clock import TimeFormatError, format_ns, parse_ns
from ...model.base.errors import Place, Problem, ScenarioError
from ...model.machine.system import header_of, run, run_watched
from ...model.plan.termination import BY_NAME, NEVER_STARTS
from ...properties.core.verdict import Judgement, Verdict
from ...properties.core.worker_pool import results_in_order
from ...properties.search.sweep import SweepPart, SweepTarget, crash_instants, sweep_part
from ...properties.search.tally import Tally
from ..format.schema_check import unknown_word
from ..resolve.library import resolved
from ..resolve.resolve import ResolvedScenario
from .progress import ReportProgress
from .sweep_files import write_sweep
from .swept_cause import SweptCause

__all__ = ["SweepRequest", "SweepResult", "sweep_scenario"]

_INSTANTS_AT_A_TIME = 10

ALL = "all"


class SweepRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be swept, and where the results go.

    Attributes:
        scenario: The word for it.
        causes: Names of termination causes; empty for the scenario's own, `all` for every one.
        until: The last instant at which the end may begin, or empty.
        jobs: Processes.
        out: Folder for the results.
        plot: Whether to draw the unsafe windows.
    """

    scenario: str
    causes: tuple[str, ...] = ()
    until: str = ""
    jobs: int = 1
    out: Path = Path("out")
    plot: bool = True


class SweepResult(NamedTuple):
    """A sweep, its judgement and its files.

    Attributes:
        swept: One for each cause that was begun, in order.
        judgement: What the properties say of all crash points.
        files: That were written.
        seconds: How long it took.
    """

    swept: list[SweptCause]
    judgement: Judgement
    files: tuple[Path, ...]
    seconds: float


def sweep_scenario(request: SweepRequest, progress: ReportProgress) -> SweepResult:
    """Sweep each cause, write the files and return for which instants the system is unsafe.

    Args:
        request: What is to be swept.
        progress: Called with a line about how far the sweep has come; an empty line at its end.

    Raises:
        InputError: If the scenario, a cause or the folder for the results cannot be used.
        KeyboardInterrupt: If the user stopped it before the first crash point was tried.
    """
    scenario = resolved(request.scenario)
    vm = _dying_vm(scenario)
    until_ns = _until(request, scenario)
    begun = time.monotonic()
    swept: list[SweptCause] = []
    for cause in _causes(request, scenario, vm):
        if not swept or swept[-1].is_whole:
            swept.append(
                _sweep(SweepTarget(scenario.plan, vm, cause, until_ns), request.jobs, progress)
            )
    seconds = time.monotonic() - begun
    progress("")
    if not any(each.part.points for each in swept):
        raise KeyboardInterrupt
    judgement = _judgement(scenario, swept, until_ns)
    folder = request.out / scenario.plan.name / "sweep"
    files = write_sweep(judgement, scenario, swept, folder, plot=request.plot)
    return SweepResult(swept, judgement, files, seconds)


def _dying_vm(scenario: ResolvedScenario) -> int:
    """Return the position of the VM that ends, the first if none is said to."""
    return next((n for n, vm in enumerate(scenario.plan.vms) if vm.end is not None), 0)


def _causes(request: SweepRequest, scenario: ResolvedScenario, vm: int) -> list[str]:
    can_begin = [name for name, cause in BY_NAME.items() if cause.guest != NEVER_STARTS]
    end = scenario.plan.vms[vm].end
    if ALL in request.causes:
        return can_begin
    causes = list(request.causes) or ([end.cause] if end else ["guest-crash"])
    place = Place("--cause")
    unknown = [name for name in causes if name not in BY_NAME]
    if unknown:
        raise ScenarioError(
            [unknown_word(place, "termination cause", name, can_begin) for name in unknown]
        )
    for name in causes:
        if name not in can_begin:
            message = f"{name} ends a VM before its guest runs: it has one crash point, no sweep"
            raise ScenarioError([Problem(place, message, remedy="use `quiesce run`")])
    return causes


def _until(request: SweepRequest, scenario: ResolvedScenario) -> int:
    """Return the last instant: as asked for, or when the nominal run of the scenario ends."""
    if request.until:
        try:
            return parse_ns(request.until)
        except TimeFormatError as error:
            raise ScenarioError([Problem(Place("--until"), str(error))]) from None
    return run(scenario.plan, Nominal()).records[-1].at_ns


def _sweep(target: SweepTarget, jobs: int, progress: ReportProgress) -> SweptCause:
    instants = crash_instants(target, run_watched)
    pieces = _pieces(instants)
    part = SweepPart()
    begun = time.monotonic()

    covered_ns = -1

    def take(other: SweepPart, last_ns: int) -> None:
        nonlocal covered_ns
        part.absorb(other)
        covered_ns = last_ns
        rate = round(part.points / max(time.monotonic() - begun, 1e-9))
        done = part.gaps + part.empty_gaps
        progress(f"{target.cause}: {done} of {len(instants) - 1} gaps, {rate} points/s")

    try:
        for other, piece in zip(_swept_pieces(target, pieces, jobs), pieces, strict=True):
            take(other, piece[-1])
        covered_ns = target.until_ns
    except KeyboardInterrupt:
        # Invariant: `part` has every crash point up to `covered_ns`; the judgement claims no more.
        pass
    return SweptCause(target, len(instants), part, covered_ns)


def _swept_pieces(
    target: SweepTarget, pieces: list[tuple[int, ...]], jobs: int
) -> Iterator[SweepPart]:
    """Yield the result of each piece, in order."""
    yield from results_in_order(partial(_sweep_piece, target), pieces, jobs)


def _sweep_piece(target: SweepTarget, instants: tuple[int, ...]) -> SweepPart:
    part = SweepPart()
    sweep_part(target, instants, run_watched, part)
    return part


def _pieces(instants: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Cut the instants into pieces; each begins with the last instant of the one before."""
    bounds = [*range(0, len(instants) - 1, _INSTANTS_AT_A_TIME), len(instants) - 1]
    # A gap lies between two neighbours, so the pieces share an instant and no gap is lost.
    if len(bounds) == 1:
        return [instants]
    return [instants[start : end + 1] for start, end in pairwise(bounds)]


def _judgement(scenario: ResolvedScenario, swept: list[SweptCause], until_ns: int) -> Judgement:
    tally = Tally()
    for each in swept:
        tally.absorb(each.part.tally)
    is_whole = swept[-1].is_whole
    left_out = sum(each.part.left_out for each in swept)
    points = "crash points but those left out" if left_out else "crash points"
    if tally.unfinished:
        points = "crash points but those given up"
    return Judgement(
        scenario=scenario.plan.name,
        label=f"swept({f'all {points}' if is_whole else 'cut short'}, nominal timing)",
        bounds=(
            f"ends that begin up to {format_ns(until_ns)}; open questions get their default answer",
            *map(_bound, swept),
        ),
        assumptions=scenario.assumptions + header_of(scenario.plan).assumptions,
        verdicts=tally.verdicts() if is_whole else tuple(map(_open, tally.verdicts())),
        exercises=tally.exercises,
    )


def _open(verdict: Verdict) -> Verdict:
    """Return the verdict of a stopped sweep: `holds` becomes `inconclusive`."""
    if verdict.verdict != "holds":
        return verdict
    reason = "stopped by the user; nothing was found as far as it was swept"
    return msgspec.structs.replace(verdict, verdict="inconclusive", reason=reason)


def _bound(swept: SweptCause) -> str:
    part = swept.part
    text = (
        f"{swept.target.cause}: {part.points} crash points, {part.gaps} in gaps and {part.orders} "
        f"orders at {swept.instants} instants; {part.empty_gaps} gaps of 1ns have no instant inside"
    )
    if part.left_out:
        text += f"; {part.left_out} instants have more orders than were tried"
    if part.unfinished is not None:
        text += (
            f"; {part.tally.unfinished} were given up and show nothing, the first at "
            f"{format_ns(part.unfinished.at_ns)}: {part.unfinished.reason}"
        )
    if not swept.is_whole:
        covered = f"after {format_ns(swept.covered_ns)}" if swept.covered_ns >= 0 else "at all"
        text += f"; stopped by the user, ends {covered} were not tried, nor any further cause"
    return text
