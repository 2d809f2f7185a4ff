"""The messages of a vdev's life come in the documented order, and threads in their time."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import AfterPlan, EndPlan, SystemPlan
from quiesce.model.trace.events import (
    CallbackBegun,
    ControlMessageSent,
    GuestEnded,
    RequestCompleted,
    Trace,
    VmStarted,
    WorkerEnded,
)

PlanMaker = Callable[..., SystemPlan]

BIRTH = ["OPTIONS_START", "OPTIONS_END"]
LIVING = ["GUEST_CONFIGURED", "GUEST_STARTING"]
VDEVS = ("blk", "net", "con", "rng", "shm")
LATE = AfterPlan("RequestCompleted", source="qvm178.blk", count=4)

LIVES: list[tuple[str, str, list[str]]] = [
    ("pci", "sigquit", [*BIRTH, "PCI_BARS", *LIVING, "TERMINATE"]),
    ("mmio", "sigquit", [*BIRTH, "GEN_FDT", *LIVING, "TERMINATE"]),
    ("pci", "guest-shutdown", [*BIRTH, "PCI_BARS", *LIVING, "TERMINATE"]),
    ("mmio", "sigterm-x86", [*BIRTH, "GEN_FDT", *LIVING, "BUTTON", "TERMINATE"]),
    ("mmio", "sigsegv", [*BIRTH, "GEN_FDT", *LIVING]),
    ("mmio", "sigkill", [*BIRTH, "GEN_FDT", *LIVING]),
    ("mmio", "back-end-missing", [*BIRTH, "GEN_FDT", "GUEST_CONFIGURED", "TERMINATE"]),
]


def life(make: PlanMaker, transport: str, cause: str) -> Trace:
    is_early = cause == "back-end-missing"
    end = EndPlan(cause, exactly(0), None if is_early else LATE)
    return run(make(transport=transport, vm={"end": end}, observe=exactly(100_000)), Nominal())


def messages(trace: Trace) -> list[tuple[str, str]]:
    found = [r.event for r in trace.records if isinstance(r.event, ControlMessageSent)]
    return [(event.vdev.removeprefix("qvm178."), event.message) for event in found]


@pytest.mark.parametrize(("transport", "cause", "expected"), LIVES)
def test_every_vdev_gets_its_messages_in_order(
    walk_system: PlanMaker, transport: str, cause: str, expected: list[str]
) -> None:
    received = messages(life(walk_system, transport, cause))
    for vdev in VDEVS:
        assert [message for name, message in received if name == vdev] == expected


def test_a_phase_begins_when_the_one_before_is_over_for_all(walk_system: PlanMaker) -> None:
    """Configuration runs on one thread: no vdev is configured before all have their options."""
    received = [message for _, message in messages(life(walk_system, "pci", "sigquit"))]
    phases = ("OPTIONS_END", "PCI_BARS", "GUEST_CONFIGURED", "GUEST_STARTING", "TERMINATE")
    for earlier, later in pairwise(phases):
        last = max(place for place, word in enumerate(received) if word == earlier)
        assert last < received.index(later)


def test_the_guest_runs_after_the_last_configuration_and_is_gone_before_the_end(
    walk_system: PlanMaker,
) -> None:
    trace = life(walk_system, "mmio", "sigquit")
    kinds = [type(record.event) for record in trace.records]
    words = [getattr(record.event, "message", "") for record in trace.records]
    assert max(n for n, word in enumerate(words) if word == "GUEST_STARTING") < kinds.index(
        VmStarted
    )
    assert kinds.index(VmStarted) < kinds.index(RequestCompleted)
    assert kinds.index(GuestEnded) < words.index("TERMINATE")


def test_a_cancelled_worker_runs_on_until_it_is_gone(walk_system: PlanMaker) -> None:
    """pthread_cancel asks; only a join says that the thread is gone."""
    manners = {}
    for step in ("cancel-worker", "join-worker"):
        vm = {"end": EndPlan("sigquit", exactly(0), LATE)}
        trace = run(walk_system(steps=((step, 0),), vm=vm), Nominal())
        callbacks = [r.at_ns for r in trace.records if isinstance(r.event, CallbackBegun)]
        ended = [r for r in trace.records if isinstance(r.event, WorkerEnded)]
        manners[step] = {r.event.manner for r in ended}  # type: ignore[union-attr]
        waited = callbacks[1] - callbacks[0]
        assert (waited == 0) == (step == "cancel-worker")
    assert manners == {"cancel-worker": {"killed"}, "join-worker": {"joined"}}
