"""The quiesce budget of a scenario: how long one of its waits may take, the proof still holding.

A wait is a span of `[timing]`, or the bound of a waiting step of a quiesce procedure.  A longer
span only adds runs, so there is one threshold, and it is exact for whole nanoseconds.  A longer
bound of a step changes what a run does after it; there the budget is the edge that was found, one
value that is proved while the next one is violated.

A few sampled runs refute a value at hardly any price, so the edge is first sought with them alone;
the value below is then proved, which mostly settles it.  Where a proof finds a path instead, the
least value with which that path exists is tried next.  Each value is a proof of its own: what a
state is depends on the spans that its delays were begun with, so states are not used again.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from ..model.clock import Span
from ..model.dense_graph import StateGraph
from ..model.dense_step import Moment
from ..model.errors import Place, Problem, ScenarioError, nearest
from ..model.kernel import Delay, Kernel
from ..model.plan import SystemPlan
from ..model.system import build
from ..properties.counterexample import ImpossibleError, schedule_of
from ..properties.monitor import Property
from ..properties.paths import start_of, step_of, ways_to
from ..properties.system_proof import Finding, Limits, SystemProof
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
        if safe < probe.guess_ns < tried:
            tried = max(least, probe.guess_ns)
        word = probe.proved(tried)
        if word == "proved":
            safe = proved = tried
            # What the path needs that was found last is one more, and that path is violated.
            probe.guess_ns = tried + 1 if tried == probe.guess_ns else -1
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
        self.guess_ns = -1
        span = getattr(plan.timing, wait.name, None) if wait.is_span else None
        self._labels = _spans_used(plan).get(id(span), frozenset())

    def sample_edge(self, least: int, greatest: int) -> None:
        """Find the smallest value that sampled runs violate."""
        found = (high for high in _halved(greatest, least) if self._sampled(high) is not None)
        low, high = least - 1, next(found, least - 1)
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
                self.guess_ns = self._needed(proof, finding, ns) - 1
                found = counterexample(self.scenario, plan, proof, name)
                self._note(ns, (name, found))
                return "violated"
        words = {finding.word for finding in proof.findings.values()}
        return "proved" if proof.is_whole and words <= {"holds", "vacuous"} else "inconclusive"

    def result(self, verdict: str, safe_ns: int | None) -> WaitBudget:
        """Return what has been found."""
        name, found = self.violation or ("", None)
        return WaitBudget(self.wait, verdict, safe_ns, self.unsafe_ns, name, found, self.proofs)

    def _needed(self, proof: SystemProof, finding: Finding, ns: int) -> int:
        """Return the least value with which the path of a violation exists."""
        assert finding.way is not None, "a violated property has a way"
        graph = proof.graph
        assert isinstance(graph, StateGraph)
        ways = ways_to(finding.way, finding.distance_ns)
        moments = graph.trail(step_of(ways))
        distance = None
        if finding.distance_ns is not None:
            distance = (start_of(ways), self.plan.teardown_ns_max + 1)
        labels = self._labels
        low, high = self.wait.least_ns - 1, ns
        while high - low > 1:
            middle = (low + high) // 2
            if _exists(moments, distance, labels, middle):
                high = middle
            else:
                low = middle
        return high

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


def _halved(greatest: int, least: int) -> Iterator[int]:
    """Return values from the greatest down, each half of the one before."""
    while greatest > least:
        yield greatest
        greatest //= 2


def _exists(
    moments: Sequence[Moment],
    distance: tuple[int, int] | None,
    labels: frozenset[str],
    bound_ns: int,
) -> bool:
    """Return whether a path exists if the delays with some labels take no longer than a bound."""
    try:
        schedule_of(
            moments, distance, at_most=lambda delay: bound_ns if delay[0] in labels else None
        )
    except ImpossibleError:
        return False
    return True


# What there is.


def _span_wait(plan: SystemPlan, name: str) -> Wait:
    span: Span = getattr(plan.timing, name)

    def stretched(plan: SystemPlan, ns: int) -> SystemPlan:
        return replace(plan, timing=replace(plan.timing, **{name: Span(span.lo_ns, ns)}))

    return Wait(name, span.lo_ns, span.hi_ns, stretched, is_span=True)


def _step_waits(plan: SystemPlan) -> list[Wait]:
    bounds = {
        f"{quiesce.device}.{step.name}": step.bound_ns
        for vm in plan.vms
        for quiesce in vm.quiesce
        for step in quiesce.steps
        if step.bound_ns > 0
    }
    return [_step_wait(name, bound_ns) for name, bound_ns in bounds.items()]


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


def _spans_used(plan: SystemPlan) -> dict[int, frozenset[str]]:
    """Return the labels of the delays of two extreme runs, by the identity of their spans."""
    from ..model.choices import Earliest, Latest  # noqa: PLC0415

    used: dict[int, frozenset[str]] = {}
    for choices in (Earliest(), Latest()):
        kernel = Kernel(choices, plan.pinned)
        begin = kernel.delay

        def delay(span: Span, label: str, begin: Callable[[Span, str], Delay] = begin) -> Delay:
            used[id(span)] = used.get(id(span), frozenset()) | {label}
            return begin(span, label)

        kernel.delay = delay  # type: ignore[method-assign]  # this kernel serves one run
        kernel.execute(build(kernel, plan).observed)
    return used
