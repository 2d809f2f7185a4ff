"""Draws the life of a VM into lanes: its guest, its process, its memory, its requests."""

from ...model.trace import events
from ..draw.chart import Bar, Mark, Moment
from .drafting import LaneDraft
from .lane_reader import WORKERS, At, LaneReader, Rules

_ENDS = {"crashed": "crashes", "shut_down": "shuts down", "stopped": "is stopped"}


def _vm_started(event: events.VmStarted, reader: LaneReader, at: At) -> None:
    epoch = event.epoch
    guest = reader.book.home(event.vm, "guest")
    guest.begin("guest", epoch, Bar(at.ns, at.ns, "runs", epoch, f"runs (epoch {epoch})"))
    process = reader.book.home(event.vm, "qvm")
    process.begin("process", epoch, Bar(at.ns, at.ns, "runs", epoch, f"epoch {epoch}"))
    if reader.is_restart(event.vm):
        text = f"{event.vm} starts again (epoch {epoch})"
        reader.moments.append(Moment(at.ns, "start", epoch, text))
        supervisor = reader.book.find(event.vm, "supervisor")
        if supervisor is not None:
            label = f"restarts {event.vm}"
            supervisor.mark("restarts", Mark(at.ns, "exit", epoch, at.index, label))


def _guest_ended(event: events.GuestEnded, reader: LaneReader, at: At) -> None:
    guest = reader.book.home(event.vm, "guest")
    guest.end(event.epoch, at.ns)
    words = event.manner.replace("_", " ")
    kind = "crashed" if event.manner == "crashed" else "ended"
    guest.mark("guest", Mark(at.ns, kind, event.epoch, at.index, words))
    text = f"{event.vm} {_ENDS.get(event.manner, words)}"
    reader.moments.append(Moment(at.ns, "end", event.epoch, text))


def _signal_sent(event: events.SignalSent, reader: LaneReader, at: At) -> None:
    mark = Mark(at.ns, "signal", event.epoch, at.index, event.signal)
    reader.book.home(event.vm, "qvm").mark("process", mark)


def _termination_begun(event: events.TerminationBegun, reader: LaneReader, at: At) -> None:
    process = reader.book.home(event.vm, "qvm")
    process.end(event.epoch, at.ns)
    label = f"ends: {event.cause}" + ("" if event.orderly else ", without callbacks")
    bar = Bar(at.ns, at.ns, "ends", event.epoch, label)
    process.begin("process", ("ends", event.epoch), bar)


def _end_not_obeyed(event: events.EndNotObeyed, reader: LaneReader, at: At) -> None:
    words = f"{event.signal or event.cause} not obeyed"
    mark = Mark(at.ns, "signal", event.epoch, at.index, words)
    reader.book.home(event.vm, "qvm").mark("process", mark)


def _qvm_exited(event: events.QvmExited, reader: LaneReader, at: At) -> None:
    process = reader.book.home(event.vm, "qvm")
    process.end(("ends", event.epoch), at.ns)
    process.end(event.epoch, at.ns)
    reader.book.home(event.vm, "guest").end(event.epoch, at.ns)
    mark = Mark(at.ns, "exit", event.epoch, at.index, f"exit {event.status}")
    process.mark("process", mark)
    for lane in reader.queues:
        lane.end_all(("request", event.epoch), at.ns)


def _restart_given_up(event: events.RestartGivenUp, reader: LaneReader, at: At) -> None:
    supervisor = reader.book.find(event.vm, "supervisor")
    if supervisor is not None:
        label = f"{event.vm} is not restarted: {event.reason.replace('_', ' ')}"
        supervisor.mark("restarts", Mark(at.ns, "closed", event.epoch, at.index, label))


def _callback_begun(event: events.CallbackBegun, reader: LaneReader, at: At) -> None:
    lane = reader.book.home(event.vdev, "vdev")
    bar = Bar(at.ns, at.ns, "callback", event.epoch, "TERMINATE")
    lane.begin("callback", ("callback", event.vdev, event.epoch), bar)


def _callback_ended(event: events.CallbackEnded, reader: LaneReader, at: At) -> None:
    lane = reader.book.home(event.vdev, "vdev")
    key = ("callback", event.vdev, event.epoch)
    if event.outcome == "timed_out":
        lane.end(key, at.ns, kind="timed_out", label="TERMINATE timed out")
    else:
        lane.end(key, at.ns)


