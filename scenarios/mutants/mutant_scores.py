"""Whether the properties notice each mutant, and whether each property is needed for that.

Every case of a mutant runs with the nominal, the earliest and the latest timing and with random
ones.  A mutant counts as killed if in orderly ends and in crashes some property is violated in at
least two classes of devices.  A property is needed if in some case it alone is violated.

The fifty rules of VIRTIO need not be needed in this sense.  Each checks one sentence of the
standard, mostly about traffic and not about teardowns, and a separate suite tests each.
"""

from collections.abc import Callable, Iterable
from functools import partial

import msgspec

from ...model.base.choices import Choices, Earliest, Latest, Nominal, Seeded
from ...model.base.errors import BoundHit
from ...model.machine.system import run
from ...model.plan.system_plan import SystemPlan
from ...model.trace.events import (
    CallbackBegun,
    DmaLanded,
    FramesReleased,
    IrqAsserted,
    IrqDetached,
    IrqTaken,
    Trace,
)
from ...properties.check import check
from ...properties.core.worker_pool import results_in_order
from ...properties.registry import TEARDOWN
from .designs import CRASH, EXITS, KILLED, ORDERLY, designs
from .mutants import BY_NAME, Case, Mutant

SEEDS = 6
"""Random timings for each case, besides the nominal, the earliest and the latest."""

CLASSES_MIN = 2
"""In how many classes of devices a mutant must be noticed, in each exit."""


class CaseScore(msgspec.Struct, frozen=True):
    """The runs of one case, and which properties noticed it.

    Attributes:
        design: `CLASS/CONTAINED/EXIT`.
        face: Which face of the mutant.
        killed_by: Properties that were violated in some run.
        runs: How many runs were made.
        violated_runs: In how many of them something was violated.
        given_up: A sentence for each run that hit its bound; such a run kills nothing.
    """

    design: str
    face: str
    killed_by: tuple[str, ...]
    runs: int
    violated_runs: int
    given_up: tuple[str, ...] = ()


class Score(msgspec.Struct, frozen=True):
    """The runs of a mutant, and which properties noticed it.

    Attributes:
        killed_by: Properties that were violated where the correct design holds.
        runs: How many runs were made.
        cases: What became of each case.
        classes: Exit to the classes of devices in which it was noticed.
        not_tried: Class or exit to the reason why it cannot go wrong there.
    """

    killed_by: tuple[str, ...]
    runs: int
    cases: tuple[CaseScore, ...]
    classes: dict[str, tuple[str, ...]]
    not_tried: dict[str, str]

    @property
    def is_killed(self) -> bool:
        """Whether it was noticed in enough classes, in orderly ends and in crashes."""
        return all(len(self.classes.get(exit_, ())) >= CLASSES_MIN for exit_ in (CRASH, ORDERLY))

    @property
    def spared(self) -> tuple[CaseScore, ...]:
        """The cases in which nothing was violated."""
        return tuple(case for case in self.cases if not case.killed_by)


def timings(seeds: int) -> list[Choices]:
    """Return fresh choices for each timing that a design is tried with."""
    return [Nominal(), Earliest(), Latest(), *(Seeded(seed) for seed in range(seeds))]


def violated_properties(plan: SystemPlan, choices: Choices) -> set[str]:
    """Return the names of the properties that one run violates."""
    return _violated(run(plan, choices))


def _violated(trace: Trace) -> set[str]:
    return {verdict.property for verdict in check(trace) if verdict.verdict == "violated"}


def score(mutant: Mutant, seeds: int = SEEDS) -> Score:
    """Run a mutant in all its cases and return its score."""
    # Every property holds in each correct design in all these timings; the suite tests that.  So a
    # violation shows the change and nothing else.
    correct = designs()
    cases = tuple(
        _score_case(case, case.change(correct[case.design]), seeds) for case in mutant.cases
    )
    classes: dict[str, tuple[str, ...]] = {}
    for case, found in zip(mutant.cases, cases, strict=True):
        known = classes.get(case.exit, ())
        if found.killed_by and case.device_class not in known:
            classes[case.exit] = (*known, case.device_class)
    return Score(
        tuple(sorted({name for case in cases for name in case.killed_by})),
        sum(case.runs for case in cases),
        cases,
        classes,
        mutant.not_tried,
    )


def _score_case(case: Case, plan: SystemPlan, seeds: int) -> CaseScore:
    found: list[set[str]] = []
    given_up: list[str] = []
    for number, choices in enumerate(timings(seeds)):
        try:
            found.append(violated_properties(plan, choices))
        except BoundHit as hit:
            # A run without end shows nothing, so it neither kills nor spares the mutant.
            given_up.append(f"timing {number} ({type(choices).__name__}): {hit}")
    names = tuple(sorted(set().union(*found)))
    runs = len(found) + len(given_up)
    violated = sum(bool(one) for one in found)
    return CaseScore(case.design, case.face, names, runs, violated, tuple(given_up))


