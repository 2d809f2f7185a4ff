"""Silence before DRIVER_OK, after resets, when stopped: kept, broken, not due, to the instant."""

from typing import Any

import pytest

from quiesce.model.trace.events import AnyEvent, DmaLanded
from quiesce.model.trace.virtio_events import (
    BufferRead,
    ConfigChanged,
    DescriptorRead,
    DeviceActivated,
    DeviceStopped,
    QueueEnableRead,
    QueueResetCompleted,
    QueueResetWritten,
    SuspendEnded,
    SuspendShown,
)

from .virtio_story import (
    DATA,
    DESC,
    ME,
    VDEV,
    available,
    case,
    enabled,
    live,
    negotiated,
    notified,
    offered,
    reset,
    reset_completed,
    says,
    served,
    status,
    suppressed,
    taken,
    together,
    used,
    used_published,
    verdict,
    written,
)

QUEUE_RESET = [QueueResetWritten(*ME, 0), QueueResetCompleted(*ME, 0)]
READS_0 = QueueEnableRead(*ME, 0, 0)
READS_1 = QueueEnableRead(*ME, 0, 1)
SUSPENDED, RESUMED = SuspendShown(*ME), SuspendEnded(*ME)
STOPPED, ACTIVATED = DeviceStopped(*ME), DeviceActivated(*ME)
NEW: Any = {"version": "1.4"}
MMIO: Any = {"transport": "mmio"}

TABLE = [
    case("N3", "work begins with DRIVER_OK", "holds", live(), available(), served(), notified()),
    case("N3", "chain taken too early", "violated", negotiated(), enabled(), taken()),
    case("N3", "used notification too early", "violated", negotiated(), notified(0)),
    case("N3", "configuration change may be notified", "holds", negotiated(), notified(-1)),
    case("N3", "beginning is not in the trace", "vacuous", taken(), status(15)),
    case("N9", "silent until initialised again", "holds", live(), reset(), live()[1:], taken()),
    case("N9", "used index after the reset", "violated", live(), reset(), used_published(1)),
    case("N9", "notification after the reset", "violated", live(), reset(), notified()),
    case(
        "N9",
        "half initialised is not enough",
        "violated",
        live(),
        reset(),
        negotiated()[1:],
        taken(),
    ),
    case(
        "N9", "notification that has nowhere to go", "holds", live(), reset(), notified(0, "none")
    ),
    case("N9", "driver's own suppression", "holds", live(), reset(), suppressed("driver", "never")),
    case("N9", "no reset ever", "vacuous", live(), available(), served()),
    case("N9", "reset under way is no silence yet", "vacuous", live(), status(0), written()),
    case("N11", "silent until enabled", "holds", live(), QUEUE_RESET, enabled(), taken()),
    case("N11", "request executed all the same", "violated", live(), QUEUE_RESET, written()),
    case("N11", "notification all the same", "violated", live(), QUEUE_RESET, notified()),
    case("N11", "another queue goes on", "holds", live(2), QUEUE_RESET, taken(queue=1)),
    case("N11", "no queue reset", "vacuous", live(), taken()),
    case("N18", "stopped queue stays alone", "holds", live(**MMIO), enabled(value=0), READS_0),
    case(
        "N18",
        "access after it read as 0",
        "violated",
        live(**MMIO),
        enabled(value=0),
        READS_0,
        taken(),
    ),
    case(
        "N18",
        "access while it still reads as 1",
        "holds",
        live(**MMIO),
        enabled(value=0),
        written(),
        READS_1,
        written(),
        READS_0,
    ),
    case(
        "N18",
        "the driver never reads whether it is 0",
        "inconclusive",
        live(**MMIO),
        enabled(value=0),
        written(),
    ),
    case("N18", "queue that was never ready", "violated", live(**MMIO), taken(queue=1)),
    case("N18", "reset makes it not ready", "violated", live(**MMIO), reset(), taken()),
    case("N18", "PCI has no QueueReady", "vacuous", live(), taken(queue=1)),
    case("N47", "suspended device is silent", "holds", live(**NEW), SUSPENDED, RESUMED, taken()),
    case("N47", "notification while suspended", "violated", live(**NEW), SUSPENDED, notified()),
    case(
        "N47",
        "configuration changes while suspended",
        "violated",
        live(**NEW),
        SUSPENDED,
        ConfigChanged(*ME, 2),
    ),
    case("N47", "no driver suspends", "vacuous", live(**NEW), ConfigChanged(*ME, 2)),
    case("N48", "stopped device is silent", "holds", live(**NEW), STOPPED, ACTIVATED, taken()),
    case("N48", "access while stopped", "violated", live(**NEW), STOPPED, used()),
    case(
        "N48",
        "write lands after the command",
        "violated",
        live(**NEW),
        STOPPED,
        DmaLanded(VDEV, 1, DATA, 4, "data"),
    ),
    case(
        "N48",
        "another master's write",
        "holds",
        live(**NEW),
        STOPPED,
        DmaLanded("eth0", 1, DATA, 4, "data"),
    ),
    case("N48", "no driver stops it", "vacuous", live(**NEW), DmaLanded(VDEV, 1, DATA, 4, "data")),
]


@pytest.mark.parametrize(("rule", "word", "steps", "ends_ns"), TABLE)
def test_story_of_the_table_is_judged_as_it_says(
    rule: str, word: str, steps: Any, ends_ns: int
) -> None:
    says(rule, word, steps, ends_ns)


@pytest.mark.parametrize(
    ("order", "word"),
    [
        ((used_published(1), reset_completed()), "holds"),
        ((reset_completed(), used_published(1)), "violated"),
    ],
)
def test_at_the_instant_of_the_reset_the_order_of_the_records_decides(
    order: tuple[AnyEvent, ...], word: str
) -> None:
    assert verdict("N9", live(), status(0), together(*order)).verdict == word


@pytest.mark.parametrize(
    "access",
    [
        DescriptorRead(*ME, 0, DESC),
        taken(),
        BufferRead(*ME, 0, 0, DATA, 16),
        written(),
        used(),
        used_published(1),
        suppressed("device", "never"),
        notified(),
    ],
    ids=lambda event: type(event).__name__,
)
def test_every_kind_of_access_breaks_the_silence_after_a_reset(access: AnyEvent) -> None:
    found = verdict("N9", live(), reset(), access)
    assert found.verdict == "violated"
    assert found.violations[0].message.endswith("after its reset was complete")


def test_late_notification_is_spurious_and_says_so() -> None:
    found = verdict("N9", live(), reset(), notified(-1))
    assert found.severity == "spurious"
    assert found.violations[0].message == (
        "vm1.blk0 (epoch 1) sent a notification (configuration change) after its reset was complete"
    )


def test_device_of_1_1_is_not_bound_by_what_1_2_has_brought() -> None:
    found = verdict("N9", live(version="1.1"), reset(), notified())
    assert found.verdict == "vacuous"
    assert found.reason == "vm1.blk0 (epoch 1) is of VIRTIO 1.1, and this binds since 1.2"
    assert verdict("N3", live(version="1.1"), reset(), notified()).verdict == "violated"


def test_mmio_rule_says_of_a_pci_device_why_it_was_not_tested() -> None:
    found = verdict("N18", offered(transport="pci"))
    assert found.reason == "vm1.blk0 (epoch 1) is on pci, and this is about mmio"


def test_two_epochs_of_one_vdev_are_two_devices() -> None:
    late = taken()
    of_next = type(late)(VDEV, 2, 0, 0, 0)
    assert verdict("N9", live(), reset(), of_next).verdict == "holds"
