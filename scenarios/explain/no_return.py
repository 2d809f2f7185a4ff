"""The point of no return: the last instant at which an act of qvm could have prevented a violation.

The search tries three acts, each ideal and without delay:

- silence: the actor stops at once;
- cut: the IOMMU, where there is one, loses the actor's translations and syncs;
- withhold: qvm keeps the memory that it has not returned.  The search does not try this against
  interrupts, where it would help only because nothing can start again.

An act at an instant comes after all events of that instant and before all later ones.  It
*prevents* the violation if the run, repeated with the same choices, ends without a violation of the
property that is as severe.

For each act a binary search between the end of the guest and the violation finds the last instant
at which the act prevents it.  The reported instant is the next one at which anything happens: an
act before it helps, an act after it does not.  qvm can act only while it exists, so the search ends
at qvm's exit.

A real stop is slower than these acts, since its register write is posted.  So no change of qvm's
timing alone can prevent what they do not prevent.
"""

from ...model.base.choices import AdaptedReplay, ChoicePoint, Replay
from ...model.base.errors import BoundHit
from ...model.machine.interventions import Intervention, run_with_intervention
from ...model.machine.system import run_watched
from ...model.plan.system_plan import SystemPlan
from ...model.trace.events import (
    NO_CAUSE,
    GuestEnded,
    IrqAsserted,
    IrqInjected,
    IrqTaken,
    QvmExited,
    TerminationBegun,
    Trace,
)
from ...properties.check import check
from ...properties.core.verdict import SEVERITIES, Severity
from ...reports.core.culprit import Culprit
from ...reports.explanation.explanation import LastChance, NoReturn

__all__ = ["point_of_no_return"]


_GROWTH = 20
_ROOM = 30_000
"""A run with an act may need so many scheduled events for each record of the original, and more."""


def point_of_no_return(
    plan: SystemPlan, choices: tuple[ChoicePoint, ...], trace: Trace, culprit: Culprit
) -> NoReturn | None:
    """Return the point of no return of a violation; None if no act would have prevented it.

    Args:
        plan: Of the run.
        choices: Its answers.
        trace: What happened.
        culprit: The actor behind the violation, with VM and epoch.
    """
    first_ns, last_ns = _while_qvm_ends(trace, culprit)
    _, watched = run_watched(plan, Replay(choices))
    instants = [at_ns for at_ns, _ in watched if first_ns <= at_ns <= last_ns]
    if not instants:
        return None
    after = [at_ns for at_ns, _ in watched if at_ns > instants[-1]]
    tester = _ActTester(plan, choices, culprit, _GROWTH * len(trace.records) + _ROOM)
    chances = []
    for kind, target in _acts(plan, trace, culprit):
        place = tester.last_place(kind, target, instants)
        if place is not None:
            is_last = place + 1 == len(instants)
            too_late_ns = (after or [last_ns])[0] if is_last else instants[place + 1]
            chances.append(LastChance(kind, target, min(too_late_ns, last_ns), instants[place]))
    if not chances:
        return None
    at_ns = max(chance.too_late_ns for chance in chances)
    is_exit = at_ns == last_ns < culprit.violation.at_ns
    return NoReturn(at_ns, is_exit, tuple(chances))


def _while_qvm_ends(trace: Trace, culprit: Culprit) -> tuple[int, int]:
    """Return when the guest ended, and when the violation came or qvm exited, if earlier."""
    first_ns, last_ns = 0, culprit.violation.at_ns
    for record in reversed(trace.records[: culprit.violation.index + 1]):
        event = record.event
        if getattr(event, "epoch", NO_CAUSE) != culprit.epoch:
            continue
        if isinstance(event, QvmExited):
            last_ns = min(last_ns, record.at_ns)
        elif isinstance(event, TerminationBegun | GuestEnded):
            first_ns = record.at_ns
    return first_ns, last_ns


def _acts(plan: SystemPlan, trace: Trace, culprit: Culprit) -> list[tuple[str, str]]:
    acts = []
    if culprit.actor:
        acts.append(("silence", culprit.actor))
        if plan.iommu:
            acts.append(("cut", culprit.actor))
    if culprit.vm and not _is_about_interrupts(trace, culprit):
        acts.append(("withhold", culprit.vm))
    return acts


def _is_about_interrupts(trace: Trace, culprit: Culprit) -> bool:
    """Return whether the violation is about interrupts, so that withholding memory is no remedy."""
    event = trace.records[culprit.violation.index].event
    if isinstance(event, IrqTaken | IrqInjected | IrqAsserted):
        return True
    return culprit.property == "next-owner-gets-interrupts"


class _ActTester:
    """Runs the plan with an act, and says whether it prevents the violation."""

    def __init__(
        self,
        plan: SystemPlan,
        choices: tuple[ChoicePoint, ...],
        culprit: Culprit,
        events_max: int,
    ) -> None:
        self._plan = plan
        self._choices = choices
        self._events_max = events_max
        self._property = culprit.property
        self._severity: Severity = culprit.violation.severity

    def last_place(self, kind: str, target: str, instants: list[int]) -> int | None:
        """Return the place of the last instant at which an act helps; None if it never does."""
        if not self._prevents(Intervention(kind, target, instants[0])):
            return None
        # Invariant: the act helps at instants[helps]; it fails at instants[fails] or there is none.
        helps, fails = 0, len(instants)
        while fails - helps > 1:
            middle = (helps + fails) // 2
            if self._prevents(Intervention(kind, target, instants[middle])):
                helps = middle
            else:
                fails = middle
        return helps

    def _prevents(self, act: Intervention) -> bool:
        try:
            trace = run_with_intervention(
                self._plan, AdaptedReplay(self._choices), act, self._events_max
            )
        except BoundHit:
            # A driver that waits for a silenced device waits for ever: the run hits its bound.
            return False
        (verdict,) = check(trace, (self._property,))
        grave = SEVERITIES.index(self._severity)
        return all(SEVERITIES.index(each.severity) < grave for each in verdict.violations)
