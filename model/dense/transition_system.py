"""The states of a model, and what the end of each pending delay does in them.

A state is one moment of the model, without times: the fingerprint of each part (`encoder`), with
the key of what judges it.  Everything here is free of numbers for time.  So the system finds once
what an event does, and any number of searches walk over it with their zones.

Processes cannot be copied, so a state is reached by running the model again along a path to it.
But each event leaves a run in some state, and such runs are kept.  A run that stands in a state
answers all questions about it, by any path that led there.  What code does depends on the parts
that it enters alone, so an answer serves all states in which those parts have the same
fingerprints.

In a model explored as a whole a moment may be *open*.  More may then happen at the same instant,
and the monitors have not yet judged what happened so far.  An event after an open moment comes at
that same instant; after any other, at a later one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..trace.events import Record
from .dense_kernel import Build, DenseKernel, Pending
from .growth import Observed
from .interning import Fingerprint, Tokens
from .model_run import ModelRun, Script
from .outside_state import OutsideState
from .standing_runs import StandingRuns
from .step import Mark, Moment, Pick, Step
from .transition import MakeMonitor, MarksOf, State, Transition

MakeKernel = Callable[..., DenseKernel]
"""Makes a kernel with some answers to open questions `pinned`."""


class _Entry(NamedTuple):
    """What an event does wherever these parts have these fingerprints."""

    needs: tuple[tuple[int, int], ...]
    transitions: list[Transition]


def _no_marks(record: Record) -> tuple[Mark, ...]:  # noqa: ARG001
    return ()


class TransitionSystem:
    """The transitions of a model, found as far as a search asks for them.

    Args:
        build: Builds the model in a kernel; gives the event with which the run ends, or None.
        monitors: Make the monitors that judge one run.
        marks_of: Says what records mean to observers.
        pinned: Answers to open questions that are fixed, by label.
        make_kernel: Makes the kernel of one run; it says whether components are parts.

    Attributes:
        part_names: Of all parts, once `beginnings` was asked: components, then monitors.
        wait_counts: How many pending delays a part has in each fingerprint, by the number of the
            fingerprint.
        runs: How often the model was run from its beginning.
        events_run: How many delays have ended in those runs.
        asked: How often it was asked what an event does, and did not know.
    """

    def __init__(
        self,
        build: Build,
        monitors: Sequence[MakeMonitor] = (),
        marks_of: MarksOf = _no_marks,
        pinned: Mapping[str, str] | None = None,
        make_kernel: MakeKernel = DenseKernel,
    ) -> None:
        self.build = build
        self.monitors = tuple(monitors)
        self.marks_of = marks_of
        self.pinned = dict(pinned or {})
        self.make_kernel = make_kernel
        self.part_names: tuple[str, ...] = ()
        self.wait_counts: list[int] = []
        self.runs = 0
        self.events_run = 0
        self.asked = 0
        self.tokens = Tokens()
        self.outside = OutsideState(self.tokens)
        self._fingerprints: dict[Fingerprint, int] = {}
        self._entries: dict[tuple[int, int, int], list[_Entry]] = {}
        self._asked_of: dict[int, int] = {}
        self._standing: StandingRuns[State, ModelRun] = StandingRuns()

    def beginnings(self) -> list[Transition]:
        """Return the ways in which a run can begin."""
        found = []
        todo: list[Script] = [()]
        while todo:
            run = ModelRun(self, todo.pop())
            self.part_names = run.part_names
            found.append(run.transition(-1, -1, at_once=False))
            todo += run.kernel.script.other_scripts()
            self._keep(run, found[-1])
        return found

    def known(self, state: State, part: int, position: int) -> list[Transition] | None:
        """Return what the end of a delay does in a state, if that is known."""
        for entry in self._entries.get((part, state[part], position), ()):
            # Invariant: code that enters these parts alone, and finds them as it did, does as it
            # did.  The one entry of a model explored as a whole needs the fingerprint of its key.
            if all(state[needed] == fingerprint for needed, fingerprint in entry.needs):
                return entry.transitions
        return None

    def ask(
        self, state: State, step: Step, part: int, position: int, *, at_once: bool
    ) -> list[Transition]:
        """Run the model to find what the end of a delay does; one for each set of answers.

        Args:
            state: The state; an open one if the event comes at once.
            step: Last of a path that leads there.
            part: Whose delay ends.
            position: Which of its delays.
            at_once: Whether the event comes at the instant of the one before.
        """
        self.asked += 1
        self._standing.ask(state)
        found = []
        todo: list[Script] = [()]
        while todo:
            script = todo.pop()
            run = self._standing.take(state)
            if run is None:
                run = self._run_to(step, at_once=at_once)
            elif at_once:
                run.reopen()
            run.fire(run.waits[part][position], script, at_once=at_once)
            found.append(run.transition(part, position, at_once=at_once))
            todo += run.kernel.script.other_scripts()
            self._keep(run, found[-1])
        entered = sorted({each.part for transition in found for each in transition.after} | {part})
        needs = tuple((each, state[each]) for each in entered)
        self._entries.setdefault((part, state[part], position), []).append(_Entry(needs, found))
        self._asked_of[state[part]] = self._asked_of.get(state[part], 0) + 1
        return found

    def number_of(self, fingerprint: Fingerprint, wait_count: int) -> int:
        """Return the number that stands for a fingerprint."""
        number = self._fingerprints.get(fingerprint)
        if number is None:
            number = self._fingerprints[fingerprint] = len(self.wait_counts)
            self.wait_counts.append(wait_count)
        assert self.wait_counts[number] == wait_count, "a fingerprint determines its delays"
        return number

    def trail(self, step: Step) -> list[Moment]:
        """Return the events of a path in terms of the run along it."""
        return [run.moment(ended, each) for run, ended, each in self._along(step)]

    def components_along(self, step: Step) -> list[list[tuple[str, dict[str, Fingerprint]]]]:
        """Return the fingerprints of all components' attributes after each event of a path."""
        return [run.attributes() for run, _, _ in self._along(step)]

    def growth(self, step: Step) -> str:
        """Return which attribute grew along a path, in words; an empty string if none did."""
        observed = Observed()
        for run, _, _ in self._along(step):
            observed.read(run.kernel, [process for process, _ in run.kernel.processes])
        return str(observed.grown() or "")

    def _along(self, step: Step) -> "Iterator[tuple[ModelRun, Pending | None, Step]]":
        """Give a run along a path after each event, with the delay that ended in it."""
        first, *others = _path_of(step)
        run = ModelRun(self, _values(first.picks))
        run.look()
        yield run, None, first
        for each in others:
            delay = run.waits[each.part][each.position]
            run.fire(delay, _values(each.picks), at_once=each.at_once)
            run.look()
            yield run, delay, each

    def _run_to(self, step: Step, *, at_once: bool) -> "ModelRun":
        first, *others = _path_of(step)
        run = ModelRun(self, _values(first.picks))
        for each in others:
            if each.ended is None:
                # The first to come this way must look which delay stands at the position.
                run.look()
                delay = run.waits[each.part][each.position]
                each.ended = (delay.label, delay.serial)
            run.fire(run.kernel.pending[each.ended], _values(each.picks), at_once=each.at_once)
        run.stand(step, at_once=at_once)
        return run

    def _keep(self, run: "ModelRun", transition: Transition) -> None:
        """Keep a run for later questions about the state in which it stands."""
        if transition.is_last or not any(run.waits):
            return
        states = [tuple(run.fingerprints)]
        if transition.open_fingerprint >= 0:
            states.append((transition.open_fingerprint,))
        if not run.kernel.in_parts:
            # Invariant: a fingerprint of the one part is asked about each of its delays once.
            counts = self.wait_counts
            states = [each for each in states if self._asked_of.get(each[0], 0) < counts[each[0]]]
        if states:
            self._standing.keep(run, states, replaces_oldest=run.kernel.in_parts)


def _path_of(step: Step) -> list[Step]:
    steps = []
    at: Step | None = step
    while at is not None:
        steps.append(at)
        at = at.parent
    return steps[::-1]


def _values(picks: Iterable[Pick]) -> Script:
    return tuple([value for _, _, value in picks])
