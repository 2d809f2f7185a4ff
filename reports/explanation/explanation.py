"""Explains in three to six sentences why a run went wrong and what would have saved it.

The module derives from the trace what happened. Reports make no runs: the change that saves the run
and the point of no return come from `scenarios/explain`, as plain data.
"""

import msgspec

from ...model.trace import events
from ...model.trace.events import NO_CAUSE, Trace
from ...properties.core.verdict import Judgement, Severity
from ..core.clauses import RecordTimes
from ..core.culprit import Culprit, culprit_of, main_finding
from ..core.findings import READS, WRITES
from ..core.words import EXACT, about_ns
from .causal_slice import CausalSlice, slice_of_culprit
from .why import sentence
from .why_iommu import iommu_clauses
from .why_irq import interrupt_deed
from .why_stop import Deed, stop_clauses
from .why_write import write_deed

__all__ = ["Explanation", "LastChance", "NoReturn", "SavingChange", "explain"]


class SavingChange(msgspec.Struct, frozen=True):
    """A change that saves the run; it was tried in this timing and in others.

    Attributes:
        text: What to do, as an instruction without a full stop.
        kind: How far it reaches: `bound`, `timeout`, `step`, `order`, `procedure`, `procedures`,
            `callback`, `software`, `pause`, `signal`, `iommu`, `environment` or `device`.
        amount_ns: How much longer or shorter something takes; 0 for any other change.
        is_entire: Whether the change leaves no property violated.
        timings: In how many other timings it was tried; none of them had a violation.
        still_violated: What the change leaves violated, if it is not entire.
        keeps_memory: Whether the host then keeps guest memory for good that was returned before.
        kept_timings: In how many of the other timings the host keeps guest memory for good.
        starts_less: Whether an instance that started before no longer starts.
    """

    text: str
    kind: str
    amount_ns: int
    is_entire: bool
    timings: int
    still_violated: tuple[str, ...] = ()
    keeps_memory: bool = False
    kept_timings: int = 0
    starts_less: bool = False

    @property
    def has_cost(self) -> bool:
        """Whether the host keeps memory for good, or an instance does not start."""
        return self.keeps_memory or self.starts_less


class RefutedProcedure(msgspec.Struct, frozen=True):
    """The documented procedure, if it saves this run but not every other timing.

    Attributes:
        text: The procedure, as an instruction without a full stop.
        held: In how many timings it held before a timing refuted it.
        violated: Names of the properties violated in that timing.
    """

    text: str
    held: int
    violated: tuple[str, ...]


class LastChance(msgspec.Struct, frozen=True):
    """The last instant before which an act would have prevented the violation.

    Attributes:
        act: `silence`, `cut` or `withhold`.
        target: The component that is silenced or cut, or the VM that withholds.
        too_late_ns: The act helps before this instant and not from it on.
        tried_ns: The last instant at which the act was tried and helped.
    """

    act: str
    target: str
    too_late_ns: int
    tried_ns: int


class NoReturn(msgspec.Struct, frozen=True):
    """The point of no return.

    Attributes:
        at_ns: From this instant on no act of qvm helps.
        is_exit: Whether this is only because qvm had exited.
        chances: Each act that would have helped, with its time.
    """

    at_ns: int
    is_exit: bool
    chances: tuple[LastChance, ...]


class Explanation(msgspec.Struct, frozen=True):
    """Why a run went wrong.

    Attributes:
        property: Name of the violated property.
        severity: Severity of the violation that is explained.
        index: Index of its record.
        at_ns: Its instant.
        actor: The device, vdev or process that did it; empty if no single one did.
        vm: The VM for whose epoch it was done.
        epoch: That epoch.
        late_by_ns: How long after the release or detach it came; None without either.
        sentences: The explanation, three to six of them.
        slice: What led to it, as a graph.
        saving: The recommended change; None if no change survives the other timings.
        documented: The documented procedure, if it saves the run as well.
        refuted: The documented procedure, if some other timing refutes it.
        tried: How many changes were tried; 0 if no search was made.
        runs: How many runs the search made.
        was_cut: Whether the search stopped at its bound.
        no_return: The point of no return; None if no act of qvm would have helped.
    """

    property: str
    severity: Severity
    index: int
    at_ns: int
    actor: str
    vm: str
    epoch: int
    late_by_ns: int | None
    sentences: tuple[str, ...]
    slice: CausalSlice
    saving: SavingChange | None = None
    documented: SavingChange | None = None
    refuted: RefutedProcedure | None = None
    tried: int = 0
    runs: int = 0
    was_cut: bool = False
    no_return: NoReturn | None = None

    def text(self) -> str:
        """Return the sentences as one paragraph."""
        return " ".join(self.sentences)


