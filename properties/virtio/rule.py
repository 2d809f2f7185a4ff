"""The base of all rules of VIRTIO, and of the rules by which a party owes something.

A rule declares the events that it reads (`hears`). The tracker `Devices` shows it those of the
devices that it binds. A rule does not bind a device of an older version, or on another transport.
If a rule binds no device at all, its verdict says so.
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
"""The events that a rule reads, each with its method."""


class VirtioRule(Property):
    """A normative statement of the standard.

    Within an instant the order of the records decides, unless `boundary` says otherwise. A rule
    compares steps of one party, or steps of both parties that pass through one register.

    Attributes:
        rule: Its number, N1 to N50.
        section: The section of the standard, in the version `cited`.
        cited: The version of the standard whose sections are named.
        since: The first version that contains the rule; 1.1 is the oldest that was examined.
        since_mmio: The same for MMIO, if only a later version binds there.
        blames: The party that breaks the rule, device or driver.
        level: Whether the standard says MUST or SHOULD.
        severity: Severity of a violation. For a SHOULD it is `unadvised`.
        transport: `mmio` or `pci` if the rule is about one transport only.
        hears: The events that the tracker shows to the rule.
        tests: How often the rule was put to the test.
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
        """Return whether the rule binds a device; depends on version and transport alone."""
        is_new_enough = device.version >= version_number(self._since(device))
        return is_new_enough and self.transport in {"", device.transport}

    def _since(self, device: DeviceState) -> str:
        return self.since_mmio if self.since_mmio and device.transport != "pci" else self.since

    def fault(
        self, seen: Seen[Any], message: str, severity: Severity | None = None, **data: str | int
    ) -> None:
        """Note a violation at the record that shows it."""
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
        where = f"on {first.transport}" if first.transport else "on an unknown transport"
        return word, f"{first} is {where}, and this is about {self.transport}"


class Debt(NamedTuple):
    """What a party has to do.

    Attributes:
        record, at_ns: The record that brought the debt about.
        what: Who owes what; reports append nothing, or a clause of time.
        vdev, epoch: The device that the debt is about.
    """

    record: int
    at_ns: int
    what: str
    vdev: str
    epoch: int


class OwingRule(VirtioRule):
    """A rule that one event is followed by another, eventually.

    The standard gives no times. A debt that is not paid within `bound_ns` counts as never paid. So
    does a debt whose debtor can no longer pay. A younger debt is undecided when the observation
    ends. No party owes anything to a VM that is about to end.
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
        """Begin a debt, if none is open at this place; only while the VM goes on."""
        if not seen.device.is_vm_ending:
            debt = Debt(seen.record, seen.at_ns, what, seen.device.name, seen.device.epoch)
            self.debts.setdefault(seen.place, debt)

    def pay(self, seen: Seen[Any]) -> None:
        """End the debt of this place, if there is one."""
        debt = self.debts.pop(seen.place, None)
        if debt is None:
            return
        self.tests += 1
        took_ns = seen.at_ns - debt.at_ns
        if took_ns > self.bound_ns:
            message = f"{debt.what}, which took {format_ns(took_ns)}; {self._bound}"
            self.fault(seen, message, took_ns=took_ns, late_by_ns=took_ns - self.bound_ns)

    def lapse(self, seen: Seen[Any]) -> None:
        """Drop the debts of a device that are still in time: no party waits for them now."""
        for place in self._places(seen):
            debt = self.debts.pop(place)
            waited_ns = seen.at_ns - debt.at_ns
            if waited_ns > self.bound_ns:
                self.tests += 1
                self.fault(seen, f"{debt.what}, and had not {format_ns(waited_ns)} later")

    def default(self, seen: Seen[Any], why: str) -> None:
        """Report the debts of a device that it can no longer pay."""
        for place in self._places(seen):
            self.tests += 1
            self.fault(seen, f"{self.debts.pop(place).what}, {why}")

    def end_thread(self, seen: Seen[WorkerEnded]) -> None:
        """Read the end of the device's thread: while the VM goes on, its debts stay unpaid."""
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
        """Return the open debts, without the instants at which they began."""
        return tuple(sorted(self.debts))


LAPSES: Hears = {
    GuestEnded: OwingRule.lapse,
    TerminationBegun: OwingRule.lapse,
    QvmExited: OwingRule.lapse,
}
"""The events that end the debts of a driver; those of a device also end at `WorkerEnded`."""
