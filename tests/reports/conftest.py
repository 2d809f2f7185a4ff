"""Traces written by hand, in the words of the situations that they stand for."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from quiesce.model.trace import events as ev
from quiesce.model.trace.events import Assumption, Header, Part, Record, Trace
from quiesce.properties.core.verdict import (
    VIOLATIONS_KEPT,
    Judgement,
    Severity,
    Verdict,
    Violation,
    Word,
    worst,
)

US = 1_000
MS = 1_000_000

PARTS = (
    Part("supervisor", "supervisor"),
    Part("vm1.guest", "guest"),
    Part("vm1.qvm", "qvm"),
    Part("vm1.quiesce-eth0", "vdev"),
    Part("eth0", "hardware"),
    Part("memory", "memory"),
    Part("gic", "interrupts"),
)
ASSUMPTIONS = (
    Assumption("qvm.callback-order", "as-configured", "not documented; the default"),
    Assumption("pcie_posted_write", "100ns..1us", "assumed: half a read round trip"),
)


@dataclass
class Scribe:
    """Writes a trace line by line."""

    header: Header
    records: list[Record] = field(default_factory=list)

    def note(self, at_ns: int, source: str, event: ev.AnyEvent, cause: int = -1) -> int:
        self.records.append(Record(at_ns, source, cause, event))
        return len(self.records) - 1

    def trace(self) -> Trace:
        order = sorted(range(len(self.records)), key=lambda at: (self.records[at].at_ns, at))
        new_index = {old: new for new, old in enumerate(order)}
        moved = []
        for old in order:
            record = self.records[old]
            cause = new_index.get(record.cause, -1)
            moved.append(Record(record.at_ns, record.source, cause, record.event))
        return Trace(self.header, tuple(moved))


@dataclass(frozen=True)
class NicStory:
    """A guest with a passed-through NIC crashes while frames go on arriving.

    Its qvm returns guest memory chunk by chunk; a supervisor starts a second guest on it.
    """

    frames: int = 60
    gap_ns: int = 20 * US
    crash_ns: int = 500 * US
    is_stopped: bool = False
    has_iommu: bool = False
    restarts: bool = True
    chunks: int = 16
    quiet_until_ns: int = 0

    def trace(self) -> Trace:
        parts = (*PARTS, Part("smmu", "iommu")) if self.has_iommu else PARTS
        header = Header("nic-guest-crash", "the guest crashes", parts, assumptions=ASSUMPTIONS)
        scribe = Scribe(header)
        self._first_life(scribe)
        stopped_ns = self._teardown(scribe)
        self._traffic(scribe, stopped_ns)
        return scribe.trace()

    def _first_life(self, scribe: Scribe) -> None:
        scribe.note(0, "memory", ev.FramesGranted("vm1", 1, 0x100, 256))
        scribe.note(0, "gic", ev.IrqAttached(33, "vm1", 1))
        if self.has_iommu:
            scribe.note(0, "smmu", ev.IommuMapped("eth0", 1, 0x100000, 0x100000, 1 << 20))
        scribe.note(10 * US, "vm1.qvm", ev.VmStarted("vm1", 1))
        for slot in range(8):
            request = ev.DmaRequested("eth0", 1, 0x1F0000 + 0x800 * slot, 2048)
            scribe.note(12 * US, "vm1.guest", request)
        scribe.note(self.crash_ns, "vm1.guest", ev.GuestEnded("vm1", 1, "crashed"))

    def _teardown(self, scribe: Scribe) -> int:
        at_ns = self.crash_ns + 15 * US
        cause = scribe.note(
            at_ns, "vm1.qvm", ev.TerminationBegun("vm1", 1, "guest-crash", orderly=True)
        )
        stopped_ns = 1 << 60
        if self.is_stopped:
            vdev, step = "quiesce-eth0", "disable-receive"
            scribe.note(at_ns + 5 * US, "vm1.qvm", ev.CallbackBegun("vm1", 1, vdev), cause)
            begun = ev.QuiesceStepBegun("eth0", 1, step)
            scribe.note(at_ns + 6 * US, "vm1.quiesce-eth0", begun)
            ended = ev.QuiesceStepEnded("eth0", 1, step, "done")
            scribe.note(at_ns + 40 * US, "vm1.quiesce-eth0", ended)
            stopped_ns = at_ns + 40 * US
            scribe.note(stopped_ns, "vm1.quiesce-eth0", ev.StopConfirmed("eth0", 1))
            scribe.note(stopped_ns + US, "vm1.qvm", ev.CallbackEnded("vm1", 1, vdev, "done"))
        at_ns += 100 * US
        scribe.note(at_ns, "gic", ev.IrqDetached(33, "vm1", 1, masked=True))
        scribe.note(at_ns, "gic", ev.IrqMasked(33, "last detach"))
        if self.has_iommu:
            scribe.note(at_ns + US, "smmu", ev.IommuUnmapped("eth0", 1))
            scribe.note(at_ns + 4 * US, "smmu", ev.IommuSynced("eth0", 1))
        size = 256 // self.chunks
        for chunk in range(self.chunks):
            at_ns += 10 * US
            released = ev.FramesReleased("vm1", 1, 0x100 + size * chunk, size)
            scribe.note(at_ns, "memory", released, cause)
        scribe.note(at_ns + 5 * US, "vm1.qvm", ev.QvmExited("vm1", 1, 0), cause)
        if self.restarts:
            at_ns += 150 * US
            scribe.note(at_ns, "memory", ev.FramesGranted("vm1", 2, 0x100, 256))
            scribe.note(at_ns + 2 * US, "vm1.qvm", ev.VmStarted("vm1", 2))
        return stopped_ns

    def _traffic(self, scribe: Scribe, stopped_ns: int) -> None:
        unmapped_ns = self.crash_ns + 116 * US if self.has_iommu else 1 << 60
        at_ns = max(15 * US, self.quiet_until_ns)
        for frame in range(self.frames):
            at_ns += self.gap_ns
            if at_ns >= stopped_ns:
                break
            addr = 0x1F0000 + 0x800 * (frame % 8)
            fetched = scribe.note(at_ns - 500, "eth0", ev.DmaFetched("eth0", 1, addr, 2048))
            issued = scribe.note(
                at_ns, "eth0", ev.DmaIssued("eth0", 1, addr, 1024, "data"), fetched
            )
            if at_ns > unmapped_ns:
                blocked = ev.DmaBlocked("eth0", 1, addr, 1024, "recorded")
                scribe.note(at_ns + 300, "smmu", blocked, issued)
            else:
                landed = ev.DmaLanded("eth0", 1, addr, 1024, "data")
                scribe.note(at_ns + 700, "memory", landed, issued)
        scribe.note(at_ns + 300 * US, "run", ev.ObservationEnded())


@pytest.fixture
def late_writes() -> Trace:
    """A NIC that no procedure stops writes into memory of the second guest."""
    return NicStory().trace()


@pytest.fixture
def blocked_writes() -> Trace:
    """The same behind an IOMMU that is unmapped before memory returns."""
    return NicStory(has_iommu=True).trace()


@pytest.fixture
def stopped_in_time() -> Trace:
    """The same with a vdev that stops the NIC in its callback and sees it stopped."""
    return NicStory(is_stopped=True).trace()


def judged(trace: Trace) -> Judgement:
    """Judge as if the property were: no write for epoch 1 lands once its first frame is back."""
    gone = [record.at_ns for record in trace.records if isinstance(record.event, ev.FramesReleased)]
    limit_ns = min(gone, default=1 << 60)
    late = []
    for index, record in enumerate(trace.records):
        if isinstance(record.event, ev.DmaLanded) and record.at_ns >= limit_ns + 150 * US:
            message = f"{record.event.master} wrote late"
            is_hit = record.at_ns >= limit_ns + 300 * US
            severity: Severity = "corruption" if is_hit else "stray"
            late.append(Violation(index, record.at_ns, message, severity))
    kept = tuple(late[:VIOLATIONS_KEPT])
    severities = [each.severity for each in kept]
    word: Word = "violated" if late else ("holds" if gone else "vacuous")
    dma = Verdict(
        "no-dma-after-teardown", word, worst(severities), 256 if gone else 0, "why", kept, len(late)
    )
    irq = Verdict("no-irq-after-teardown", "vacuous", "none", 0, "no line was ever attached")
    return Judgement(
        scenario=trace.header.scenario,
        label="run",
        bounds=("one run",),
        assumptions=trace.header.assumptions,
        verdicts=(dma, irq),
    )


@pytest.fixture
def judge() -> Callable[[Trace], Judgement]:
    """A judge of one property."""
    return judged