class RerunResults(msgspec.Struct, frozen=True):
    """The results of running the scenario again; the fields are those of `Explanation`."""

    saving: SavingChange | None = None
    documented: SavingChange | None = None
    refuted: RefutedProcedure | None = None
    tried: int = 0
    runs: int = 0
    was_cut: bool = False
    no_return: NoReturn | None = None


def explain(
    trace: Trace, judgement: Judgement, tried: RerunResults | None = None
) -> Explanation | None:
    """Return why the worst violation came about; None if nothing is violated.

    Args:
        trace: The records of the run.
        judgement: The verdicts on it.
        tried: The results of running again; None if no search was made.
    """
    finding = main_finding(trace, judgement)
    if finding is None:
        return None
    culprit = culprit_of(trace, finding)
    found = tried or RerunResults()
    graph = slice_of_culprit(trace, culprit)
    sentences = [
        _deed(culprit),
        _in_flight(trace, culprit, graph),
        _not_stopped(trace, culprit),
        _released(trace, culprit),
        _saving(found, culprit) if tried is not None else "",
        _no_return(found.no_return) if tried is not None else "",
    ]
    violation = culprit.violation
    return Explanation(
        property=culprit.property,
        severity=violation.severity,
        index=violation.index,
        at_ns=violation.at_ns,
        actor=culprit.actor,
        vm=culprit.vm,
        epoch=culprit.epoch,
        late_by_ns=graph.late_by_ns,
        sentences=tuple(sentence for sentence in sentences if sentence),
        slice=graph,
        **msgspec.structs.asdict(found),
    )


def _sentence(text: str) -> str:
    return f"{text}."


def _at(at_ns: int) -> str:
    return about_ns(at_ns, EXACT)


def _deed(culprit: Culprit) -> str:
    violation = culprit.violation
    return _sentence(f"At {_at(violation.at_ns)} {violation.message}")


def _in_flight(trace: Trace, culprit: Culprit, graph: CausalSlice) -> str:
    """Return how the write or interrupt began, and where it was when the limit came."""
    deeds = [node for node in graph.nodes if node.role == "deed"]
    if not deeds or not isinstance(
        trace.records[culprit.violation.index].event,
        (*WRITES, *READS, events.IrqTaken),
    ):
        return ""
    stages = "; ".join(f"at {_at(node.at_ns)} {node.text}" for node in deeds[-3:])
    is_read = isinstance(trace.records[culprit.violation.index].event, READS)
    what = "The read" if is_read else "The write" if culprit.owner is not None else "The interrupt"
    if culprit.limit == NO_CAUSE:
        return _sentence(f"{what} came about like this: {stages}")
    limit_ns = trace.records[culprit.limit].at_ns
    before = [node for node in deeds if node.at_ns < limit_ns]
    if not before:
        stage = "nothing of it was under way yet"
    elif len(before) == len(deeds) and not is_read:
        stage = "it was in flight, past every gate of the device"
    else:
        stage = f"it had come as far as: {before[-1].text}"
    return _sentence(
        f"{what} came about like this: {stages}; at the {_limit(trace, culprit)} {stage}"
    )


def _limit(trace: Trace, culprit: Culprit) -> str:
    record = trace.records[culprit.limit]
    word = "detach" if isinstance(record.event, events.IrqDetached) else "release"
    return f"{word} at {_at(record.at_ns)}"


def _not_stopped(trace: Trace, culprit: Culprit) -> str:
    """Return what was done, or not done, to stop the actor and its writes."""
    if not culprit.actor:
        return ""
    times = RecordTimes(trace)
    index = culprit.violation.index
    event = trace.records[index].event
    if isinstance(event, (*WRITES, *READS)):
        deed = write_deed(times, index)
        return sentence((*stop_clauses(times, deed), *iommu_clauses(times, deed)))
    if isinstance(event, events.IrqTaken):
        return sentence(tuple(stop_clauses(times, interrupt_deed(times, index))))
    deed = Deed(index, culprit.actor, culprit.epoch, index, index, "the violation")
    return sentence(tuple(stop_clauses(times, deed)))


