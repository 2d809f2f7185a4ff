"""Published bugs, each on the class of device that had it: its symptom, and what the repair does.

A repaired scenario differs from the broken one in the repair alone.
"""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from quiesce.model.base.choices import Earliest, Latest, Nominal
from quiesce.model.machine.system import run
from quiesce.model.trace.events import (
    DmaBlocked,
    DmaLanded,
    FramesReleased,
    IrqAsserted,
    IrqDeasserted,
    IrqDetached,
    IrqTaken,
    StopConfirmed,
    Trace,
)
from quiesce.model.trace.virtio_events import BufferFreed, StatusRead, StatusWritten
from quiesce.scenarios.format.shipped import shipped_files
from quiesce.scenarios.resolve.library import resolved

TIMINGS = [Nominal, Earliest, Latest]
Timing = type[Nominal | Earliest | Latest]


def trace_of(name: str, timing: Timing = Nominal) -> Trace:
    return run(resolved(name).plan, timing())


def text_of(name: str) -> dict[str, Any]:
    (path,) = [file for file in shipped_files() if file.stem == name]
    return tomllib.loads(Path(path).read_text(encoding="utf-8"))


def differences(broken: dict[str, Any], repaired: dict[str, Any]) -> set[str]:
    """Return the keys in which two scenarios differ, but for what describes them."""
    words = {"description", "expect"}
    return {key for key in {*broken, *repaired} - words if broken.get(key) != repaired.get(key)}


@pytest.mark.parametrize(
    ("name", "repair"),
    [
        ("bug-b52-reset-not-awaited", {"workload"}),
        ("bug-b57-back-to-the-line", {"quiesce"}),
        ("bug-b60-bus-master-left-on", {"quiesce"}),
        ("bug-b31-driver-killed", {"end"}),
    ],
)
def test_broken_and_repaired_differ_in_the_repair_alone(name: str, repair: set[str]) -> None:
    assert differences(text_of(name), text_of(f"{name}-repaired")) == repair


# rcore-os virtio-drivers #69: read back 0 after writing 0.


def frees_and_reset(trace: Trace) -> tuple[list[int], list[int]]:
    """Return the places of buffers freed, and of reads of 0 after the last write of 0."""
    places = list(enumerate(each.event for each in trace.records))
    written = [n for n, event in places if isinstance(event, StatusWritten) and event.value == 0]
    freed = [n for n, event in places if isinstance(event, BufferFreed)]
    read = [
        n
        for n, event in places
        if isinstance(event, StatusRead) and event.value == 0 and n > written[-1]
    ]
    return freed, read


@pytest.mark.parametrize("timing", TIMINGS)
def test_b52_a_virtio_driver_frees_its_memory_before_the_device_says_that_it_is_reset(
    timing: Timing,
) -> None:
    trace = trace_of("bug-b52-reset-not-awaited", timing)
    freed, read = frees_and_reset(trace)
    assert freed, "the driver takes its memory back"
    assert not read, "and has not read the status again"
    later = [each.event for each in trace.records[freed[0] :]]
    assert any(isinstance(event, DmaLanded) for event in later), "the disk still writes it"


@pytest.mark.parametrize("timing", TIMINGS)
def test_b52_repaired_the_driver_waits_for_0_and_nothing_is_written_after_that(
    timing: Timing,
) -> None:
    trace = trace_of("bug-b52-reset-not-awaited-repaired", timing)
    freed, read = frees_and_reset(trace)
    assert read
    assert min(freed) > read[0]
    later = [each.event for each in trace.records[read[0] :]]
    assert not any(isinstance(event, DmaLanded) for event in later)
    events = [each.event for each in trace.records]
    stop = next(n for n, event in enumerate(events) if isinstance(event, StopConfirmed))
    release = next(n for n, event in enumerate(events) if isinstance(event, FramesReleased))
    assert stop < release, "a reset that has come to its end shows that the disk is still"


# QEMU b3e27c3aee8f: a physical function whose messages were disabled.


def taken_after_detach(trace: Trace) -> list[str]:
    """Return how each interrupt was asserted that the host took for an owner that had left."""
    kinds: dict[int, str] = {}
    left: list[int] = []
    found = []
    for record in trace.records:
        event = record.event
        if isinstance(event, IrqAsserted):
            kinds[event.epoch] = event.kind
        elif isinstance(event, IrqDetached):
            left.append(event.epoch)
        elif isinstance(event, IrqTaken) and event.epoch in left:
            found.append(kinds[event.epoch])
    return found


def test_b57_the_line_that_replaces_the_messages_is_taken_by_the_next_owner() -> None:
    assert taken_after_detach(trace_of("bug-b57-back-to-the-line")) == ["level"]


@pytest.mark.parametrize("timing", TIMINGS)
def test_b57_repaired_the_line_is_low_again_before_the_owner_leaves_it(timing: Timing) -> None:
    """It may rise for as long as the two register writes lie apart."""
    trace = trace_of("bug-b57-back-to-the-line-repaired", timing)
    is_high = False
    for record in trace.records:
        match record.event:
            case IrqAsserted(kind="level"):
                is_high = True
            case IrqDeasserted():
                is_high = False
            case IrqDetached():
                break
    assert not is_high
    assert taken_after_detach(trace) == []


# litex_m2sdr #145 and Genode #2631: refused without end.


def refused(trace: Trace) -> int:
    return sum(isinstance(each.event, DmaBlocked) for each in trace.records)


@pytest.mark.parametrize("name", ["bug-b60-bus-master-left-on", "bug-b31-driver-killed"])
@pytest.mark.parametrize("timing", TIMINGS)
def test_b60_and_b31_a_device_that_nobody_stops_is_refused_without_end(
    name: str, timing: Timing
) -> None:
    assert refused(trace_of(name, timing)) > 64, "smmuman keeps 64 records for a client"
    assert refused(trace_of(f"{name}-repaired", timing)) == 0
