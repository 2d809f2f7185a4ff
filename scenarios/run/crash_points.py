"""Tries one death in each gap of a run, for the slider of the HTML report.

Nothing happens between two instants at which a delay ends, so one death stands for the whole gap.
The number of runs is bounded, and the page says how many gaps were tried.  For a verdict use
`properties.search.sweep`, which also tries every order at the instants themselves.
"""

from collections.abc import Sequence
from itertools import pairwise

from ...model.base.choices import Nominal
from ...model.base.errors import BoundHit
from ...model.machine.system import run, run_watched
from ...model.plan.system_plan import SystemPlan
from ...model.plan.termination import BY_NAME, NEVER_STARTS
from ...properties.check import check
from ...properties.core.verdict import Severity, Violation, most_alarming, worst
from ...properties.registry import PROPERTIES
from ...properties.search.sweep import SweepTarget, crash_instants
from ...reports.html.content import CrashPoint, CrashStrip

__all__ = ["crash_strip", "target_of"]

DEFAULT_CAUSE = "guest-crash"


def target_of(plan: SystemPlan) -> SweepTarget | None:
    """Return the death to try at other instants: the one of the plan, or a crash of the first VM.

    None if the VM ends before its guest runs, for there are no other instants then.
    """
    vm = next((at for at, each in enumerate(plan.vms) if each.end is not None), 0)
    end = plan.vms[vm].end
    cause = end.cause if end is not None else DEFAULT_CAUSE
    if BY_NAME[cause].guest == NEVER_STARTS:
        return None
    return SweepTarget(plan, vm, cause, run(plan, Nominal()).records[-1].at_ns)


def crash_strip(target: SweepTarget, points_max: int) -> CrashStrip:
    """Return the verdicts of a death in each gap, or in `points_max` gaps at even distances.

    Args:
        target: Whose death, by which cause, until when.
        points_max: At most so many deaths are tried; at least one.
    """
    assert points_max > 0, points_max
    instants = crash_instants(target, run_watched)
    gaps = [(at_ns, next_ns) for at_ns, next_ns in pairwise(instants) if next_ns - at_ns > 1]
    tried = [_tried(target, *gap) for gap in _spread(gaps, points_max)]
    name = target.plan.vms[target.vm].name
    return CrashStrip(name, target.cause, target.until_ns, len(gaps), tuple(tried))


def _spread(gaps: Sequence[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """Return so many of the gaps, the first among them, at even distances in their order."""
    if len(gaps) <= count:
        return list(gaps)
    return [gaps[place * len(gaps) // count] for place in range(count)]


def _tried(target: SweepTarget, from_ns: int, to_ns: int) -> CrashPoint:
    at_ns = (from_ns + to_ns) // 2
    try:
        trace, _ = run_watched(target.ending_at(at_ns), Nominal())
    except BoundHit:
        return CrashPoint(from_ns, to_ns, at_ns, "inconclusive", "none")
    verdicts = check(trace)
    word = most_alarming(verdict.verdict for verdict in verdicts)
    severity = worst(verdict.severity for verdict in verdicts)
    violated = {verdict.property for verdict in verdicts if verdict.violation_count}
    in_order = tuple(name for name in PROPERTIES if name in violated)
    found = [each for verdict in verdicts for each in verdict.violations]
    first = _first_of(found, severity)
    if first is None:
        return CrashPoint(from_ns, to_ns, at_ns, word, severity)
    message = first.message
    return CrashPoint(from_ns, to_ns, at_ns, word, severity, in_order, first.at_ns, message)


def _first_of(found: Sequence[Violation], severity: Severity) -> Violation | None:
    of_severity = (each for each in found if each.severity == severity)
    return min(of_severity, key=lambda each: (each.at_ns, each.index), default=None)