def _released(trace: Trace, culprit: Culprit) -> str:
    """Return which process ended and what it gave back, with instants."""
    words = []
    first_release_ns = -1
    for record in trace.records[: culprit.violation.index + 1]:
        event = record.event
        if getattr(event, "epoch", NO_CAUSE) != culprit.epoch:
            continue
        at = _at(record.at_ns)
        if isinstance(event, events.TerminationBegun):
            words.append(f"qvm of {event.vm} began to end ({event.cause}) at {at}")
        elif isinstance(event, events.FramesReleased) and first_release_ns < 0:
            first_release_ns = record.at_ns
            words.append(f"returned its first frame at {at}")
    if culprit.limit != NO_CAUSE:
        record = trace.records[culprit.limit]
        if isinstance(record.event, events.IrqDetached):
            words.append(f"detached from irq {record.event.intid} at {_at(record.at_ns)}")
        elif record.at_ns != first_release_ns:
            words.append(f"returned this frame at {_at(record.at_ns)}")
    owner = culprit.owner
    if owner is not None and owner.epoch > 0:
        words.append(f"and epoch {owner.epoch} of {owner.vm} received it at {_at(owner.since_ns)}")
    return _sentence(", ".join(words)) if words else ""


def _saving(found: RerunResults, culprit: Culprit) -> str:
    """Return the recommended change, and the result of the documented procedure."""
    count = "1 change was" if found.tried == 1 else f"{found.tried} changes were"
    ran = f"{count} tried in {found.runs} runs"
    if found.was_cut:
        ran += ", then the search stopped at its bound"
    return " ".join(
        _sentence(text) for text in (*_recommended(found, culprit, ran), *_procedure(found))
    )


def _recommended(found: RerunResults, culprit: Culprit, ran: str) -> list[str]:
    saving = found.saving
    if saving is None:
        return [f"No change was found that saves the run and other timings as well ({ran})"]
    tried = f"It was tried over {saving.timings} other timings"
    if not saving.is_entire:
        rest = " and ".join(saving.still_violated)
        return [
            f"No change was found that saves the run entirely ({ran})",
            f"The smallest change after which {culprit.property} holds: {_change(saving)}",
            f"{tried}, none violated {culprit.property}; {rest} can still be violated",
        ]
    if saving.has_cost:
        first = f"The smallest change that saves the run, at a cost ({ran}): {_change(saving)}"
    else:
        first = f"The smallest change that saves the run ({ran}): {_change(saving)}"
    return [first, f"{tried}, none violated"]


def _procedure(found: RerunResults) -> list[str]:
    """Return the result of the documented procedure, which is tried before any other change."""
    if found.documented is not None:
        text, timings = found.documented.text, found.documented.timings
        return [f"The documented procedure was tried first and saves {timings} as well: {text}"]
    saving, refuted = found.saving, found.refuted
    if refuted is not None and not (saving and saving.text.startswith(refuted.text)):
        verb = "is" if len(refuted.violated) == 1 else "are"
        return [
            f"The documented procedure was tried first and saves this run ({refuted.text})",
            f"With another timing it does not: {' and '.join(refuted.violated)} {verb} violated",
        ]
    return []


def _change(saving: SavingChange) -> str:
    notes = []
    if saving.keeps_memory:
        notes.append("guest memory is then kept for good")
    elif saving.kept_timings:
        notes.append(
            f"guest memory is then kept for good in {saving.kept_timings} of the other timings"
        )
    if saving.starts_less:
        notes.append("safe only because no next instance starts")
    return f"{saving.text} ({'; '.join(notes)})" if notes else saving.text


_ACTS = {
    "silence": "to silence {target}",
    "cut": "to remove the maps of {target} and sync",
    "withhold": "to withhold the memory of {target}",
}


def _no_return(no_return: NoReturn | None) -> str:
    if no_return is None:
        return (
            "Nothing that was tried during the teardown could have prevented it: to silence the "
            "device, to remove its maps, or to withhold memory."
        )
    acts = ", or ".join(
        f"{_ACTS[chance.act].format(target=chance.target)} before {_at(chance.too_late_ns)}"
        for chance in no_return.chances
    )
    gone = ", when qvm was gone" if no_return.is_exit else ""
    return _sentence(
        f"The point of no return was {_at(no_return.at_ns)}{gone}: it would have been enough {acts}"
    )
