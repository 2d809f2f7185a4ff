"""The quiesce budget of a scenario: how long one of its waits may take, the proof still holding.

A wait is a span of `[timing]`, or the bound of a waiting step of a quiesce procedure.  A longer
span only adds runs, so there is one threshold, and it is exact for whole nanoseconds.  A longer
bound of a step changes what a run does after it; there the budget is the edge that was found, one
value that is proved while the next one is violated.

A few sampled runs refute a value at hardly any price, so the edge is first sought with them alone;
the value below is then proved, which mostly settles it.  Each value is a proof of its own: what a
state is depends on the spans that its delays were begun with, so states are not used again.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from ..model.clock import Span
from ..model.errors import Place, Problem, ScenarioError, nearest
from ..model.kernel import Delay, Kernel
from ..model.plan import SystemPlan
from ..model.system import build
from ..properties.monitor import Property
from ..properties.system_proof import Limits, SystemProof
from .proof import Found, confirm, counterexample, prove_plan, sampled
from .resolve import Resolved

__all__ = ["ALL", "Wait", "WaitBudget", "budget_of_wait", "waits_named", "waits_of"]

ALL = "all"

GREATEST = 1_000
"""Values up to so many times the declared one are tried."""


class Wait(NamedTuple):
    """What can be made longer.

    Attributes:
        name: As the user names it.
        least_ns: Below which it cannot be.
        declared_ns: As it is.
        stretched: Gives a plan in which it is as long as told.
        is_span: Whether it is the greatest length of a span.
    """

    name: str
    least_ns: int
    declared_ns: int
    stretched: Callable[[SystemPlan, int], SystemPlan]
    is_span: bool


class WaitBudget(NamedTuple):
    """What was found about a wait.

    Attributes:
        wait: Which one.
        verdict: `bounded` (exact), `kept` (as far as was tried), `violated` (whatever it is) or
            `inconclusive` (a proof was cut short).
        safe_ns: The largest value that was proved, or None.
        unsafe_ns: The smallest value above it that some run violates, or None.
        violated: The property that breaks there, or an empty string.
        found: A run that breaks it there.
        proofs: How many proofs it took.
    """

    wait: Wait
    verdict: str
    safe_ns: int | None
    unsafe_ns: int | None
    violated: str
    found: Found | None
    proofs: int


def waits_of(plan: SystemPlan) -> list[Wait]:
    """Return the waits that runs of a plan come to, spans first."""
    names = {id(getattr(plan.timing, name)): name for name in plan.timing.__struct_fields__}
    used = dict.fromkeys(names[key] for key in _spans_used(plan) if key in names)
    return [_span_wait(plan, name) for name in used] + _step_waits(plan)


def waits_named(plan: SystemPlan, name: str) -> list[Wait]:
    """Return what the user means, all of it for `all`.

    Raises:
        ScenarioError: If there is no such wait.
    """
    if name == ALL:
        return waits_of(plan)
    steps = {wait.name: wait for wait in _step_waits(plan)}
    if name in plan.timing.__struct_fields__:
        return [_span_wait(plan, name)]
    if name in steps:
        return [steps[name]]
    close = nearest(name, [*plan.timing.__struct_fields__, *steps, ALL])
    message = f"{name!r} is no span of [timing] and no waiting step of a quiesce procedure"
    remedy = f"did you mean {close!r}?" if close else f"write --budget {ALL} to see what there is"
    raise ScenarioError([Problem(Place("--budget"), message, word=name, remedy=remedy)])


def budget_of_wait(
    scenario: Resolved,
    plan: SystemPlan,
    kinds: Sequence[type[Property]],
    wait: Wait,
    limits: Limits,
    known: SystemProof | None = None,
) -> WaitBudget:
    """Return how long a wait may take.

    Args:
        scenario: Whose plan it is.
        plan: The system and its run.
        kinds: The properties.
        wait: Which wait.
        limits: Of each proof, and of all of them.
        known: The proof with the declared value, if there is one.
    """
    probe = _Probe(scenario, plan, kinds, wait, limits, known)
    greatest = GREATEST * max(1, wait.declared_ns)
    least = wait.least_ns if wait.is_span else wait.declared_ns
    return _searched(probe, least, greatest)


def _searched(probe: "_Probe", least: int, greatest: int) -> WaitBudget:
    probe.sample_edge(least, greatest)
    safe = least - 1
    proved: int | None = None
    halves = False
    while probe.unsafe_ns is None or probe.unsafe_ns - safe > 1:
        top = greatest if probe.unsafe_ns is None else probe.unsafe_ns - 1
        tried = (max(safe, least) + top) // 2 if halves else top
        word = probe.proved(tried)
        if word == "proved":
            safe = proved = tried
            if tried == greatest:
                return probe.result("kept", proved)
        elif word == "inconclusive":
            declared = probe.wait.declared_ns
            if proved is None and declared < top and probe.proved(declared) == "proved":
                proved = declared
            return probe.result("inconclusive", proved)
        halves = word == "violated" and not halves
    return probe.result("violated" if proved is None else "bounded", proved)


class _Probe:
    """Tries values, and remembers the smallest that some run violates."""

    def __init__(
        self,
        scenario: Resolved,
        plan: SystemPlan,
        kinds: Sequence[type[Property]],
        wait: Wait,
        limits: Limits,
        known: SystemProof | None,
    ) -> None:
        self.scenario = scenario
        self.plan = plan
        self.kinds = kinds
        self.wait = wait
        self.limits = limits
        self.known = known
        self.proofs = 0
        self.unsafe_ns: int | None = None
        self.violation: tuple[str, Found] | None = None

    def sample_edge(self, least: int, greatest: int) -> None:
        """Find the smallest value that sampled runs violate."""
        if self._sampled(greatest) is None:
            return
        low, high = least - 1, greatest
        while high - low > 1:
            middle = (low + high) // 2
            if self._sampled(middle) is None:
                low = middle
            else:
                high = middle

    def proved(self, ns: int) -> str:
        """Return `proved`, `violated` or `inconclusive` for a value."""
        sample = self._sampled(ns)
        if sample is not None:
            return "violated"
        plan = self._plan(ns)
        if self.known is not None and ns == self.wait.declared_ns:
            proof = self.known
        else:
            self.proofs += 1
            proof = prove_plan(plan, self.kinds, self.limits)
        if proof.was_stopped:
            raise KeyboardInterrupt
        confirm(proof, sample)
        for name, finding in proof.findings.items():
            if finding.way is not None:
                found = counterexample(self.scenario, plan, proof, name)
                self._note(ns, (name, found))
                return "violated"
        words = {finding.word for finding in proof.findings.values()}
        return "proved" if proof.is_whole and words <= {"holds", "vacuous"} else "inconclusive"

    def result(self, verdict: str, safe_ns: int | None) -> WaitBudget:
        """Return what has been found."""
        name, found = self.violation or ("", None)
        return WaitBudget(
            self.wait, verdict, safe_ns, self.unsafe_ns, name, found, self.proofs
        )

    def _sampled(self, ns: int) -> tuple[str, Found] | None:
        sample = sampled(self.scenario, self._plan(ns), self.kinds)
        if sample is not None:
            self._note(ns, sample)
        return sample

    def _note(self, ns: int, violation: tuple[str, Found]) -> None:
        if self.unsafe_ns is None or ns <= self.unsafe_ns:
            self.unsafe_ns, self.violation = ns, violation

    def _plan(self, ns: int) -> SystemPlan:
        return self.wait.stretched(self.plan, ns)


# What there is.


def _span_wait(plan: SystemPlan, name: str) -> Wait:
    span: Span = getattr(plan.timing, name)

    def stretched(plan: SystemPlan, ns: int) -> SystemPlan:
        return replace(plan, timing=replace(plan.timing, **{name: Span(span.lo_ns, ns)}))

    return Wait(name, span.lo_ns, span.hi_ns, stretched, is_span=True)


def _step_waits(plan: SystemPlan) -> list[Wait]:
    return [
        _step_wait(f"{quiesce.device}.{step.name}", step.bound_ns)
        for vm in plan.vms
        for quiesce in vm.quiesce
        for step in quiesce.steps
        if step.bound_ns > 0
    ]


def _step_wait(name: str, bound_ns: int) -> Wait:
    def stretched(plan: SystemPlan, ns: int) -> SystemPlan:
        vms = [
            replace(
                vm,
                quiesce=tuple(
                    replace(
                        quiesce,
                        steps=tuple(
                            replace(step, bound_ns=ns)
                            if f"{quiesce.device}.{step.name}" == name and step.bound_ns > 0
                            else step
                            for step in quiesce.steps
                        ),
                    )
                    for quiesce in vm.quiesce
                ),
            )
            for vm in plan.vms
        ]
        return replace(plan, vms=tuple(vms))

    return Wait(name, bound_ns, bound_ns, stretched, is_span=False)


def _spans_used(plan: SystemPlan) -> list[int]:
    """Return the identities of the spans that delays of two extreme runs are begun with."""
    from ..model.choices import Earliest, Latest  # noqa: PLC0415

    used: dict[int, None] = {}
    for choices in (Earliest(), Latest()):
        kernel = Kernel(choices, plan.pinned)
        begin = kernel.delay

        def delay(
            span: Span, label: str, begin: Callable[[Span, str], Delay] = begin
        ) -> Delay:
            used[id(span)] = None
            return begin(span, label)

        kernel.delay = delay  # type: ignore[method-assign]  # this kernel serves one run
        done = build(kernel, plan).observed
        kernel.run(done)
    return list(used)