def scores(names: Iterable[str], jobs: int = 1, seeds: int = SEEDS) -> dict[str, Score]:
    """Run mutants and return the score of each, by its name.

    Args:
        names: Of the mutants.
        jobs: Processes.
        seeds: Random timings for each case.
    """
    chosen = list(names)
    found = results_in_order(partial(_score_by_name, seeds), chosen, jobs)
    return dict(zip(chosen, found, strict=True))


def _score_by_name(seeds: int, name: str) -> Score:
    return score(BY_NAME[name], seeds)


def sole_killers(found: dict[str, Score]) -> dict[str, tuple[str, ...]]:
    """Return for each property of a teardown the cases that it alone notices, as `M9 DESIGN`.

    A cost often comes with other violations: it counts only in cases in which no harm is violated.
    """
    alone: dict[str, list[str]] = {name: [] for name in TEARDOWN}
    costs = {name for name, kind in TEARDOWN.items() if not kind.ends_search}
    for mutant, result in found.items():
        for case in result.cases:
            killers = [name for name in case.killed_by if name not in costs] or case.killed_by
            if len(killers) == 1 and killers[0] in alone:
                face = f" ({case.face})" if case.face else ""
                alone[killers[0]].append(f"{mutant} {case.design}{face}")
    return {name: tuple(cases) for name, cases in alone.items()}


# Controls.


class Control(msgspec.Struct, frozen=True):
    """A harmless behaviour that looks like a mistake; a property that rejects it is too strict.

    Attributes:
        name: `C1` or `C2`.
        meaning: What it is.
        designs: In which correct designs it comes about.
        is_shown: Whether it came about in a run.
    """

    name: str
    meaning: str
    designs: tuple[str, ...]
    is_shown: Callable[[Trace], bool]


class ControlScore(msgspec.Struct, frozen=True):
    """The runs of a control.

    Attributes:
        violated: What was violated, though nothing should be.
        runs: How many runs were made.
        shown_in: In how many of them it came about.
        given_up: How many runs hit their bound.
    """

    violated: tuple[str, ...]
    runs: int
    shown_in: int
    given_up: int = 0

    @property
    def passes(self) -> bool:
        """Whether it came about, no property condemned it, and each run ended."""
        return self.shown_in > 0 and not self.violated and not self.given_up


def _writes_while_it_is_stopped(trace: Trace) -> bool:
    """Return whether a write lands after the first callback began and before the first release."""
    is_ending = False
    for record in trace.records:
        match record.event:
            case CallbackBegun():
                is_ending = True
            case FramesReleased():
                return False
            case DmaLanded() if is_ending:
                return True
    return False


def _line_rises_unheard(trace: Trace) -> bool:
    """Return whether a line is asserted after its last owner has left it, and never taken."""
    left: list[int] = []
    rose: list[int] = []
    for record in trace.records:
        event = record.event
        if isinstance(event, IrqDetached):
            left.append(event.intid)
        elif isinstance(event, IrqAsserted) and event.intid in left:
            rose.append(event.intid)
        elif isinstance(event, IrqTaken) and event.intid in rose:
            return False
    return bool(rose)


CONTROLS: tuple[Control, ...] = (
    Control(
        "C1",
        "a device goes on writing between the callback and the release, as it may",
        tuple(f"{name}/vdev/{exit_}" for name in ("nic", "ahci") for exit_ in (CRASH, ORDERLY)),
        _writes_while_it_is_stopped,
    ),
    Control(
        "C2",
        "a line rises after its owner has left, stays masked, and no process receives it",
        tuple(
            f"{name}/iommu/{exit_}" for name in ("nic", "can") for exit_ in (CRASH, ORDERLY, KILLED)
        ),
        _line_rises_unheard,
    ),
)
"""Both of them."""


def score_control(control: Control, seeds: int = SEEDS) -> ControlScore:
    """Run a control in all its designs and return its score."""
    correct = designs()
    traces: list[Trace] = []
    given_up = 0
    for design in control.designs:
        for choices in timings(seeds):
            try:
                traces.append(run(correct[design], choices))
            except BoundHit:
                given_up += 1
    violated = set().union(*(_violated(trace) for trace in traces))
    shown_in = sum(control.is_shown(trace) for trace in traces)
    return ControlScore(tuple(sorted(violated)), len(traces) + given_up, shown_in, given_up)


assert all(design.rsplit("/", maxsplit=1)[1] in EXITS for design in designs())
