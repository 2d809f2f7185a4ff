"""One run of a model, event by event: its states, and what each event does to it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simpy.events import Process

from ..base.errors import QuiesceError
from .dense_kernel import Pending
from .encoder import Encoder, SharedStateError
from .interning import Fingerprint
from .step import EVERYTHING, DelayName, Mark, Moment, PartAfter, Step, Wait
from .transition import Monitor, Transition

if TYPE_CHECKING:
    from .transition_system import TransitionSystem

Script = tuple[int, ...]
"""Answers to what an event asks, in order."""


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


class ModelRun:
    """One run of a model, at one of its stable moments.

    Attributes:
        waits: The pending delays of each part.
        fingerprints: The fingerprint of each part, the instant being over.
    """

    def __init__(self, system: "TransitionSystem", script: Iterable[int]) -> None:
        self.system = system
        self.kernel = kernel = system.make_kernel(pinned=system.pinned)
        self.monitors: list[Monitor] = [make() for make in system.monitors]
        self._open_monitors: list[Monitor] | None = None
        kernel.observe(self._on_record)
        self._own_observer = kernel._observers[0]
        self._marks: list[Mark] = []
        self._noted: set[int] = set()
        self._footprint: frozenset[str] = frozenset()
        self._ended: Pending | None = None
        self._is_judged = False
        self.step: Step | None = None
        kernel.script.begin(script)
        kernel.note_own_names()
        self.done = system.build(kernel)
        kernel.seal()
        kernel.settle()
        system.runs += 1
        self.part_names = self._part_names()
        self._number_of = {name: part for part, name in enumerate(self.part_names)}
        self.waits: list[list[Pending]] = [[] for _ in self.part_names]
        self.fingerprints = [-1] * len(self.part_names)
        self._waits_before, self._fingerprints_before = self.waits, self.fingerprints

    def _part_names(self) -> tuple[str, ...]:
        if not self.kernel.in_parts:
            return (EVERYTHING,)
        names = [each.name for each in (*self.kernel.components, *self.monitors)]
        assert len(set(names)) == len(names), names
        return tuple(names)

    # Going on.

    def stand(self, step: Step, *, at_once: bool) -> None:
        """Be where a path leads that this run has come along; what has happened is no news.

        Args:
            step: End of the path.
            at_once: Whether the next event is to come at the instant of the last one.
        """
        self.step = step
        if not at_once:
            self._settle()
        if step.names is None:
            self.look()
        else:
            self.waits = [[self.kernel.pending[name] for name in step.names]]
            self.kernel.keep_pending(self.waits[0])
        for monitor in self.monitors:
            monitor.broken()

    def reopen(self) -> None:
        """Go back to before the judgement on the instant."""
        assert self._open_monitors is not None, "something waits for the end of the instant"
        self.monitors = self._open_monitors
        self._is_judged = False

    def fire(self, delay: Pending, script: Iterable[int], *, at_once: bool) -> None:
        """End a delay, with these answers to what is asked."""
        if not at_once:
            self._settle()
        self._waits_before, self._fingerprints_before = self.waits, self.fingerprints
        # Invariant: what follows tells of this event alone.
        self._ended = delay
        self._is_judged = False
        self._open_monitors = None
        self._marks, self._noted = [], set()
        self.kernel.footprint.clear()
        self.kernel.script.begin(script)
        self.kernel.fire(delay, at_once=at_once)
        # Taken before anything is read for comparison, which enters every component.
        self._footprint = frozenset(self.kernel.footprint)
        self.system.events_run += 1

    def _on_record(self, record: Any) -> None:
        index = self.kernel.records_count - 1
        self._marks += self.system.marks_of(record)
        for number, monitor in enumerate(self.monitors):
            if monitor.reads(record):
                self._noted.add(number)
                monitor.step(index, record)

    def _settle(self) -> None:
        if not self._is_judged:
            self._is_judged = True
            for monitor in self.monitors:
                monitor.settle()

    # Reading the moment.

    def look(self) -> None:
        """Read the present moment, so that the next event can be told in terms of it."""
        fingerprints = self.read()
        # Only with one clock for all parts can an instant go on after this.
        if self.kernel.in_parts:
            self._settle()
            self.fingerprints = self._numbered(fingerprints)

    def read(self) -> list[Fingerprint]:
        """Return the fingerprints of the model's parts, and forget delays that nothing awaits."""
        kernel = self.kernel
        rooted = self._processes()
        named = [*kernel.components, *kernel.absent] if kernel.in_parts else []
        names: dict[int, Fingerprint] = {
            id(process): (owner, at) if kernel.in_parts else at
            for owner, processes in rooted.items()
            for at, process in enumerate(processes)
        }
        encoder = Encoder({id(each): each.name for each in named}, names, self.system.tokens)
        fingerprints, waits = [], []
        for part, things in self._roots(rooted):
            fingerprints.append(encoder.encode(part, things))
            waits.append(list(encoder.delays))
        self.system.outside.check()
        kernel.insist_on_own_names()
        waits += [[] for _ in range(len(self.part_names) - len(waits))]
        self.waits = waits  # type: ignore[assignment]  # the delays of this kernel are `Pending`
        kernel.keep_pending(delay for each in waits for delay in each)
        return fingerprints

    def _processes(self) -> dict[str, list[Process]]:
        rooted: dict[str, list[Process]] = {}
        for process, owner in self.kernel.processes:
            if self.kernel.in_parts and owner is None:
                raise HomelessProcessError(_where(process)[0])
            rooted.setdefault(owner or EVERYTHING, []).append(process)
        for processes in rooted.values():
            # Processes are ordered by where they stand, so that the order of creation
            # matters only among those that stand at the same place.
            processes.sort(key=_where)
        return rooted

    def _roots(self, rooted: Mapping[str, list[Process]]) -> list[tuple[str, list[Any]]]:
        kernel = self.kernel
        if kernel.in_parts:
            return [(each.name, [each, *rooted.get(each.name, ())]) for each in kernel.components]
        others = [each for each in kernel._observers if each is not self._own_observer]
        return [(EVERYTHING, [*rooted.get(EVERYTHING, ()), *others, self.done, kernel.outside])]

    def attributes(self) -> list[tuple[str, dict[str, Fingerprint]]]:
        """Return the fingerprints of the attributes of all components."""
        found = []
        owners = {id(each): each.name for each in self.kernel.enrolled}
        for component in self.kernel.enrolled:
            encoder = Encoder(owners, {}, self.system.tokens)
            fingerprints = {
                name: encoder.encode(component.name, [value])
                for name, value in vars(component).items()
            }
            found.append((component.name, fingerprints))
        return found

    # Telling what has happened.

    def transition(self, part: int, position: int, *, at_once: bool) -> Transition:
        """Return what the last event has done; judges the instant.

        Args:
            part: Whose delay has ended, or -1 at the beginning of the run.
            position: Which of its delays has ended, or -1.
            at_once: Whether it did so at the instant of the event before.
        """
        # The fingerprint is read before the instant is judged: an open moment has not been judged.
        model_fingerprints = self.read()
        hurried = self._broken()
        is_last = self.done is not None and self.done.callbacks is None
        open_fingerprint = -1 if is_last else self._open_fingerprint(model_fingerprints)
        self._settle()
        self.fingerprints = self._numbered(model_fingerprints)
        is_at_end = is_last or not any(self.waits)
        picks = self.kernel.script.taken()
        step = Step(self.step, part, position, picks, at_once=at_once)
        if self._ended is not None:
            step.ended = (self._ended.label, self._ended.serial)
        if not self.kernel.in_parts:
            step.names = tuple(map(_name, self.waits[0]))
        self.step = step
        return Transition(
            picks=picks,
            after=tuple(
                PartAfter(each, self.fingerprints[each], self._origins(each))
                for each in self._entered()
            ),
            open_fingerprint=open_fingerprint,
            marks=tuple(self._marks),
            hurried=hurried,
            faults=hurried + self._broken(),
            tested=frozenset().union(*[each.tested() for each in self.monitors]),
            endings=tuple(
                each for monitor in self.monitors for each in monitor.endings()
            ) if is_at_end else (),
            is_last=is_last,
            label="" if self._ended is None else self._ended.label,
            step=step,
        )  # fmt: skip

    def _broken(self) -> tuple[tuple[str, str], ...]:
        return tuple([fault for monitor in self.monitors for fault in monitor.broken()])

    def _open_fingerprint(self, model_fingerprints: Sequence[Fingerprint]) -> int:
        """Return the fingerprint of the open moment, and keep its monitors; -1 if there is none."""
        waiting = [monitor.open_key() for monitor in self.monitors]
        if all(each is None for each in waiting):
            return -1
        assert not self.kernel.in_parts, "an open instant needs one clock for all parts"
        self._open_monitors = [monitor.copy() for monitor in self.monitors]
        fingerprint = (model_fingerprints[0], self._keys(), tuple(waiting))
        return self.system.number_of(fingerprint, len(self.waits[0]))

    def _keys(self) -> tuple[Any, ...]:
        return tuple([monitor.key() for monitor in self.monitors])

    def _numbered(self, model_fingerprints: Sequence[Fingerprint]) -> list[int]:
        """Return the numbers of the fingerprints of all parts, the instant being over."""
        number_of = self.system.number_of
        if not self.kernel.in_parts:
            return [number_of((model_fingerprints[0], self._keys()), len(self.waits[0]))]
        fingerprints = [
            number_of(fingerprint, len(self.waits[at]))
            for at, fingerprint in enumerate(model_fingerprints)
        ]
        keys = zip(self.monitors, self._keys(), strict=True)
        return fingerprints + [number_of(("monitor", each.name, key), 0) for each, key in keys]

    def _entered(self) -> list[int]:
        if not self.kernel.in_parts:
            return [0]
        first_monitor = len(self.kernel.components)
        entered = {first_monitor + number for number in self._noted}
        entered |= {self._number_of[name] for name in self._footprint}
        # A part that has changed was entered, even if by a way that leaves no footprint.
        entered |= {
            part
            for part, fingerprint in enumerate(self.fingerprints)
            if fingerprint != self._fingerprints_before[part]
        }
        return sorted(entered)

    def _origins(self, part: int) -> tuple[Wait, ...]:
        before = {id(delay): at for at, delay in enumerate(self._waits_before[part])}
        old = {id(delay) for waits in self._waits_before for delay in waits}
        origins = []
        for delay in self.waits[part]:
            if id(delay) in before:
                origins.append(Wait(before[id(delay)], 0, 0))
            elif id(delay) in old:
                raise SharedStateError(f"delay {delay.label}", self.part_names[part], "another")
            else:
                origins.append(Wait(-1, delay.span.lo_ns, delay.span.hi_ns))
        return tuple(origins)

    def moment(self, ended: Pending | None, step: Step) -> Moment:
        """Return the last event in terms of this run, after `look`."""
        entered = self._entered()
        old = {id(delay) for waits in self._waits_before for delay in waits}
        overtaken = [
            delay for part in entered for delay in self._waits_before[part] if delay is not ended
        ]
        let_go = [
            delay
            for waits in self._waits_before
            for delay in waits
            if delay is not ended and _name(delay) not in self.kernel.pending
        ]
        return Moment(
            ended=None if ended is None else _name(ended),
            begun=tuple(
                (_name(delay), delay.span.lo_ns, delay.span.hi_ns)
                for part in entered
                for delay in self.waits[part]
                if id(delay) not in old
            ),
            entered=tuple(entered),
            overtaken=tuple(map(_name, overtaken)),
            let_go=tuple(map(_name, let_go)),
            picks=self.kernel.script.taken(),
            at_once=step.at_once,
        )


def _name(delay: Pending) -> DelayName:
    return delay.label, delay.serial


def _where(process: Process) -> tuple[str, int]:
    body: Any = process._generator
    frame = body.gi_frame
    return body.__qualname__, -1 if frame is None else frame.f_lasti
