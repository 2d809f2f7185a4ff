"""What all rules of VIRTIO have in common, and the rules that somebody owes something.

A rule declares the events of which it wants to hear (`hears`); the tracker `Devices` shows it those
of the devices that it binds.  A device of an older version, or on another transport, is not
bound, and a rule that bound no device at all says so in its verdict.
"""

from collections.abc import Callable, Hashable, Mapping
from types import MethodType
from typing import Any, ClassVar, Literal, NamedTuple

from ...model.base.clock import format_ns
from ...model.trace.event_base import TraceEvent
from ...model.trace.events import GuestEnded, Header, QvmExited, TerminationBegun, WorkerEnded
from ..core.monitor import Closing, Property, Trackers
from ..core.verdict import Severity, Violation, Word
from .device_state import DeviceState
from .tracker import Devices, Seen
from .words import version_number

Side = Literal["driver", "device", "both"]
Level = Literal["MUST", "SHOULD"]

Hears = Mapping[type[TraceEvent], Callable[[Any, Seen[Any]], None]]
"""The events of which a rule hears, each with its method."""


class VirtioRule(Property):
    """A normative statement of the standard.

    At one and the same instant the order of the records decides, unless `boundary` says
    otherwise: what is compared are steps of one party, or steps of both that pass through one
    register.

    Attributes:
        rule: Its number, N1 to N50.
        section: Where it stands, in the version `cited`.
        cited: The version of the standard whose sections are named.
        since: The first version that binds by it; 1.1 is the oldest that was looked at.
        since_mmio: The same for MMIO, if only a later version binds there.
        blames: Whose breach it is.
        level: Whether the standard says MUST or SHOULD.
        severity: Of a breach.  Of a SHOULD it is `unadvised`.
        transport: `mmio` or `pci` if it is about one alone.
        hears: What it is shown.
        tests: How often it was put to the test.
    """

    rule: ClassVar[str]
    section: ClassVar[str]
    cited: ClassVar[str] = "1.2"
    since: ClassVar[str] = "1.1"
    since_mmio: ClassVar[str] = ""
    blames: ClassVar[Side]
    level: ClassVar[Level] = "MUST"
    severity: ClassVar[Severity] = "exposed"
    transport: ClassVar[str] = ""
    boundary = "at one instant the order of the records decides"
    hears: ClassVar[Hears] = {}

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "section"):
            cls.source = f"VIRTIO {cls.cited}, {cls.section}"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.tests = 0
        self.devices = self.tracker(Devices)
        for event_type, hear in self.hears.items():
            self.devices.subscribe(event_type, MethodType(hear, self), self.binds)

    def binds(self, device: DeviceState) -> bool:
        """Return whether it binds a device; depends on version and transport alone."""
        is_new_enough = device.version >= version_number(self._since(device))
        return is_new_enough and self.transport in {"", device.transport}

    def _since(self, device: DeviceState) -> str:
        return self.since_mmio if self.since_mmio and device.transport != "pci" else self.since

    def fault(
        self, seen: Seen[Any], message: str, severity: Severity | None = None, **data: str | int
    ) -> None:
        """Note a breach at the record that shows it."""
        known: dict[str, str | int] = {
            "rule": self.rule,
            "vdev": seen.device.name,
            "epoch": seen.device.epoch,
            **data,
        }
        self.violate(seen.record, seen.at_ns, severity or self.severity, message, **known)

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Count the tests."""
        return Closing(self.tests)

    def _word(
        self, closing: Closing, kept: list[Violation], count: int, is_whole: bool
    ) -> tuple[Word, str]:
        word, reason = super()._word(closing, kept, count, is_whole)
        devices = self.devices.devices.values()
        if word != "vacuous" or not devices or any(map(self.binds, devices)):
            return word, reason
        first = next(iter(devices))
        since = self._since(first)
        if first.version < version_number(since):
            version = f"{first.version // 1000}.{first.version % 1000}"
            return word, f"{first} is of VIRTIO {version}, and this binds since {since}"
        where = f"on {first.transport}" if first.transport else "on a transport that is not told"
        return word, f"{first} is {where}, and this is about {self.transport}"


class Debt(NamedTuple):
    """What somebody has to do.

    Attributes:
        record, at_ns: The record that brought it about.
        what: Who owes what, to be followed by nothing or by a clause of time.
        vdev, epoch: The device that it is about.
    """

    record: int
    at_ns: int
    what: str
    vdev: str
    epoch: int


class OwingRule(VirtioRule):
    """A rule that something is followed by something else, eventually.

    The standard knows no time.  A debt not paid within `bound_ns` counts as never paid, and so
    does one whose debtor can no longer pay.  One that is still young when the observation ends is
    undecided. Nobody owes a VM anything that is about to end.
    """

    severity: ClassVar[Severity] = "starved"
    boundary = "what is done exactly at the bound is in time"

    NOTIFICATION_NS_MAX: ClassVar[int] = 1_000_000_000
    """Assumed: a second is far beyond the delay of any notification."""

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.bound_ns = self.NOTIFICATION_NS_MAX
        self.debts: dict[tuple[str, int, int], Debt] = {}

    def owe(self, seen: Seen[Any], what: str) -> None:
        """Begin a debt, if there is none yet at this place; only while the VM goes on."""
        if not seen.device.is_vm_ending:
            debt = Debt(seen.record, seen.at_ns, what, seen.device.name, seen.device.epoch)
            self.debts.setdefault(seen.place, debt)

    def pay(self, seen: Seen[Any]) -> None:
        """End a debt of this place, if there is one."""
        debt = self.debts.pop(seen.place, None)
        if debt is None:
            return
        self.tests += 1
        took_ns = seen.at_ns - debt.at_ns
        if took_ns > self.bound_ns:
            message = f"{debt.what}, which took {format_ns(took_ns)}; {self._bound}"
            self.fault(seen, message, took_ns=took_ns, late_by_ns=took_ns - self.bound_ns)

    def lapse(self, seen: Seen[Any]) -> None:
        """Forget the debts of a device, for nobody waits for them any more; not the overdue."""
        for place in self._places(seen):
            debt = self.debts.pop(place)
            waited_ns = seen.at_ns - debt.at_ns
            if waited_ns > self.bound_ns:
                self.tests += 1
                self.fault(seen, f"{debt.what}, and had not {format_ns(waited_ns)} later")

    def default(self, seen: Seen[Any], why: str) -> None:
        """Report the debts of a device as never to be paid."""
        for place in self._places(seen):
            self.tests += 1
            self.fault(seen, f"{self.debts.pop(place).what}, {why}")

    def end_thread(self, seen: Seen[WorkerEnded]) -> None:
        """Take the end of the device's thread: while the VM goes on, its debts stay unpaid."""
        if seen.device.is_vm_ending:
            self.lapse(seen)
        else:
            self.default(seen, "and its thread has ended without it")

    def _places(self, seen: Seen[Any]) -> list[tuple[str, int, int]]:
        of_device = (seen.device.name, seen.device.epoch)
        return [place for place in self.debts if place[:2] == of_device]

    @property
    def _bound(self) -> str:
        return f"the bound is {format_ns(self.bound_ns)}"

    def close(self, last_ns: int) -> Closing:
        """Report debts whose bound has passed; those still in time decide nothing."""
        violations = []
        doubt = ""
        for debt in self.debts.values():
            waited_ns = last_ns - debt.at_ns
            if waited_ns <= self.bound_ns:
                doubt = f"{debt.what}; it is open when the trace ends, and its bound has not passed"
                continue
            message = f"{debt.what}, and had not {format_ns(waited_ns)} later; {self._bound}"
            data: dict[str, str | int] = {
                "rule": self.rule,
                "vdev": debt.vdev,
                "epoch": debt.epoch,
                "waited_ns": waited_ns,
            }
            violations.append(Violation(debt.record, debt.at_ns, message, self.severity, data))
        return Closing(self.tests + len(self.debts), tuple(violations), doubt)

    def state(self) -> Hashable:
        """Return what is owed, without since when."""
        return tuple(sorted(self.debts))


LAPSES: Hears = {
    GuestEnded: OwingRule.lapse,
    TerminationBegun: OwingRule.lapse,
    QvmExited: OwingRule.lapse,
}
"""What ends the debts of a driver; for a device `WorkerEnded` is heard as well."""
