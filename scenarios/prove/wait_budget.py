"""The quiesce budget of a scenario: how long one of its waits may take, the proof still holding.

A longer span only adds runs, so there is one threshold, and it is exact for whole nanoseconds.  A
longer bound of a step changes what a run does after it; there the budget is the edge that was
found, one value that is proved while the next one is violated.

A few sampled runs refute a value at hardly any price, so the edge is first sought with them alone.
Proofs then come from below, in great steps: what is proved when time runs out is known for
certain, and long waits, which make for many states, are tried last.  A path that breaks a property
exists down to some least value, and the ordinary kernel runs it there; so the value below that is
tried next.  All values, of all the waits asked for, are proved over the same states (`OpenStates`).
"""

from collections.abc import Sequence
from typing import NamedTuple

from ...model.dense.settled_system import SettledSystem, settled_moments
from ...model.dense.step import Moment
from ...properties.core.monitor import Property
from ...properties.prove.counterexample import ImpossibleError, Schedule, schedule_of
from ...properties.prove.judging import decisive
from ...properties.prove.paths import path_to, start_of
from ...properties.prove.symbolic_state import step_of
from ...properties.prove.system_proof import Finding, Limits, SystemProof, is_proved
from ...properties.prove.thresholds import Trial, edge_of, least_of
from ..resolve.resolve import ResolvedScenario
from .proof import Found, counterexample, prove_plan, run_along, sampled
from .waits import OpenStates, Wait

__all__ = ["WaitBudget", "budget_of_wait"]

PRECISION = 64
"""So closely is the edge sought by sampled runs; what is left is found by proofs."""


class WaitBudget(NamedTuple):
    """What was found about a wait.

    Attributes:
        wait: Which one.
        verdict: `bounded` (exact), `kept` (as far as was tried), `violated` (down to the least
            that is tried), `unused` (no run comes to it) or `inconclusive` (a proof was cut short).
        safe_ns: The largest value that was proved, or None.
        unsafe_ns: The smallest value above it that some run violates, or None.
        violated: The property that breaks there, or an empty string.
        found: A run that breaks it there.
        proofs: How many proofs it took.
        was_stopped: Whether the user stopped it.
    """

    wait: Wait
    verdict: str
    safe_ns: int | None
    unsafe_ns: int | None
    violated: str
    found: Found | None
    proofs: int
    was_stopped: bool = False


def budget_of_wait(
    scenario: ResolvedScenario,
    kinds: Sequence[type[Property]],
    wait: Wait,
    limits: Limits,
    *,
    states: OpenStates | None = None,
    known: SystemProof | None = None,
) -> WaitBudget:
    """Return how long a wait may take.

    Args:
        scenario: Its plan is the system and its run.
        kinds: The properties.
        wait: Which wait.
        limits: Of each proof, and of all of them.
        states: With the length of this wait left open, and of others perhaps; shared by proofs.
        known: The proof with the declared value, if there is one.
    """
    probe = _Probe(scenario, kinds, wait, limits, states or OpenStates([wait]))
    if known is not None:
        probe.note_declared(known)
    was_stopped = False
    try:
        verdict = _searched(probe)
    except KeyboardInterrupt:
        verdict, was_stopped = "inconclusive", True
    safe_ns = probe.safe_ns if probe.safe_ns >= wait.least_ns else None
    name, found = probe.violation or ("", None)
    return WaitBudget(
        wait, verdict, safe_ns, probe.unsafe_ns, name, found, probe.proofs, was_stopped
    )


def _searched(probe: "_Probe") -> str:
    """Try values until the edge is known, and return the verdict."""
    wait = probe.wait
    probe.sample_edge()
    edge = edge_of(
        probe.proved,
        wait.least_ns,
        wait.declared_ns,
        wait.greatest_ns,
        kept=probe.safe_ns,
        broken=probe.unsafe_ns,
    )
    return "unused" if edge.verdict == "kept" and not probe.is_met else edge.verdict