def _worker_ended(event: events.WorkerEnded, reader: LaneReader, at: At) -> None:
    kind = "killed" if event.manner == "killed" else "joined"
    mark = Mark(at.ns, kind, event.epoch, at.index, f"worker {event.manner}")
    lane = reader.book.find(event.worker, "vdev") or reader.book.home(event.vm, "qvm")
    lane.mark("worker", mark)


def _connection_closed(event: events.ConnectionClosed, reader: LaneReader, at: At) -> None:
    lane = reader.book.home(event.server, "host_driver")
    mark = Mark(at.ns, "closed", event.epoch, at.index, f"{event.vm} disconnected")
    lane.mark("connections", mark)


# Memory.


def _frames_granted(event: events.FramesGranted, reader: LaneReader, at: At) -> None:
    reader.grant(event.vm, event.epoch, event.count, at.ns)


def _frames_released(event: events.FramesReleased, reader: LaneReader, at: At) -> None:
    reader.grant(event.vm, event.epoch, -event.count, at.ns)


def _frames_quarantined(event: events.FramesQuarantined, reader: LaneReader, at: At) -> None:
    lane = reader.book.home("memory", "memory")
    bar = Bar(at.ns, at.ns, "quarantined", event.epoch, f"in quarantine (epoch {event.epoch})")
    lane.begin(f"{event.vm} quarantine", ("quarantine", event.vm, event.epoch), bar)


def _cpu_write_landed(event: events.CpuWriteLanded, reader: LaneReader, at: At) -> None:
    lane = reader.book.home(event.writer, *WORKERS)
    mark = Mark(at.ns, "landed", event.epoch, at.index)
    lane.mark(reader.working(lane, event.epoch), mark)
    reader.mark_memory(mark, event.addr)


def _cpu_read(event: events.CpuRead, reader: LaneReader, at: At) -> None:
    if reader.is_late(event.epoch, event.addr, at.index):
        lane = reader.book.home(event.reader, *WORKERS)
        mark = Mark(at.ns, "read", event.epoch, at.index)
        lane.mark(reader.working(lane, event.epoch), mark)
        reader.mark_memory(mark, event.addr)


# Requests through a vdev.


def _request_submitted(event: events.RequestSubmitted, reader: LaneReader, at: At) -> None:
    lane = _queue_lane(reader, event.vdev)
    bar = Bar(at.ns, at.ns, "request", event.epoch)
    track = reader.track_of(event.epoch)
    lane.begin(track, ("request", event.epoch, event.head), bar)


def _request_completed(event: events.RequestCompleted, reader: LaneReader, at: At) -> None:
    lane = _queue_lane(reader, event.vdev)
    lane.end(("request", event.epoch, event.head), at.ns)
    lane.mark(reader.track_of(event.epoch), Mark(at.ns, "completed", event.epoch, at.index))


def _queue_lane(reader: LaneReader, vdev: str) -> LaneDraft:
    lane = reader.book.find(vdev, "virtqueue") or reader.book.home(vdev, "vdev")
    if lane not in reader.queues:
        reader.queues.append(lane)
    return lane


def _backend_begun(event: events.BackendRequestBegun, reader: LaneReader, at: At) -> None:
    lane = reader.book.home(event.server, "host_driver")
    bar = Bar(at.ns, at.ns, "request", event.epoch)
    track = reader.working(lane, event.epoch)
    lane.begin(track, ("backend", event.epoch, event.operation, at.index), bar)


def _backend_ended(event: events.BackendRequestEnded, reader: LaneReader, at: At) -> None:
    lane = reader.book.home(event.server, "host_driver")
    lane.end_first(("backend", event.epoch, event.operation), at.ns)


VM_RULES: Rules = {
    events.VmStarted: _vm_started,
    events.GuestEnded: _guest_ended,
    events.SignalSent: _signal_sent,
    events.TerminationBegun: _termination_begun,
    events.EndNotObeyed: _end_not_obeyed,
    events.QvmExited: _qvm_exited,
    events.RestartGivenUp: _restart_given_up,
    events.CallbackBegun: _callback_begun,
    events.CallbackEnded: _callback_ended,
    events.WorkerEnded: _worker_ended,
    events.ConnectionClosed: _connection_closed,
    events.FramesGranted: _frames_granted,
    events.FramesReleased: _frames_released,
    events.FramesQuarantined: _frames_quarantined,
    events.CpuWriteLanded: _cpu_write_landed,
    events.CpuRead: _cpu_read,
    events.RequestSubmitted: _request_submitted,
    events.RequestCompleted: _request_completed,
    events.BackendRequestBegun: _backend_begun,
    events.BackendRequestEnded: _backend_ended,
}
"""The rules by type of event."""
