"""A model as a search sees it: from each state, what each pending delay does when it ends.

Processes cannot be copied, so a state is reached by running the model again from its beginning
along a path.  That is done once for each event *of a part in a state*, and not for each class of
the search: what code does depends on the parts that it enters alone, so that one run tells what
the event does wherever those parts are in these states (`Outcome.after` names them).
"""

from collections.abc import Iterable
from typing import Any

from simpy.events import Process

from ..base.errors import QuiesceError
from ..trace.events import Record
from .canonical import Reader, SharedStateError
from .dense_kernel import Build, DenseKernel, Pending
from .form_tokens import Form, Tokens
from .growth import Observed
from .outside_state import OutsideState
from .step import EVERYTHING, MakeStopwatch, MakeWatch, Moment, Outcome, PartAfter, Pick, Step, Wait

Script = tuple[int, ...]


class HomelessProcessError(QuiesceError):
    """A process of no component, in a model explored in parts.

    Args:
        process: Name of its function.
    """

    def __init__(self, process: str) -> None:
        self.process = process
        super().__init__(process)

    def __str__(self) -> str:
        """Name it and say what to do."""
        return f"{self.process} is a process of no component; explore this model as a whole"


class DenseModel:
    """Runs a model event by event for a search.

    Args:
        build: Builds it in a kernel; gives the event with which the run ends, or None.
        watches: Make the monitors of the claims.
        stopwatches: Make the monitors of the distances to measure.
        in_parts: Whether each component is a part of its own; otherwise all of the model is one.
        left_out: Components without which the model runs.

    Attributes:
        part_names: Of all parts: components, then watches, then stopwatches.
        claim_names: Of the watches.
        first_stopwatch: Number of the first part that is a stopwatch.
        wait_counts: How many pending delays a part has in each form, by the number of the form.
        runs: How often the model was run from its beginning.
        events_run: How many delays have ended in those runs.
    """

    def __init__(
        self,
        build: Build,
        watches: Iterable[MakeWatch] = (),
        stopwatches: Iterable[MakeStopwatch] = (),
        *,
        in_parts: bool = False,
        left_out: frozenset[str] = frozenset(),
    ) -> None:
        self.build = build
        self.watches = tuple(watches)
        self.stopwatches = tuple(stopwatches)
        self.in_parts = in_parts
        self.left_out = left_out
        self.part_names: tuple[str, ...] = ()
        self.claim_names: tuple[str, ...] = ()
        self.first_stopwatch = 0
        self.wait_counts: list[int] = []
        self.runs = 0
        self.events_run = 0
        self._tokens = Tokens()
        self._outside = OutsideState(self._tokens)
        self._forms: dict[Form, int] = {}
        self._live: tuple[Step, int, int, tuple[Pick, ...], _Run] | None = None

    def is_running(self, form: int) -> bool:
        """Return whether a stopwatch in this form is running."""
        return form == self.number_of(("stopwatch", True), 0)

    def number_of(self, form: Form, wait_count: int) -> int:
        """Return the number that stands for a form."""
        number = self._forms.get(form)
        if number is None:
            number = self._forms[form] = len(self.wait_counts)
            self.wait_counts.append(wait_count)
        assert self.wait_counts[number] == wait_count, "a form tells its delays"
        return number

    def beginnings(self) -> list[Outcome]:
        """Return the states in which a run can begin."""
        outcomes = []
        todo: list[Script] = [()]
        while todo:
            script = todo.pop()
            run = _Run(self, script)
            outcomes.append(run.outcome())
            self.part_names = run.part_names
            self.claim_names = tuple(watch.name for watch in run.watches)
            self.first_stopwatch = len(run.part_names) - len(self.stopwatches)
            todo += run.kernel.script.other_scripts()
        return outcomes

    def outcomes(self, step: Step, part: int, position: int) -> list[Outcome]:
        """Return what the end of a delay does, after a path; one for each set of answers."""
        outcomes = []
        todo: list[Script] = [()]
        while todo:
            script = todo.pop()
            run = self._run_to(step)
            run.fire(run.waits[part][position], script)
            outcome = run.outcome()
            outcomes.append(outcome)
            todo += run.kernel.script.other_scripts()
            self._live = (step, part, position, outcome.picks, run)
        return outcomes

    def trail(self, step: Step) -> list[Moment]:
        """Return the events of a path in terms of the run along it."""
        steps = _path_of(step)
        run = _Run(self, [value for _, _, value in steps[0].picks])
        moments = [run.moment(None)]
        for each in steps[1:]:
            delay = run.waits[each.part][each.position]
            run.fire(delay, [value for _, _, value in each.picks])
            moments.append(run.moment(delay))
        return moments

    def growth(self, step: Step) -> str:
        """Return which attribute grew along a path, in words; an empty string if none did."""
        steps = _path_of(step)
        run = _Run(self, [value for _, _, value in steps[0].picks])
        observed = Observed()
        for each in steps[1:]:
            observed.read(run.kernel, [process for process, _ in run.kernel.processes])
            run.fire(run.waits[each.part][each.position], [value for _, _, value in each.picks])
            run.read()
        observed.read(run.kernel, [process for process, _ in run.kernel.processes])
        return str(observed.grown() or "")

    def _run_to(self, step: Step) -> "_Run":
        if self._live is not None:
            *came_by, run = self._live
            self._live = None
            if came_by == [step.parent, step.part, step.position, step.picks]:
                return run
        steps = _path_of(step)
        run = _Run(self, [value for _, _, value in steps[0].picks])
        for each in steps[1:]:
            if each.ended is None:
                # The first to come this way must look which delay stands at the position.
                delay = run.waits_of(each.part)[each.position]
                each.ended = (delay.label, delay.serial)
            else:
                delay = run.named(each.ended)
            run.fire(delay, [value for _, _, value in each.picks])
        run.read()
        return run