class _Probe:
    """Tries values; remembers the greatest that is proved and the smallest that is violated."""

    def __init__(
        self,
        scenario: ResolvedScenario,
        kinds: Sequence[type[Property]],
        wait: Wait,
        limits: Limits,
        states: OpenStates,
    ) -> None:
        self.scenario = scenario
        self.kinds = decisive(kinds)
        self.costs = frozenset(kind.name for kind in kinds if kind not in self.kinds)
        self._all_kinds = kinds
        self.wait = wait
        self.limits = limits
        self.states = states
        self.proofs = 0
        self.is_met = False
        self.safe_ns = wait.least_ns - 1
        self.unsafe_ns: int | None = None
        self.violation: tuple[str, Found] | None = None

    def note_declared(self, proof: SystemProof) -> None:
        """Take over what a proof with the declared value has shown."""
        if is_proved(proof, self.costs):
            self.safe_ns = self.wait.declared_ns
            self._note_use(proof)

    def sample_edge(self) -> None:
        """Find about the smallest value that sampled runs violate."""
        low, high = self.safe_ns, self.wait.greatest_ns
        while low < high and self._is_refuted(high):
            if self.unsafe_ns is not None:
                high = min(high, self.unsafe_ns)
            high = (low + high) // 2
        low, high = high, self.unsafe_ns or high
        while high - low > 1 + high // PRECISION:
            middle = (low + high) // 2
            if self._is_refuted(middle):
                high = middle
            else:
                low = middle

    def proved(self, ns: int) -> Trial:
        """Return what a proof with a value shows."""
        word = self._word(ns)
        return Trial(word, self.unsafe_ns or 0)

    def _word(self, ns: int) -> str:
        if self._is_refuted(ns):
            return "violated"
        plan = self.wait.stretched(self.scenario.plan, ns)
        self.proofs += 1
        proof = prove_plan(
            plan, self._all_kinds, self.limits, states=self.states, is_measured=False
        )
        if proof.was_stopped:
            raise KeyboardInterrupt
        for name, finding in proof.findings.items():
            if finding.by is not None and name not in self.costs:
                self._note_violated(proof, name, finding, ns)
                return "violated"
        if not is_proved(proof, self.costs):
            return "inconclusive"
        self.safe_ns = ns
        self._note_use(proof)
        return "proved"

    def _is_refuted(self, ns: int) -> bool:
        """Return whether a few runs with a value violate something; note it if so."""
        plan = self.wait.stretched(self.scenario.plan, ns)
        sample = sampled(self.scenario, plan, self.kinds)
        if sample is None:
            return False
        self._note(ns, *sample)
        return True

    def _note(self, ns: int, name: str, found: Found) -> None:
        if self.unsafe_ns is None or ns < self.unsafe_ns:
            self.unsafe_ns, self.violation = ns, (name, found)

    def _note_use(self, proof: SystemProof) -> None:
        assert isinstance(proof.system, SettledSystem)
        self.is_met |= self.wait.name in proof.system.met

    def _note_violated(self, proof: SystemProof, name: str, finding: Finding, ns: int) -> None:
        """Note the least value with which the path of a violation exists."""
        path = _Path(self, proof, finding, self.scenario.plan.teardown_ns_max)
        least_ns = self.wait.least_ns
        high = least_of(lambda ns: path.schedule(ns) is not None, least_ns - 1, ns)
        found = self._run_at(high, path, name)
        if found is None:
            high = ns
            plan = self.wait.stretched(self.scenario.plan, ns)
            found = counterexample(self.scenario, plan, proof, name)
        self._note(high, name, found)

    def _run_at(self, ns: int, path: "_Path", name: str) -> Found | None:
        """Return the run along a path with a value, if it does violate the property."""
        schedule = path.schedule(ns)
        if schedule is None:
            return None
        plan = self.wait.stretched(self.scenario.plan, ns)
        chosen = f"a run that violates {name} with the least {self.wait.name} that does"
        found = run_along(self.scenario, plan, schedule, chosen, path.events)
        words = {each.property: each.verdict for each in found.result.judgement.verdicts}
        return found if words.get(name) == "violated" else None


class _Path:
    """The path of a violation, for any length of the wait."""

    def __init__(
        self, probe: _Probe, proof: SystemProof, finding: Finding, teardown_ns_max: int
    ) -> None:
        assert finding.by is not None, "a violated property has a path"
        assert isinstance(proof.system, SettledSystem)
        path = path_to(finding.by, finding.distance_ns)
        self.events = len(path) - 1
        self._name = probe.wait.name
        self._values_ns = proof.system.values_ns
        self._moments: list[Moment] = proof.system.system.trail(step_of(path))
        self._distance: tuple[int, int] | None = None
        if finding.distance_ns is not None:
            self._distance = (start_of(path), teardown_ns_max + 1)

    def schedule(self, ns: int) -> Schedule | None:
        """Return the run along the path with a length of the wait, or None if there is none."""
        moments = settled_moments(self._moments, {**self._values_ns, self._name: ns})
        try:
            return schedule_of(moments, self._distance, or_more=True)
        except ImpossibleError:
            return None
