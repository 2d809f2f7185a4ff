"""A model explored as a whole: its states, and what the end of each pending delay does in them.

A state is one moment of the whole model, without times: its form (`canonical`) and the key of the
monitor that judges it.  Everything here is free of numbers for time, so a graph is asked once for
what an event does, however many searches walk over it with their zones.

A moment may be *open*: more may happen at the same instant, and the monitor has not yet judged what
happened so far.  An event after an open moment comes at that same instant; after any other, at
another one.

Processes cannot be copied, so a state is reached by running the model again along a path to it.
But every event leaves a run in some state, and whatever is asked about a state can be asked of any
run that stands there, whichever way it came.  So runs are kept for those who ask later: states that
are reached in as many ways as they are left need not be run to again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from simpy.events import Process

from .canonical import Reader
from .dense_kernel import Build, DenseKernel, Pending
from .form_tokens import Form, Tokens
from .outside_state import OutsideState
from .step import Edge, Moment, Monitor, Pick, Step, Wait

RUNS_KEPT = 1_000
"""Runs that stand ready to be taken further; each holds a whole model, 0.1 to 0.35 MB."""

Script = tuple[int, ...]
MakeMonitor = Callable[[], Monitor]
MakeKernel = Callable[..., DenseKernel]
"""Makes a kernel with some answers to open questions `pinned`."""


class StateGraph:
    """The states of a model and the events between them, found as far as somebody asks.

    Args:
        build: Builds the model in a kernel; gives the event with which the run ends, or None.
        make_monitor: Makes the monitor that judges one run.
        pinned: Answers to open questions that are fixed, by label.
        make_kernel: Makes the kernel of one run.

    Attributes:
        wait_counts: How many delays are pending in each state.
        asked: How often it was asked what an event does.
        runs: How often the model was run from its beginning.
        events_run: How many delays have ended in those runs.
    """

    def __init__(
        self,
        build: Build,
        make_monitor: MakeMonitor,
        pinned: Mapping[str, str] | None = None,
        make_kernel: MakeKernel = DenseKernel,
    ) -> None:
        self.build = build
        self.make_monitor = make_monitor
        self.pinned = dict(pinned or {})
        self.make_kernel = make_kernel
        self.wait_counts: list[int] = []
        self.asked = 0
        self.runs = 0
        self.events_run = 0
        self.tokens = Tokens()
        self.outside = OutsideState(self.tokens)
        self._states: dict[Form, int] = {}
        self._edges: dict[tuple[int, int], list[Edge]] = {}
        self._asked: list[int] = []
        self._standing = _Standing()

    def beginnings(self) -> list[Edge]:
        """Return the ways in which a run can begin."""
        found = []
        todo: list[Script] = [()]
        while todo:
            script = todo.pop()
            run = _Run(self, script)
            edge = run.edge(-1, at_once=False)
            found.append(edge)
            todo += run.kernel.script.other_scripts()
            self._keep(run, edge)
        return found

    def knows(self, state: int, position: int) -> bool:
        """Return whether it has been asked already what the end of a delay does in a state."""
        return (state, position) in self._edges

    def edges(self, state: int, step: Step, position: int, *, at_once: bool) -> list[Edge]:
        """Return what the end of a delay does in a state; one edge for each set of answers.

        Args:
            state: The state; an open one if the event comes at once.
            step: Last of a path that leads there.
            position: Which of the pending delays.
            at_once: Whether the event comes at the instant of the one before.
        """
        found = self._edges.get((state, position))
        if found is None:
            self._standing.ask(state)
            found = self._ask(state, step, position, at_once=at_once)
            self._edges[state, position] = found
            self._asked[state] += 1
        return found

    def number_of(self, form: Form, wait_count: int) -> int:
        """Return the number of a state."""
        number = self._states.get(form)
        if number is None:
            number = self._states[form] = len(self.wait_counts)
            self.wait_counts.append(wait_count)
            self._asked.append(0)
        return number

    def trail(self, step: Step) -> list[Moment]:
        """Return the events of a path in terms of the run along it."""
        steps = _path_of(step)
        run = _Run(self, _values(steps[0].picks))
        run.read()
        moments = [run.moment(None)]
        for each in steps[1:]:
            delay = run.waits[each.position]
            run.fire(delay, _values(each.picks), at_once=each.at_once)
            run.read()
            moments.append(run.moment(delay, at_once=each.at_once))
        return moments

    def components_along(self, step: Step) -> list[list[tuple[str, dict[str, Form]]]]:
        """Return the forms of the attributes of all components after each event of a path."""
        steps = _path_of(step)
        run = _Run(self, _values(steps[0].picks))
        found = [run.attributes()]
        for each in steps[1:]:
            run.read()
            run.fire(run.waits[each.position], _values(each.picks), at_once=each.at_once)
            found.append(run.attributes())
        return found

    def _ask(self, state: int, step: Step, position: int, *, at_once: bool) -> list[Edge]:
        self.asked += 1
        found = []
        todo: list[Script] = [()]
        while todo:
            script = todo.pop()
            run = self._standing.take(state)
            if run is None:
                run = self._run_to(step, at_once=at_once)
            elif at_once:
                run.reopen()
            run.fire(run.waits[position], script, at_once=at_once)
            edge = run.edge(position, at_once=at_once)
            found.append(edge)
            todo += run.kernel.script.other_scripts()
            self._keep(run, edge)
        return found

    def _keep(self, run: "_Run", edge: Edge) -> None:
        if not edge.waits or edge.is_last:
            return
        states = [edge.state] if edge.open_state < 0 else [edge.state, edge.open_state]
        states = [each for each in states if self._asked[each] < self.wait_counts[each]]
        if states:
            self._standing.keep(run, states)

    def _run_to(self, step: Step, *, at_once: bool) -> "_Run":
        steps = _path_of(step)
        run = _Run(self, _values(steps[0].picks))
        for before, each in pairwise(steps):
            assert before.names is not None, "every step of an edge has the names"
            delay = run.kernel.pending[before.names[each.position]]
            run.fire(delay, _values(each.picks), at_once=each.at_once)
        run.stand(step, at_once=at_once)
        return run


class _Standing:
    """The runs that stand ready, by the states in which they stand."""

    def __init__(self) -> None:
        self._by_state: dict[int, list[_Run]] = {}
        self._states_of: dict[_Run, Sequence[int]] = {}
        self._asked_about = -1
        self._left_behind: dict[int, None] = {}

    def ask(self, state: int) -> None:
        """Take note that a state is asked about, and whoever asks has gone on to it."""
        if state != self._asked_about:
            if self._asked_about in self._by_state:
                self._left_behind[self._asked_about] = None
            self._asked_about = state
            self._left_behind.pop(state, None)

    def take(self, state: int) -> "_Run | None":
        """Return a run that stands in a state, if there is one, and keep it no longer."""
        runs = self._by_state.get(state)
        if not runs:
            return None
        run = runs[-1]
        self._drop(run)
        return run

    def keep(self, run: "_Run", states: Sequence[int]) -> None:
        """Keep a run for whoever asks about these states, unless too many are kept.

        Those of states that have been asked about go first.  Then the new one goes: searches ask
        first about the states that were found first.
        """
        if len(self._states_of) >= RUNS_KEPT:
            if not self._left_behind:
                return
            self._drop(self._by_state[next(iter(self._left_behind))][-1])
        self._states_of[run] = states
        for state in states:
            self._by_state.setdefault(state, []).append(run)

    def _drop(self, run: "_Run") -> None:
        for state in self._states_of.pop(run):
            runs = self._by_state[state]
            runs.remove(run)
            if not runs:
                del self._by_state[state]
                self._left_behind.pop(state, None)


def _path_of(step: Step) -> list[Step]:
    steps = []
    at: Step | None = step
    while at is not None:
        steps.append(at)
        at = at.parent
    return steps[::-1]


def _values(picks: Iterable[Pick]) -> Script:
    return tuple([value for _, _, value in picks])


class _Run:
    """One run, at one of its stable moments."""

    def __init__(self, graph: StateGraph, script: Iterable[int]) -> None:
        self.graph = graph
        self.kernel = graph.make_kernel(pinned=graph.pinned)
        self.monitor = graph.make_monitor()
        self._stop_observing = self.kernel.observe(self._on_record)
        self._own_observer = self.kernel._observers[0]
        self.waits: list[Pending] = []
        self._waits_before: list[Pending] = []
        self._ended: Pending | None = None
        self.step: Step | None = None
        self.open_monitor: Monitor | None = None
        self._is_judged = False
        self.kernel.script.begin(script)
        self.kernel.note_own_names()
        self.done = graph.build(self.kernel)
        self.kernel.settle()
        graph.runs += 1

    # Going on.

    def stand(self, step: Step, *, at_once: bool) -> None:
        """Be where a path leads that this run has come along; what has happened is no news.

        Args:
            step: End of the path.
            at_once: Whether the next event is to come at the instant of the last one.
        """
        assert step.names is not None, "every step of an edge has the names"
        self.step = step
        self.waits = [self.kernel.pending[name] for name in step.names]
        self.kernel.keep_pending(self.waits)
        if not at_once:
            self.monitor.settle()
            self._is_judged = True
        self.monitor.marks()
        self.monitor.broken()

    def reopen(self) -> None:
        """Go back to before the judgement on the instant."""
        assert self.open_monitor is not None, "something waits for the end of the instant"
        self.monitor = self.open_monitor
        self._is_judged = False

    def fire(self, delay: Pending, script: Iterable[int], *, at_once: bool) -> None:
        """End a delay, with these answers to what is asked."""
        if not at_once and not self._is_judged:
            self.monitor.settle()
        self._waits_before = self.waits
        self._ended = delay
        self._is_judged = False
        self.open_monitor = None
        self.kernel.script.begin(script)
        self.kernel.fire(delay, at_once=at_once)
        self.graph.events_run += 1

    def _on_record(self, record: Any) -> None:
        self.monitor.step(self.kernel.records_count - 1, record)

    # Reading the moment.

    def read(self) -> Form:
        """Return the form of the model, and forget the delays that nobody can wait for."""
        kernel = self.kernel
        processes = [process for process, _ in kernel.processes]
        # Processes are ordered by where they stand, so that the order of creation matters only
        # among those that stand at the same place.
        processes.sort(key=_where)
        names: dict[int, Form] = {id(process): at for at, process in enumerate(processes)}
        others = [each for each in kernel._observers if each is not self._own_observer]
        reader = Reader({}, names, self.graph.tokens)
        form = reader.read("the model", [*processes, *others, self.done, kernel.outside])
        self.graph.outside.check()
        kernel.insist_on_own_names()
        self.waits = list(reader.delays)  # type: ignore[arg-type]
        kernel.keep_pending(self.waits)
        return form

    def attributes(self) -> list[tuple[str, dict[str, Form]]]:
        """Return the forms of the attributes of all components."""
        found = []
        for component in self.kernel.enrolled:
            owners = {id(each): each.name for each in self.kernel.enrolled}
            reader = Reader(owners, {}, self.graph.tokens)
            forms = {
                name: reader.read(component.name, [value])
                for name, value in vars(component).items()
            }
            found.append((component.name, forms))
        return found

    def edge(self, position: int, *, at_once: bool) -> Edge:
        """Return what the last event has done; judges the instant.

        Args:
            position: Which of the delays has ended, or -1 at the beginning of the run.
            at_once: Whether it did so at the instant of the event before.
        """
        before = {id(delay): at for at, delay in enumerate(self._waits_before)}
        form = self.read()
        monitor = self.monitor
        marks, hurried = monitor.marks(), monitor.broken()
        waiting = monitor.open_key()
        is_last = self.done is not None and self.done.callbacks is None
        count = len(self.waits)
        open_state = -1
        if waiting is not None and not is_last:
            key = (form, monitor.key(), waiting)
            open_state = self.graph.number_of(key, count)
            self.open_monitor = monitor.copy()
        monitor.settle()
        self._is_judged = True
        endings = monitor.endings() if is_last or not count else ()
        picks = self.kernel.script.taken()
        step = Step(self.step, 0 if self.step else -1, position, picks, at_once=at_once)
        step.names = tuple((delay.label, delay.serial) for delay in self.waits)
        self.step = step
        return Edge(
            picks=picks,
            state=-1 if is_last else self.graph.number_of((form, monitor.key()), count),
            open_state=open_state,
            waits=tuple(
                Wait(before[id(delay)], 0, 0)
                if id(delay) in before
                else Wait(-1, delay.span.lo_ns, delay.span.hi_ns)
                for delay in self.waits
            ),
            marks=marks,
            hurried=hurried,
            faults=hurried + monitor.broken(),
            tested=monitor.tested(),
            endings=endings,
            is_last=is_last,
            label="" if self._ended is None else self._ended.label,
            step=step,
        )

    def moment(self, ended: Pending | None, *, at_once: bool = False) -> Moment:
        """Return the last event in terms of this run."""
        old = {id(delay) for delay in self._waits_before}
        pending = {id(delay) for delay in self.waits}
        return Moment(
            ended=None if ended is None else (ended.label, ended.serial),
            begun=tuple(
                ((delay.label, delay.serial), delay.span.lo_ns, delay.span.hi_ns)
                for delay in self.waits
                if id(delay) not in old
            ),
            entered=(0,),
            overtaken=tuple(
                (delay.label, delay.serial) for delay in self._waits_before if delay is not ended
            ),
            let_go=tuple(
                (delay.label, delay.serial)
                for delay in self._waits_before
                if delay is not ended and id(delay) not in pending
            ),
            picks=self.kernel.script.taken(),
            at_once=at_once,
        )


def _where(process: Process) -> tuple[str, int]:
    body: Any = process._generator
    frame = body.gi_frame
    return body.__qualname__, -1 if frame is None else frame.f_lasti
