"""`quiesce sweep`: let the guest die at every crash point of a scenario."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

import msgspec
from msgspec.structs import replace

from ....model.base.choices import ChoicePoint, Nominal, Ordered
from ....model.base.clock import TimeFormatError, format_ns, parse_ns
from ....model.base.errors import BoundHit, Place, Problem, ScenarioError
from ....model.machine.system import header_of, run, run_watched
from ....model.plan.termination import BY_NAME, NEVER_STARTS
from ....model.trace.codec import write_whole
from ....properties.core.verdict import Judgement, Verdict, worst
from ....properties.search.sweep import (
    Part,
    Strip,
    Target,
    crash_instants,
    sweep_part,
    unsafe_windows,
)
from ....properties.search.tally import Tally
from ....reports.pictures.windows import CauseRow, WindowPicture
from ....reports.summary import print_judgement
from ....reports.verdict_file import document_of as verdict_document
from ...format.schema_check import unknown_word
from ...resolve import replay as replays
from ...resolve.library import resolved
from ...resolve.replay import Recording
from ...resolve.resolve import Resolved
from ...run.campaign import leave_interrupts_to_parent
from ...run.unwritable import unwritable
from ..output.exit_status import INTERRUPTED, NOTHING_CHECKED, OF_VERDICT
from ..output.terminal import say, say_json, say_rows, show_progress

_INSTANTS_AT_A_TIME = 10

ALL = "all"


class SweepRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for.

    Attributes:
        scenario: The word for it.
        causes: Names of termination causes; empty for the scenario's own, `all` for every one.
        until: The last instant at which the end may begin, or empty.
        jobs: Processes.
        out: Folder for the results.
        plot: Whether to draw the unsafe windows.
        json: Whether to write JSON.
        verbose: Whether to show every assumption.
    """

    scenario: str
    causes: tuple[str, ...] = ()
    until: str = ""
    jobs: int = 1
    out: Path = Path("out")
    plot: bool = True
    json: bool = False
    verbose: bool = False


class Swept(msgspec.Struct, frozen=True):
    """One cause, swept.

    Attributes:
        target: What was swept.
        instants: How many instants there were.
        part: What came of it.
        covered_ns: The last instant that was covered; all up to it were.
    """

    target: Target
    instants: int
    part: Part
    covered_ns: int

    @property
    def is_whole(self) -> bool:
        """Whether the user did not stop it before its end."""
        return self.covered_ns >= self.target.until_ns

    @property
    def windows(self) -> list[Strip]:
        """The instants of death for which the system is unsafe."""
        return unsafe_windows(self.part.strips)


def sweep_command(request: SweepRequest) -> int:
    """Sweep each cause, and tell for which instants the system is unsafe.

    Raises:
        InputError: If the scenario, a cause or the folder for the results cannot be used.
    """
    scenario = resolved(request.scenario)
    vm = _dying_vm(scenario)
    until_ns = _until(request, scenario)
    begun = time.monotonic()
    swept: list[Swept] = []
    for cause in _causes(request, scenario, vm):
        if not swept or swept[-1].is_whole:
            swept.append(_sweep(Target(scenario.plan, vm, cause, until_ns), request.jobs))
    seconds = time.monotonic() - begun
    show_progress("")
    if not any(each.part.points for each in swept):
        raise KeyboardInterrupt
    judgement = _judgement(scenario, swept, until_ns)
    files = _write(judgement, scenario, swept, request)
    status = OF_VERDICT[judgement.verdict] if judgement.verdicts else NOTHING_CHECKED
    if not swept[-1].is_whole:
        status = INTERRUPTED
    if request.json:
        _tell_json(judgement, swept, files, status, seconds)
    else:
        _tell(judgement, swept, files, seconds, verbose=request.verbose)
    return status


def _dying_vm(scenario: Resolved) -> int:
    """Return the position of the VM that ends, the first if none is said to."""
    return next((n for n, vm in enumerate(scenario.plan.vms) if vm.end is not None), 0)


def _causes(request: SweepRequest, scenario: Resolved, vm: int) -> list[str]:
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


def _until(request: SweepRequest, scenario: Resolved) -> int:
    """Return the last instant: as asked for, or when the nominal run of the scenario ends."""
    if request.until:
        try:
            return parse_ns(request.until)
        except TimeFormatError as error:
            raise ScenarioError([Problem(Place("--until"), str(error))]) from None
    return run(scenario.plan, Nominal()).records[-1].at_ns


def _sweep(target: Target, jobs: int) -> Swept:
    instants = crash_instants(target, run_watched)
    pieces = _pieces(instants)
    part = Part()
    begun = time.monotonic()

    covered_ns = -1

    def take(other: Part, last_ns: int) -> None:
        nonlocal covered_ns
        part.absorb(other)
        covered_ns = last_ns
        rate = round(part.points / max(time.monotonic() - begun, 1e-9))
        done = part.gaps + part.empty_gaps
        show_progress(f"{target.cause}: {done} of {len(instants) - 1} gaps, {rate} points/s")

    try:
        for other, piece in zip(_swept_pieces(target, pieces, jobs), pieces, strict=True):
            take(other, piece[-1])
        covered_ns = target.until_ns
    except KeyboardInterrupt:
        # What has been swept by now is right, and said to be no more than that.
        pass
    return Swept(target, len(instants), part, covered_ns)


