"""Rules of device types: network, SCSI, and the configuration space of all."""

from collections.abc import Hashable
from typing import ClassVar

from ...model.trace.events import Header
from ...model.trace.virtio_events import (
    CommandCompleted,
    ConfigAccessed,
    ConfigChanged,
    NetPairsSet,
    ResetCompleted,
    UsedElementWritten,
)
from ..core.monitor import Trackers
from .device_state import DeviceState
from .rule import Hears, VirtioRule
from .tracker import Seen

NET_DEVICE_ID = 1
NET_CTRL_VQ, NET_MQ, NET_RSS = 17, 22, 60

Place = tuple[str, int]


class ReceiveQueuesLimited(VirtioRule):
    """N42.

    Receive queues are the even ones, but for the control queue, which is the last.  With
    VIRTIO_NET_F_RSS other commands open receive queues too, so such devices are not judged.
    """

    rule = "N42"
    name = "virtio-n42-receive-queues-limited"
    claim = (
        "Once the command that sets the number of queue pairs is used, no packet arrives on a "
        "receive queue beyond it; after a reset the number is 1."
    )
    formula = "G (packet-received(rx(i)) -> i <= pairs)"
    antecedent = "packets received by devices with several queue pairs"
    section = "5.1.6.5.6.2"
    blames = "device"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self._pairs: dict[Place, int] = {}

    def _set(self, seen: Seen[NetPairsSet]) -> None:
        self._pairs[seen.device.name, seen.device.epoch] = seen.event.pairs

    def _reset(self, seen: Seen[ResetCompleted]) -> None:
        self._pairs.pop((seen.device.name, seen.device.epoch), None)

    def _use(self, seen: Seen[UsedElementWritten]) -> None:
        device, index = seen.device, seen.queue.index
        if device.device_id != NET_DEVICE_ID or not device.has(NET_MQ) or device.has(NET_RSS):
            return
        if index % 2 or index == _control_queue(device):
            return
        self.tests += 1
        pairs = self._pairs.get((device.name, device.epoch), 1)
        if index // 2 >= pairs:
            message = (
                f"{device} received a packet on queue {index}, receive queue {index // 2 + 1}, and "
                f"{pairs} may receive"
            )
            self.fault(seen, message, queue=index, pairs=pairs)

    def state(self) -> Hashable:
        """Return how many pairs are set."""
        return tuple(sorted(self._pairs.items()))

    hears: ClassVar[Hears] = {NetPairsSet: _set, ResetCompleted: _reset, UsedElementWritten: _use}


def _control_queue(device: DeviceState) -> int:
    """Return the index of the control queue, or -1 without one."""
    if not device.has(NET_CTRL_VQ):
        return -1
    return max(index for index in device.queues)


class CancelBeforeAnswer(VirtioRule):
    """N46.  An affected request must be completed; a cancelled one counts as completed."""

    rule = "N46"
    name = "virtio-n46-cancel-before-answer"
    claim = (
        "When a task management command is completed, the driver can see all requests that it "
        "affects as used."
    )
    formula = "G (command-completed(heads) -> used-published(each of heads))"
    antecedent = "requests affected by a task management command"
    section = "5.6.6.2"
    blames = "device"

    def _complete(self, seen: Seen[CommandCompleted]) -> None:
        queue = seen.queue
        for head in seen.event.heads:
            self.tests += 1
            if head in queue.outstanding or head in queue.unpublished:
                message = (
                    f"{seen.device} completed a command before request {head} of queue "
                    f"{queue.index}, which it affects"
                )
                self.fault(seen, message, queue=queue.index, head=head)

    hears: ClassVar[Hears] = {CommandCompleted: _complete}


class ConfigGenerationChanges(VirtioRule):
    """N50.  Several changes without a read between them may have one generation."""

    rule = "N50"
    name = "virtio-n50-config-generation-changes"
    claim = (
        "Of two reads of the configuration with a change between them, the second has another "
        "generation."
    )
    formula = "G (config-read(g) and then config-changed -> next config-read(h) has h != g)"
    antecedent = "reads of the configuration after a change and an earlier read"
    section = "2.5.2, 4.1.4.3.1, 4.2.2.1"
    blames = "device"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self._read_generation: dict[Place, int] = {}
        self._changed: set[Place] = set()

    def _change(self, seen: Seen[ConfigChanged]) -> None:
        place = (seen.device.name, seen.device.epoch)
        if place in self._read_generation:
            self._changed.add(place)

    def _access(self, seen: Seen[ConfigAccessed]) -> None:
        event = seen.event
        if event.is_write:
            return
        place = (seen.device.name, seen.device.epoch)
        if place in self._changed:
            self._changed.discard(place)
            self.tests += 1
            if event.generation == self._read_generation[place]:
                message = (
                    f"{seen.device} changed its configuration and kept generation "
                    f"{event.generation}"
                )
                self.fault(seen, message, generation=event.generation)
        self._read_generation[place] = event.generation

    def _reset(self, seen: Seen[ResetCompleted]) -> None:
        place = (seen.device.name, seen.device.epoch)
        self._read_generation.pop(place, None)
        self._changed.discard(place)

    def state(self) -> Hashable:
        """Return the last generation read, and the changes since."""
        return (tuple(sorted(self._read_generation.items())), tuple(sorted(self._changed)))

    hears: ClassVar[Hears] = {
        ConfigChanged: _change,
        ConfigAccessed: _access,
        ResetCompleted: _reset,
    }
