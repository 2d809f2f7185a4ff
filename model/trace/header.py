"""The header of a trace: what properties and reports must know of the configuration."""

from typing import ClassVar

import msgspec


class Part(msgspec.Struct, frozen=True):
    """One component of the system, for the lanes of a picture.

    Attributes:
        name: Its dotted name, as in `Record.source`.
        kind: `guest`, `virtqueue`, `vdev`, `host_driver`, `dma_engine`, `hardware`, `iommu`,
            `memory`, `interrupts`, `qvm` or `supervisor`.
    """

    name: str
    kind: str


class Actor(msgspec.Struct, frozen=True):
    """A component that can write memory or interrupt for a VM whose end is planned.

    Attributes:
        device: The device, vdev or back end, as it stands in events.
        vm: The VM.
        writes: Whether it can write memory for the VM.
        interrupts: Whether it can interrupt for the VM.
    """

    device: str
    vm: str
    writes: bool
    interrupts: bool


class Assumption(msgspec.Struct, frozen=True):
    """A value or a rule that the run takes for granted.

    Attributes:
        name: Key of a time span or label of a choice.
        value: As it would be written in a scenario file.
        basis: Its source; begins with `assumed` or `not documented` if there is none.
    """

    name: str
    value: str
    basis: str


class Service(msgspec.Struct, frozen=True):
    """What a device or vdev does for every instance of a VM, and how that shows in a trace.

    Attributes:
        vm: The VM.
        device: The physical device, back end or vdev, as its events name it.
        answer: What shows that it has worked: `handled` (its interrupt was handled), `landed` (its
            write has landed) or `completed` (a request was completed).
        intid: Line or vector of its interrupt; -1 if it has none of its own.
        begins: What shows that it has work, beside its interrupt: `asked` (a driver gives it work,
            and each piece is answered), `landed` (a write of it has landed, and each is answered),
            or an empty string for nothing else.
    """

    vm: str
    device: str
    answer: str
    intid: int = -1
    begins: str = ""

    def __post_init__(self) -> None:
        assert self.begins in {"asked", "landed", ""}, self.begins
        assert self.answer in {"handled", "landed", "completed"}, self.answer
        assert self.answer != "handled" or self.intid >= 0, "an interrupt has a line"


class Header(msgspec.Struct, frozen=True):
    """What properties and reports must know besides the events to judge and to draw a trace.

    Attributes:
        scenario: Name of the scenario.
        description: One sentence.
        parts: The components, in the order in which they are drawn.
        detail: `teardown`, or `virtio` if the events of `virtio_events` are there too.
        teardown_ns_max: Bound on the time from `TerminationBegun` to `QvmExited`.
        irq_after_teardown_max: How often the host may take a dead epoch's interrupt that still
            counts as contained.
        quiet_ns_max: Bound on the time from `OutsideEnded` to `ObservationEnded`.
        virtio_reset_ns_max: Bound on the reset of a virtio device; the standard gives none.
        services: What devices do for VMs that may be started again.
        actors: What can write memory or interrupt for the VMs that end.
        assumptions: All that the run takes for granted.
        replay_sha256: Identity of the scenario and its choices.
    """

    format: ClassVar[str] = "quiesce-trace"
    scenario: str
    description: str = ""
    parts: tuple[Part, ...] = ()
    detail: str = "teardown"
    teardown_ns_max: int = 10_000_000_000
    irq_after_teardown_max: int = 1
    quiet_ns_max: int = 60_000_000_000
    virtio_reset_ns_max: int = 1_000_000_000
    services: tuple[Service, ...] = ()
    actors: tuple[Actor, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    replay_sha256: str = ""