def _path_of(step: Step) -> list[Step]:
    steps = []
    at: Step | None = step
    while at is not None:
        steps.append(at)
        at = at.parent
    return steps[::-1]


class _Run:
    """One run, at one of its stable moments."""

    def __init__(self, model: DenseModel, script: Iterable[int]) -> None:
        self.model = model
        self.kernel = DenseKernel(
            in_parts=model.in_parts, left_out=model.left_out, counts_events=False
        )
        self.watches = [make() for make in model.watches]
        self.stopwatches = [make() for make in model.stopwatches]
        self._stop_observing = self.kernel.observe(self._on_record)
        self._own_observer = self.kernel._observers[0]
        self._noted: set[str] = set()
        self._footprint: frozenset[str] = frozenset()
        self._readings: dict[int, bool] = {}
        self._started: set[int] = set()
        self._broken_before: set[int] = set()
        self.kernel.script.begin(script)
        self.kernel.note_own_names()
        self.done = model.build(self.kernel)
        self.kernel.seal()
        self.kernel.settle()
        model.runs += 1
        components = [each.name for each in self.kernel.components]
        self.part_names = (
            *(components if model.in_parts else [EVERYTHING]),
            *(each.name for each in self.watches if model.in_parts),
            *(each.name for each in self.stopwatches),
        )
        assert len(set(self.part_names)) == len(self.part_names), self.part_names
        self._number_of = {name: part for part, name in enumerate(self.part_names)}
        self._first_stopwatch = len(self.part_names) - len(self.stopwatches)
        self.waits: list[list[Pending]] = [[] for _ in self.part_names]
        self._waits_before = self.waits
        self.forms: list[int] = [-1] * len(self.part_names)
        self._forms_before = self.forms
        self._settle_watches()
        self.read()
        self._waits_before = [[] for _ in self.part_names]
        self._forms_before = [-1] * len(self.part_names)
        self._fired_part = -1

    # Going on.

    def named(self, name: tuple[str, int]) -> Pending:
        """Return the pending delay of this name."""
        return self.kernel.pending[name]

    def fire(self, delay: Pending, script: Iterable[int]) -> None:
        """End a delay, with these answers to what is asked."""
        self._waits_before, self._forms_before = self.waits, self.forms
        self._noted.clear()
        self._readings.clear()
        self._started.clear()
        # What was broken before is no news, and no doing of the parts that this event enters.
        self._broken_before = {at for at, watch in enumerate(self.watches) if watch.fault}
        self.kernel.footprint.clear()
        self.kernel.script.begin(script)
        self.kernel.fire(delay)
        # Taken before anything is read for comparison, which enters every component.
        self._footprint = frozenset(self.kernel.footprint)
        self.model.events_run += 1
        self._settle_watches()

    def _on_record(self, record: Record) -> None:
        index = self.kernel.records_count - 1
        for watch in self.watches:
            if watch.reads(record):
                self._noted.add(watch.name)
                watch.step(index, record)
        for number, stopwatch in enumerate(self.stopwatches):
            was_running = stopwatch.is_running
            mark = stopwatch.mark(record)
            if mark == "start":
                self._noted.add(stopwatch.name)
                self._started.add(number)
            elif mark == "stop":
                self._noted.add(stopwatch.name)
                if was_running:
                    self._readings[number] = number in self._started

    def _settle_watches(self) -> None:
        for watch in self.watches:
            watch.settle()

    # Reading the moment.

    def waits_of(self, part: int) -> list[Pending]:
        """Return the pending delays of one part, in order."""
        rooted = self._processes()
        reader = self._reader(rooted)
        reader.read(*self._roots(rooted)[part])
        return list(reader.delays)  # type: ignore[arg-type]

    def _reader(self, rooted: dict[str, list[Process]]) -> Reader:
        kernel = self.kernel
        named = [*kernel.components, *kernel.absent] if self.model.in_parts else []
        owners = {id(each): each.name for each in named}
        names: dict[int, Form] = {
            id(process): (owner, number)
            for owner, processes in rooted.items()
            for number, process in enumerate(processes)
        }
        return Reader(owners, names, self.model._tokens)

    def read(self) -> None:
        """Read the forms of all parts, and forget the delays that nobody can wait for."""
        kernel, model = self.kernel, self.model
        rooted = self._processes()
        reader = self._reader(rooted)
        forms: list[int] = []
        waits: list[list[Pending]] = []
        for part, things in self._roots(rooted):
            form = reader.read(part, things)
            if not model.in_parts:
                form = (form, *[watch.key() for watch in self.watches])
            forms.append(model.number_of(form, len(reader.delays)))
            waits.append(list(reader.delays))  # type: ignore[arg-type]
        model._outside.check()
        kernel.insist_on_own_names()
        if model.in_parts:
            forms += [model.number_of(("watch", each.name, each.key()), 0) for each in self.watches]
        forms += [model.number_of(("stopwatch", each.is_running), 0) for each in self.stopwatches]
        waits += [[] for _ in range(len(forms) - len(waits))]
        self.forms, self.waits = forms, waits
        kernel.keep_pending(delay for each in waits for delay in each)

    def _processes(self) -> dict[str, list[Process]]:
        rooted: dict[str, list[Process]] = {}
        for process, owner in self.kernel.processes:
            if self.model.in_parts and owner is None:
                raise HomelessProcessError(_where(process)[0])
            rooted.setdefault(owner or EVERYTHING, []).append(process)
        for processes in rooted.values():
            # Processes are ordered by where they stand, so that the order of creation
            # matters only among those that stand at the same place.
            processes.sort(key=_where)
        return rooted

    def _roots(self, rooted: dict[str, list[Process]]) -> list[tuple[str, list[Any]]]:
        if self.model.in_parts:
            return [
                (each.name, [each, *rooted.get(each.name, ())]) for each in self.kernel.components
            ]
        others = [each for each in self.kernel._observers if each is not self._own_observer]
        return [
            (EVERYTHING, [*rooted.get(EVERYTHING, ()), *others, self.done, self.kernel.outside])
        ]

    # Telling what has happened.

    def _entered(self) -> list[int]:
        entered = {self._number_of[name] for name in self._noted if name in self._number_of}
        if self.model.in_parts:
            entered |= {self._number_of[name] for name in self._footprint}
        else:
            entered.add(0)
        # Whatever has changed was entered, even if by a way that leaves no footprint.
        entered |= {
            part for part, form in enumerate(self.forms) if form != self._forms_before[part]
        }
        return sorted(entered)

    def outcome(self) -> Outcome:
        """Return what the last event has done."""
        self.read()
        after = tuple(
            PartAfter(part, self.forms[part], self._origins(part)) for part in self._entered()
        )
        return Outcome(
            picks=self.kernel.script.taken(),
            after=after,
            is_last=self.is_over,
            faults=tuple(
                (watch.name, watch.fault)
                for number, watch in enumerate(self.watches)
                if watch.fault and number not in self._broken_before
            ),
            readings=tuple(
                (self._first_stopwatch + number, is_started)
                for number, is_started in self._readings.items()
            ),
        )

    @property
    def is_over(self) -> bool:
        """Whether the event with which the run ends has been processed."""
        return self.done is not None and self.done.callbacks is None

    def _origins(self, part: int) -> tuple[Wait, ...]:
        before = self._waits_before[part]
        old = {id(delay) for waits in self._waits_before for delay in waits}
        origins = []
        for delay in self.waits[part]:
            if id(delay) not in old:
                origins.append(Wait(-1, delay.span.lo_ns, delay.span.hi_ns))
            elif any(delay is each for each in before):
                origins.append(Wait(before.index(delay), 0, 0))
            else:
                raise SharedStateError(f"delay {delay.label}", self.part_names[part], "another")
        return tuple(origins)

    def moment(self, ended: Pending | None) -> Moment:
        """Return the last event in terms of this run."""
        self.read()
        entered = self._entered()
        old = {id(delay) for waits in self._waits_before for delay in waits}
        return Moment(
            ended=None if ended is None else (ended.label, ended.serial),
            begun=tuple(
                ((delay.label, delay.serial), delay.span.lo_ns, delay.span.hi_ns)
                for part in entered
                for delay in self.waits[part]
                if id(delay) not in old
            ),
            entered=tuple(entered),
            overtaken=tuple(
                (delay.label, delay.serial)
                for part in entered
                for delay in self._waits_before[part]
                if delay is not ended
            ),
            let_go=tuple(
                (delay.label, delay.serial)
                for waits in self._waits_before
                for delay in waits
                if delay is not ended and (delay.label, delay.serial) not in self.kernel.pending
            ),
            picks=self.kernel.script.taken(),
        )


def _where(process: Process) -> tuple[str, int]:
    body: Any = process._generator
    frame = body.gi_frame
    return body.__qualname__, -1 if frame is None else frame.f_lasti
