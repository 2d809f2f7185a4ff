"""The same actions on the model's device and on QEMU's, and a look at both after each.

Every difference has to be in the table of `differences`; the first other difference ends the
comparison with an account of what led there.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from quiesce.model.virtio.block_format import SECTOR_SIZE, SEGMENT_SIZE, BlockRequestType
from quiesce.model.virtio.device_status import DeviceStatus
from quiesce.model.virtio.features import (
    VIRTIO_F_INDIRECT_DESC,
    VIRTIO_F_RING_PACKED,
    VIRTIO_F_RING_RESET,
    has_feature,
)

from .actions import (
    SLOT_BASE,
    SLOT_DATA_MAX,
    SLOT_SIZE,
    SLOTS,
    Action,
    Allow,
    Collect,
    Corrupt,
    Initialise,
    Kick,
    KickAndReset,
    MaskVector,
    Misbehave,
    ReadIsr,
    Reset,
    ResetQueue,
    SetWriteback,
    Submit,
    Suppress,
)
from .corruptions import PACKED, REACHES_THE_DEVICE, SPLIT
from .differences import DIFFERENCES, Finding
from .misbehaviour import MISBEHAVIOUR
from .side import RING_BASE, STATUS_AT, Observation, Side

_CHANGES_DISK = BlockRequestType.OUT
"""A bit of every type that writes, of those that only QEMU knows too."""


class Lockstep:
    """Two devices, one driver's life.

    Args:
        ours: The model.
        theirs: QEMU.
        offered: Features that both offer.

    Attributes:
        met: How often each named difference was seen.
        actions_done: How many actions have been carried out and compared.
    """

    def __init__(self, ours: Side, theirs: Side, offered: int) -> None:
        self.ours = ours
        self.theirs = theirs
        self.offered = offered
        self.met: Counter[str] = Counter()
        self.actions_done = 0
        self.requests: dict[int, Submit] = {}
        """Slot to request, for all that was submitted and not collected."""
        self.is_alive = False
        self.is_first = True
        self.is_due = False
        self.setting = Initialise()
        """How the device is brought to life again after a reset, if nothing else is said."""
        self.story: list[str] = []

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.ours, self.theirs

    def run(self, actions: Iterable[Action]) -> None:
        """Carry out some actions on both sides, from a fresh reset on.

        Raises:
            AssertionError: If something differs that is no known difference.
        """
        self.story = []
        self.setting = Initialise()
        self._start_over()
        for action in actions:
            self.story.append(repr(action))
            self.actions_done += 1
            findings = self._carry_out(action)
            self._judge(findings, action)

    def _start_over(self) -> None:
        for side in self.sides:
            side.start_over()
        self.requests.clear()
        self.is_alive = False

    def _carry_out(self, action: Action) -> list[Finding]:
        findings = []
        if not (self.is_alive or isinstance(action, Initialise | Misbehave)):
            findings = self._initialise(self.setting)
        return findings + _STEPS[type(action)](self, action)

    def _initialise(self, action: Initialise) -> list[Finding]:
        self.requests.clear()
        self.setting = action
        self.is_first = True
        agreed = [side.initialise(action, self.offered) for side in self.sides]
        self.is_alive = all(agreed)
        return [*self._compare({"agreed": agreed}), *self._look()]

    def _submit(self, action: Submit) -> list[Finding]:
        if len(self.requests) == SLOTS or self._collides(action) or self._hangs_qemu(action):
            return []
        has_room = [side.submit(action) for side in self.sides]
        assert has_room[0] == has_room[1]
        if has_room[0]:
            self.requests[list(self.ours.slots.values())[-1]] = action
        return []

    def _collides(self, request: Submit) -> bool:
        """Whether the outcome would depend on which of two requests is carried out first."""
        for other in self.requests.values():
            if not (request.kind | other.kind) & _CHANGES_DISK:
                continue
            mine, its = _sectors(request), _sectors(other)
            if mine.start < its.stop and its.start < mine.stop:
                return True
        return False

    def _note_what_is_due(self) -> None:
        self.is_due = self.ours.wants_next_used and self.theirs.wants_next_used

    def _hangs_qemu(self, request: Submit) -> bool:
        """Whether QEMU would give up in the middle of a packed ring, which it does not survive."""
        is_packed = has_feature(self.ours.features, VIRTIO_F_RING_PACKED)
        return is_packed and request.segment is not None and request.length < SEGMENT_SIZE

    def _kick(self, action: Kick) -> list[Finding]:
        is_idle = not self.requests
        self._note_what_is_due()
        asked = [side.publish() for side in self.sides]
        findings = self._compare({"asks_for_doorbell": asked})
        if action.always or any(asked):
            for side in self.sides:
                side.ring_doorbell()
        findings += self._look()
        self.is_first = self.is_first and is_idle
        return findings

    def _collect(self, _: Collect) -> list[Finding]:
        (ours, broken_ours), (theirs, broken_theirs) = [side.collect() for side in self.sides]
        findings = self._compare({"broken_used_ring": [broken_ours, broken_theirs]})
        findings += self._compare({"used": [sorted(ours), sorted(theirs)]})
        for slot in sorted(ours.keys() & theirs.keys()):
            pair = (ours[slot], theirs[slot])
            seen: dict[str, Sequence[object]] = {
                "used_length": [used.length for used in pair],
                "write_flag": [used.has_write_flag for used in pair],
            }
            findings += self._compare(seen, self.requests.get(slot))
        for slot in ours:
            self.requests.pop(slot, None)
        return findings + self._look()

    def _corrupt(self, action: Corrupt) -> list[Finding]:
        """Put one spoilt request into an otherwise idle queue."""
        known = PACKED if has_feature(self.ours.features, VIRTIO_F_RING_PACKED) else SPLIT
        indirect = action.indirect and has_feature(self.ours.features, VIRTIO_F_INDIRECT_DESC)
        is_packed = known is PACKED
        if action.how not in known or self.requests or self._needs_reset():
            return []
        if is_packed and action.how not in REACHES_THE_DEVICE:
            return []  # QEMU would hang, which is shown elsewhere
        findings = self._submit(Submit(indirect=indirect))
        if not self.requests:
            return findings
        self._note_what_is_due()
        for side in self.sides:
            side.publish()
            side.corrupt(action.how, indirect)
            side.ring_doorbell()
        findings += self._look()
        self._start_over()
        return findings

    def _needs_reset(self) -> bool:
        return any(DeviceStatus.DEVICE_NEEDS_RESET in side.driver.status for side in self.sides)

    def _misbehave(self, action: Misbehave) -> list[Finding]:
        self._start_over()
        seen: list[Observation] = []
        for side in self.sides:
            side.setting = Initialise(msix=False)
            side.features = 0
            seen.append(MISBEHAVIOUR[action.how](side, self.offered))
        findings = self._compare({name: [s[name] for s in seen] for name in seen[0]})
        self._start_over()
        return findings

    def _reset(self, _: Reset) -> list[Finding]:
        for side in self.sides:
            side.driver.reset()
        findings = self._look()
        for side in self.sides:
            side.forget()
        self.requests.clear()
        self.is_alive = False
        return findings

    def _reset_queue(self, _: ResetQueue) -> list[Finding]:
        findings = self._look()
        if not has_feature(self.ours.features, VIRTIO_F_RING_RESET):
            return findings
        for side in self.sides:
            side.reset_queue()
        findings += self._look()
        self.requests.clear()
        self.is_first = True
        for side in self.sides:
            side.set_queue_up_again(RING_BASE)
        return findings + self._look()

    def _kick_and_reset(self, _: KickAndReset) -> list[Finding]:
        self._note_what_is_due()
        for side in self.sides:
            side.publish()
            side.ring_doorbell()
        return self._reset(Reset())

    def _read_isr(self, _: ReadIsr) -> list[Finding]:
        return self._compare({"isr": [side.driver.read_isr() for side in self.sides]})

    def _suppress(self, _: Suppress) -> list[Finding]:
        for side in self.sides:
            side.running_queue.suppress_notifications()
        return self._look()

    def _allow(self, _: Allow) -> list[Finding]:
        for side in self.sides:
            side.running_queue.allow_notifications()
        return self._look()

    def _set_writeback(self, action: SetWriteback) -> list[Finding]:
        for side in self.sides:
            side.set_writeback(action.value)
        return self._look()

    def _mask_vector(self, action: MaskVector) -> list[Finding]:
        for side in self.sides:
            if side.setting.msix:
                side.mask_vector(action.masked)
        return self._look()

    # Looking.

    def _look(self) -> list[Finding]:
        """Wait until both are done, and compare all that can be seen."""
        for side in self.sides:
            side.settle()
        seen = [side.observe() for side in self.sides]
        buffers = [bytes(s.pop("buffers")) for s in seen]  # type: ignore[call-overload]
        common = [name for name in seen[0] if name in seen[1]]
        findings = self._compare({name: [s[name] for s in seen] for name in common})
        if buffers[0] != buffers[1]:
            findings += self._compare_buffers(buffers)
        return findings

    def _compare_buffers(self, buffers: list[bytes]) -> list[Finding]:
        findings = []
        for slot in range(SLOTS):
            pair = [some[SLOT_SIZE * slot : SLOT_SIZE * (slot + 1)] for some in buffers]
            request = self.requests.get(slot)
            status = [some[STATUS_AT] for some in pair]
            data = [some[:SLOT_DATA_MAX] for some in pair]
            rest = [some[SLOT_DATA_MAX:STATUS_AT] + some[STATUS_AT + 1 :] for some in pair]
            findings += self._compare({"status_byte": status, "data": data}, request)
            findings += self._compare({"other_memory": rest}, request)
        return findings

    def _compare(
        self, pairs: Mapping[str, Sequence[object]], request: Submit | None = None
    ) -> list[Finding]:
        return [
            Finding(
                name,
                ours,
                theirs,
                self.ours.features,
                self.ours.setting,
                request,
                tuple(self.requests.values()),
                self.is_first,
                self.is_due,
            )
            for name, (ours, theirs) in pairs.items()
            if ours != theirs
        ]

    # Judging.

    def _judge(self, findings: list[Finding], action: Action) -> None:
        """Let known differences pass and level what they leave behind."""
        ends = False
        for finding in findings:
            known = next((d for d in DIFFERENCES if d.explains(finding, action)), None)
            assert known is not None, self._account(finding, action)
            self.met[known.name] += 1
            ends = ends or known.ends
        if ends:
            self._start_over()
        elif findings:
            self._level()

    def _level(self) -> None:
        """Let our memory of requests be as theirs, so that a difference is found once."""
        start, length = SLOT_BASE, SLOT_SIZE * SLOTS
        self.ours.memory.write(start, self.theirs.memory.read(start, length))

    def _account(self, finding: Finding, action: Action) -> str:
        return "\n".join(
            [
                f"{finding.field}: ours {_short(finding.ours)}, QEMU's {_short(finding.theirs)}",
                f"with features {finding.features:#x}, request {finding.request}, after",
                *self.story,
            ]
        )


_STEPS: dict[type[Action], Callable[[Lockstep, Any], list[Finding]]] = {
    Initialise: Lockstep._initialise,
    Misbehave: Lockstep._misbehave,
    Submit: Lockstep._submit,
    Kick: Lockstep._kick,
    Collect: Lockstep._collect,
    Corrupt: Lockstep._corrupt,
    ReadIsr: Lockstep._read_isr,
    Suppress: Lockstep._suppress,
    Allow: Lockstep._allow,
    SetWriteback: Lockstep._set_writeback,
    MaskVector: Lockstep._mask_vector,
    Reset: Lockstep._reset,
    KickAndReset: Lockstep._kick_and_reset,
    ResetQueue: Lockstep._reset_queue,
}


def _sectors(request: Submit) -> range:
    if request.segment is not None:
        return range(request.segment[0], request.segment[0] + request.segment[1])
    return range(request.sector, request.sector + -(-request.length // SECTOR_SIZE))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:100]}...{text[-60:]}"
