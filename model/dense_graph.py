"""A model explored as a whole: its states, and what the end of each pending delay does in them.

A state is one moment of the whole model, without times: its form (`canonical`) and the key of the
monitor that judges it.  Everything here is free of numbers for time, so a graph is asked once for
what an event does, however many searches walk over it with their zones.

A moment may be *open*: more may happen at the same instant, and the monitor has not yet judged what
happened so far.  An event after an open moment comes at that same instant; after any other, at
another one.

Processes cannot be copied, so a state is reached by running the model again along a path to it.
The last runs are kept for a while, for whoever goes on from where they stand.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

from simpy.events import Process

from .canonical import Form, Reader
from .dense_kernel import Build, DenseKernel, Pending
from .dense_step import DelayName, Edge, Moment, Monitor, Pick, Step, Wait

RUNS_KEPT = 8
"""Runs that stand ready to be taken further; each holds a whole model."""

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
        self._states: dict[Form, int] = {}
        self._edges: dict[tuple[int, int], list[Edge]] = {}
        self._kept: OrderedDict[Step, _Run] = OrderedDict()

    def beginnings(self) -> list[Edge]:
        """Return the ways in which a run can begin."""
        found = []
        todo: list[Script] = [()]
        while todo:
            script = todo.pop()
            run = _Run(self, script)
            found.append(run.edge(None, -1, at_once=False))
            todo += run.kernel.script.other_scripts()
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
            found = self._edges[state, position] = self._ask(step, position, at_once=at_once)
        return found

    def number_of(self, form: Form, wait_count: int) -> int:
        """Return the number of a state."""
        number = self._states.get(form)
        if number is None:
            number = self._states[form] = len(self.wait_counts)
            self.wait_counts.append(wait_count)
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

    def _ask(self, step: Step, position: int, *, at_once: bool) -> list[Edge]:
        self.asked += 1
        found = []
        todo: list[Script] = [()]
        while todo:
            script = todo.pop()
            run = self._run_to(step)
            run.forget(at_once=at_once)
            run.fire(run.delay_at(step, position), script, at_once=at_once)
            edge = run.edge(step, position, at_once=at_once)
            found.append(edge)
            todo += run.kernel.script.other_scripts()
            if edge.open_state < 0:
                self._keep(edge.step, run)
        return found

    def _keep(self, step: Step, run: "_Run") -> None:
        self._kept[step] = run
        if len(self._kept) > RUNS_KEPT:
            self._kept.popitem(last=False)

    def _run_to(self, step: Step) -> "_Run":
        kept = self._kept.pop(step, None)
        if kept is not None:
            return kept
        steps = _path_of(step)
        run = _Run(self, _values(steps[0].picks))
        for before, each in pairwise(steps):
            run.fire(run.delay_at(before, each.position), _values(each.picks), at_once=each.at_once)
        return run


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
        self._is_read = False
        self._is_judged = False
        self.kernel.script.begin(script)
        self.done = graph.build(self.kernel)
        self.kernel.settle()
        graph.runs += 1

    # Going on.

    def delay_at(self, step: Step, position: int) -> Pending:
        """Return the pending delay at a position of the state in which it stands, after `step`."""
        assert step.names is not None, "every step of an edge has the names"
        label, serial = step.names[position]
        for delay in self.kernel.pending:
            if delay.serial == serial and delay.label == label:
                return delay
        raise AssertionError((label, serial))

    def forget(self, *, at_once: bool) -> None:
        """Let what has happened so far be no news: the next event is asked about."""
        if not at_once and not self._is_judged:
            self.monitor.settle()
            self._is_judged = True
        self.monitor.marks()
        self.monitor.broken()

    def fire(self, delay: Pending, script: Iterable[int], *, at_once: bool) -> None:
        """End a delay, with these answers to what is asked."""
        if not at_once and not self._is_judged:
            self.monitor.settle()
        self._waits_before = self.waits if self._is_read else []
        self._ended = delay
        self._is_read = self._is_judged = False
        self.kernel.script.begin(script)
        self.kernel.fire(delay, at_once=at_once)
        self.graph.events_run += 1

    def _on_record(self, record: Any) -> None:
        self.monitor.step(len(self.kernel.records) - 1, record)

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
        reader = Reader({}, names)
        form = reader.read("the model", [*processes, *others, self.done])
        self.waits = list(reader.delays)  # type: ignore[arg-type]
        kernel.keep_pending(self.waits)
        self._is_read = True
        return form

    def attributes(self) -> list[tuple[str, dict[str, Form]]]:
        """Return the forms of the attributes of all components."""
        found = []
        for component in self.kernel.enrolled:
            reader = Reader({id(each): each.name for each in self.kernel.enrolled}, {})
            forms = {
                name: reader.read(component.name, [value])
                for name, value in vars(component).items()
            }
            found.append((component.name, forms))
        return found

    def edge(self, asked_from: Step | None, position: int, *, at_once: bool) -> Edge:
        """Return what the last event has done; judges the instant.

        Args:
            asked_from: End of the path before it, or None for the beginning of the run.
            position: Which of the delays has ended.
            at_once: Whether it did so at the instant of the event before.
        """
        before = {id(delay): at for at, delay in enumerate(self._before(asked_from))}
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
        monitor.settle()
        self._is_judged = True
        endings = monitor.endings() if is_last or not count else ()
        picks = self.kernel.script.taken()
        step = Step(asked_from, 0 if asked_from else -1, position, picks, at_once=at_once)
        step.names = tuple((delay.label, delay.serial) for delay in self.waits)
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

    def _before(self, asked_from: Step | None) -> list[Pending | None]:
        """Return the delays that were pending before the last event, by their positions."""
        if asked_from is None:
            return []
        assert asked_from.names is not None, "whoever fires a delay knows the names"
        assert self._ended is not None
        named: dict[DelayName, Pending] = {
            (delay.label, delay.serial): delay for delay in self.kernel.pending
        }
        return [named.get(name) for name in asked_from.names]

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
