"""What a proof finds on request: unsafe windows of each end, and budgets of waits."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from ...model.base.clock import format_ns
from ...model.trace.codec import write_whole
from ...properties.core.monitor import Property
from ...properties.prove.system_proof import Limits, SystemProof
from ...properties.prove.windows import Window
from ...reports.pictures.windows import window_picture
from ..resolve import replay
from ..resolve.resolve import ResolvedScenario
from ..run.progress import ReportProgress
from .proof import Found, windows_of_plan
from .wait_budget import WaitBudget, budget_of_wait
from .waits import OpenStates

__all__ = [
    "WindowsAndBudgets",
    "find_windows_and_budgets",
    "limit_in_words",
    "limits_of_each_search",
    "windows_and_budgets_document",
    "windows_and_budgets_files",
]


class WindowsAndBudgets(msgspec.Struct, frozen=True):
    """Unsafe windows and budgets of one scenario.

    Attributes:
        windows: Unsafe windows by VM and cause, or None if they were not asked for.
        is_whole: Whether there are no others.
        from_ns: The first instant of the map.
        until_ns: The last one.
        broken_before: Properties that are violated before any end.
        budgets: Of the waits that were asked for.
        was_stopped: Whether the user stopped it; what had been found by then is kept.
    """

    windows: dict[str, tuple[Window, ...]] | None
    is_whole: bool
    from_ns: int
    until_ns: int
    broken_before: tuple[str, ...]
    budgets: tuple[WaitBudget, ...]
    was_stopped: bool


def find_windows_and_budgets(
    scenario: ResolvedScenario,
    kinds: Sequence[type[Property]],
    proof: SystemProof,
    limits: Callable[[], Limits],
    *,
    windows: bool,
    states: OpenStates,
    tell: ReportProgress,
) -> WindowsAndBudgets:
    """Search for unsafe windows, if they are wanted, and for the budget of each open wait.

    Args:
        scenario: Its plan is the system and its run.
        kinds: The properties.
        proof: Of that plan and these properties, over these states.
        limits: Gives the limits for the next search, or for all searches of a budget.
        windows: Whether unsafe windows are wanted.
        states: With the waits whose budgets are wanted left open.
        tell: Called with a line about what is being done.
    """
    plan = scenario.plan
    ends = [end for vm in plan.vms for end in vm.ends]
    # Counted from the beginning of the run; from an event on it is not known when that comes.
    from_ns = min((0 if end.after else end.delay.lo_ns for end in ends), default=0)
    until_ns = max((end.delay.hi_ns for end in ends), default=0)
    found: dict[str, tuple[Window, ...]] | None = None
    is_whole, was_stopped, before = True, False, set[str]()
    if windows:
        tell("unsafe windows")
        search = windows_of_plan(plan, kinds, proof, limits())
        found = {name: tuple(each) for name, each in search.found.items()}
        is_whole, was_stopped = search.is_whole, search.was_stopped
        before = search.broken_before
        last = [window.last_ns for each in found.values() for window in each]
        until_ns = max([until_ns, *last])
    budgets: list[WaitBudget] = []
    # A proof that was cut short by this very limit says nothing about the next one.
    known = proof if proof.is_whole else None
    for wait in states.waits:
        if was_stopped:
            break
        tell(f"budget of {wait.name}")
        budgets.append(budget_of_wait(scenario, kinds, wait, limits(), states=states, known=known))
        was_stopped = budgets[-1].was_stopped
    return WindowsAndBudgets(
        found, is_whole, from_ns, until_ns, tuple(sorted(before)), tuple(budgets), was_stopped
    )


# Files.


def windows_and_budgets_document(more: WindowsAndBudgets) -> dict[str, object]:
    """Return the keys that unsafe windows and budgets add to `proof.json`."""
    document: dict[str, object] = {}
    if more.windows is not None:
        document["unsafe_windows"] = {
            "is_whole": more.is_whole,
            "violated_before_any_end": more.broken_before,
            "by_end": {
                name: [{"first_ns": each.first_ns, "last_ns": each.last_ns} for each in windows]
                for name, windows in more.windows.items()
            },
        }
    if more.budgets:
        document["budgets"] = [
            {
                "name": each.wait.name,
                "declared_ns": each.wait.declared_ns,
                "verdict": each.verdict,
                "safe_ns": each.safe_ns,
                "unsafe_ns": each.unsafe_ns,
                "property": each.violated or None,
                "limited_by": limit_in_words(each.violated, each.found) if each.found else None,
                "proofs": each.proofs,
            }
            for each in more.budgets
        ]
    return document


def windows_and_budgets_files(
    more: WindowsAndBudgets, title: str, label: str, folder: Path, *, plot: bool
) -> list[Path]:
    """Write the strip of the unsafe windows, if asked to, and the run that limits each budget."""
    files: dict[str, bytes] = {}
    # A row without windows would say that all is safe.
    rows = {name: each for name, each in (more.windows or {}).items() if each or more.is_whole}
    if rows and plot:
        known = "" if more.is_whole else ", as far as is known"
        heading = f"{title}: for which instants of its end it is unsafe{known}"
        picture = window_picture(heading, label, rows, more.until_ns, from_ns=more.from_ns)
        files |= {"windows.svg": picture.svg(), "windows.png": picture.png()}
    for budget in more.budgets:
        if budget.found is not None:
            data = replay.encode(budget.found.result.recording)
            files[f"budget-{budget.wait.name}.json"] = data
    for name, content in files.items():
        write_whole(folder / name, content)
    return [folder / name for name in files]


def limit_in_words(name: str, found: Found) -> str:
    """Say which event breaks a property, and when."""
    verdicts = {each.property: each for each in found.result.judgement.verdicts}
    violation = verdicts[name].violations[0]
    record = found.result.trace.records[violation.index]
    event = type(record.event).__name__
    return (
        f"{event} of {record.source} at {format_ns(violation.at_ns)} violates {name}: "
        f"{violation.message}"
    )


def limits_of_each_search(seconds: float | None, classes_max: int) -> Callable[[], Limits]:
    """Return what gives each search the same limits, from when it begins."""
    allowed = float("inf") if seconds is None else seconds
    return lambda: Limits(classes_max, time.monotonic() + allowed)