def _swept_pieces(target: Target, pieces: list[tuple[int, ...]], jobs: int) -> Iterator[Part]:
    """Give what came of each piece, in order."""
    if jobs == 1:
        yield from (_sweep_piece(target, piece) for piece in pieces)
        return
    with ProcessPoolExecutor(jobs, initializer=leave_interrupts_to_parent) as pool:
        try:
            yield from pool.map(_sweep_piece, [target] * len(pieces), pieces)
        except (KeyboardInterrupt, GeneratorExit):
            pool.shutdown(cancel_futures=True)
            raise


def _sweep_piece(target: Target, instants: tuple[int, ...]) -> Part:
    part = Part()
    sweep_part(target, instants, run_watched, part)
    return part


def _pieces(instants: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Cut the instants into pieces; each begins with the last instant of the one before."""
    bounds = [*range(0, len(instants) - 1, _INSTANTS_AT_A_TIME), len(instants) - 1]
    if len(bounds) == 1:
        return [instants]
    return [instants[start : end + 1] for start, end in pairwise(bounds)]


def _judgement(scenario: Resolved, swept: list[Swept], until_ns: int) -> Judgement:
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
    """Return what a sweep that was stopped may say: what holds so far is open."""
    if verdict.verdict != "holds":
        return verdict
    reason = "stopped by the user; nothing was found as far as it was swept"
    return replace(verdict, verdict="inconclusive", reason=reason)


def _bound(swept: Swept) -> str:
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


def _write(
    judgement: Judgement, scenario: Resolved, swept: list[Swept], request: SweepRequest
) -> tuple[Path, ...]:
    """Write every file; what is there is whole."""
    folder = request.out / scenario.plan.name / "sweep"
    files: dict[str, bytes] = {"sweep.json": _document(judgement, swept)}
    for each in swept:
        if each.part.first is not None:
            _, at_ns, log = each.part.first
            recording = _recording(scenario, each.target, at_ns, log)
            files[f"replay-{each.target.cause}.json"] = replays.encode(recording)
        if each.part.unfinished is not None:
            files[f"given-up-{each.target.cause}.json"] = _given_up(scenario, each)
    if request.plot:
        picture = _picture(judgement, swept)
        files |= {"windows.svg": picture.svg(), "windows.png": picture.png()}
    try:
        for name, data in files.items():
            write_whole(folder / name, data)
    except OSError as error:
        raise unwritable(folder, error) from None
    return tuple(folder / name for name in files)


def _recording(
    scenario: Resolved, target: Target, at_ns: int, log: tuple[ChoicePoint, ...]
) -> Recording:
    chosen = f"the crash point at {format_ns(at_ns)} of a sweep, nominal timing"
    return Recording(target.ending_at(at_ns), scenario.assumptions, chosen, log)


def _given_up(scenario: Resolved, swept: Swept) -> bytes:
    """Return the replay file of the first crash point whose run was given up."""
    point = swept.part.unfinished
    assert point is not None
    choices = Ordered(point.given)
    with contextlib.suppress(BoundHit):
        run(swept.target.ending_at(point.at_ns), choices)
    return replays.encode(_recording(scenario, swept.target, point.at_ns, tuple(choices.log)))


def _picture(judgement: Judgement, swept: list[Swept]) -> WindowPicture:
    rows = [
        CauseRow(
            each.target.cause,
            each.part.points,
            each.part.tally.violated,
            tuple((window.from_ns, window.to_ns, window.severity) for window in each.windows),
            each.covered_ns,
        )
        for each in swept
    ]
    title = f"{judgement.scenario}: for which instants of death it is unsafe"
    return WindowPicture(title, judgement.label, rows, swept[0].target.until_ns)


def _document(judgement: Judgement, swept: list[Swept]) -> bytes:
    content = verdict_document(judgement) | {"causes": _causes_document(swept)}
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def _causes_document(swept: list[Swept]) -> dict[str, object]:
    return {
        each.target.cause: {
            "points": each.part.points,
            "gaps": each.part.gaps,
            "orders": each.part.orders,
            "instants": each.instants,
            "empty_gaps": each.part.empty_gaps,
            "left_out": each.part.left_out,
            "is_whole": each.is_whole,
            "covered_ns": each.covered_ns,
            "unsafe": each.part.tally.violated,
            "unfinished": each.part.tally.unfinished,
            "windows": each.windows,
        }
        for each in swept
    }


def _tell(
    judgement: Judgement,
    swept: list[Swept],
    files: tuple[Path, ...],
    seconds: float,
    *,
    verbose: bool,
) -> None:
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


def _span(window: Strip) -> str:
    if window.from_ns == window.to_ns:
        return format_ns(window.from_ns)
    return f"{format_ns(window.from_ns)}..{format_ns(window.to_ns)}"


def _tell_json(
    judgement: Judgement, swept: list[Swept], files: tuple[Path, ...], status: int, seconds: float
) -> None:
    points = sum(each.part.points for each in swept)
    say_json(
        {
            "exit_status": status,
            **verdict_document(judgement),
            "points": points,
            "points_per_s": round(points / max(seconds, 1e-9)),
            "causes": _causes_document(swept),
            "files": [str(file) for file in files],
        }
    )
