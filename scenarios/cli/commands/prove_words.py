"""The lines that `quiesce prove` prints of slices, distances, unsafe windows and budgets."""

from ....model.base.clock import format_ns
from ...prove.attained_distances import AttainedDistance
from ...prove.slice_results import WHOLE, Explored
from ...prove.sliced_proof import ScenarioProof
from ...prove.wait_budget import WaitBudget
from ...prove.windows_and_budgets import WindowsAndBudgets, limit_in_words

__all__ = ["in_words", "sentences", "slice_lines"]


def slice_lines(proof: ScenarioProof) -> list[str]:
    """Return a line for each slice."""
    return [_line(part) for part in proof.parts] if proof.is_sliced else []


def _line(part: Explored) -> str:
    size = f"{part.classes} classes, {part.states} states"
    cut = "" if part.is_whole else ", not all of it"
    return f"{'the whole' if part.number == WHOLE else f'slice of {part.name}'}: {size}{cut}"


def in_words(distance: AttainedDistance) -> str:
    """Return one line about a distance."""
    least, greatest = format_ns(distance.least_ns), format_ns(distance.greatest_ns)
    if distance.least is not None and distance.greatest is not None:
        return f"{distance.name}: {least} to {greatest}, both attained"
    least = f"{least}, attained" if distance.least is not None else f"at least {least}"
    greatest = f"{greatest}, attained" if distance.greatest is not None else f"at most {greatest}"
    return f"{distance.name}: {least}; {greatest}"


def sentences(more: WindowsAndBudgets) -> list[str]:
    """Return a line for each end and each wait."""
    found = []
    for name, windows in (more.windows or {}).items():
        spans = ", ".join(
            f"{format_ns(each.first_ns)} to {format_ns(each.last_ns)}" for each in windows
        )
        if more.is_whole:
            found.append(f"unsafe if it begins at, {name}: {spans or 'no instant'}")
        else:
            known = f"{spans} for certain" if spans else "no instant found yet"
            found.append(f"unsafe if it begins at, {name}: {known}; cut short, the rest is open")
    if more.broken_before:
        found.append(f"violated before any end begins: {', '.join(more.broken_before)}")
    return found + [_in_words(each) for each in more.budgets]


def _in_words(budget: WaitBudget) -> str:
    name, safe, unsafe = budget.wait.name, budget.safe_ns, budget.unsafe_ns
    kind = f"budget of {name} (declared {format_ns(budget.wait.declared_ns)})"
    limit = f"; {limit_in_words(budget.violated, budget.found)}" if budget.found is not None else ""
    match budget.verdict:
        case "bounded" if safe is not None:
            return f"{kind}: {format_ns(safe)}, exact; a nanosecond more{limit}"
        case "kept" if safe is not None:
            return f"{kind}: at least {format_ns(safe)}, no more was tried"
        case "unused":
            return f"{kind}: any; no run comes to this wait"
        case "violated" if budget.wait.is_span:
            return f"{kind}: none; violated however short it is{limit}"
        case "violated":
            return f"{kind}: none; violated as it is, and nothing shorter was tried{limit}"
    known = f"{format_ns(safe)} is proved" if safe is not None else "no value is proved"
    between = f", {format_ns(unsafe)} is violated" if unsafe is not None else ""
    return f"{kind}: open; {known}{between}; a proof was cut short{limit}"
