"""The physical devices of a scenario, matched with what the configurations pass through.

Each `pass` entry whose device may write memory needs a device of the platform, or an `unmodelled`
entry with a reason.  An entry that is marked as free of DMA cannot write memory.  The plan leaves
out its registers and interrupts, and an assumption says so.
"""

from fnmatch import fnmatchcase
from typing import Any

import msgspec

from ...model.base.clock import Span, parse_span
from ...model.base.errors import nearest
from ...model.hardware.registry import kinds
from ...model.plan.device_plans import AnyDevicePlan, UserBackEndPlan
from ...model.plan.system_plan import DISK_KINDS, DiskPlan, NicPlan
from ...model.plan.timing import Timing
from ...model.plan.traits import Traits, plain_traits
from ..format.diagnostics import Diagnostics
from ..format.schema import Scenario, Workload
from ..format.schema_check import one_of
from ..format.schema_devices import (
    BackEndEntry,
    GenericEntry,
    HostDiskEntry,
    HostSdmmcEntry,
    MatchedEntry,
    NicEntry,
    PassedEntry,
    QueueingDiskEntry,
    UnmodelledEntry,
)
from ..format.toml_places import KeyPath
from ..qvmconf.config import PassConfig
from .guests import GuestEntry
from .pass_entries import host_vector, is_meant, left_out, note_joined, used_line

_FIRST_FREE_LINE = 32
"""Lines below are private to a processor or reserved, on GIC and x86 alike."""

_KIND_OF_TAG = {"sata": "ahci"}
"""Tags that differ from the kind: `sata` is an AHCI controller that a guest drives itself."""

PassKey = tuple[int, int]
"""Index of the VM and of its `pass` entry."""


class Hardware(msgspec.Struct, frozen=True):
    """The devices of the platform.

    Attributes:
        nics: All NICs.
        devices: All other passed-through devices.
        owner: Name of a passed-through device to the index of the VM that gets it.
        disks: All disk controllers.
        back_ends: All back ends in processes of their own; `owner` has their owners as well.
        entries: What the scenario says about each disk controller, in the same order.
        passes: Name of a passed-through device to its `pass` entry in the configuration.
        back_end_entries: What it says about each back end.
        has_guest_table: Whether the interrupt controller keeps a table in guest RAM.
    """

    nics: tuple[NicPlan, ...]
    devices: tuple[AnyDevicePlan, ...]
    owner: dict[str, int]
    disks: tuple[DiskPlan, ...]
    back_ends: tuple[UserBackEndPlan, ...]
    entries: tuple[HostDiskEntry, ...]
    passes: dict[str, PassConfig]
    back_end_entries: tuple[BackEndEntry, ...]
    has_guest_table: bool = False

    @property
    def served_elsewhere(self) -> list[str]:
        """The vdevs whose queues a separate back-end process serves."""
        return [one.vdev for one in self.back_end_entries]

    def plan_of(self, device: str) -> NicPlan | AnyDevicePlan:
        """Return the plan of a passed-through device."""
        return next(plan for plan in self.nics + self.devices if plan.name == device)

    def disk_behind(self, paths: list[str]) -> tuple[DiskPlan, HostDiskEntry] | None:
        """Return the disk controller that serves one of the paths, if any does."""
        for disk, entry in zip(self.disks, self.entries, strict=True):
            if any(fnmatchcase(path, serves) for path in paths for serves in entry.serves):
                return disk, entry
        return None


def hardware_of(
    scenario: Scenario, guests: tuple[GuestEntry, ...], diagnostics: Diagnostics
) -> Hardware:
    """Return the devices of a scenario; what does not fit becomes a problem."""
    note_joined(guests, diagnostics)
    matcher = _Matcher(scenario, guests, diagnostics)
    owners = matcher.match_all()
    lines = _InterruptLines(scenario, matcher)
    nics: list[NicPlan] = []
    devices: list[AnyDevicePlan] = []
    owner: dict[str, int] = {}
    passes: dict[str, PassConfig] = {}
    disks, entries = [], []
    back_ends: list[UserBackEndPlan] = []
    for index, entry in enumerate(scenario.platform.device):
        path: KeyPath = ("platform", "device", index)
        if isinstance(entry, HostDiskEntry):
            disks.append(_disk(entry, lines.free_unless(entry.interrupt, entry.name, diagnostics)))
            entries.append(entry)
        elif isinstance(entry, NicEntry) and index in owners:
            vm, number = owners[index]
            guest = guests[vm]
            nic = _nic(entry, guest.config.passes[number], lines, diagnostics, path)
            nics.append(_with_traffic(nic, guest, diagnostics))
            owner[entry.name], passes[entry.name] = vm, guest.config.passes[number]
        elif isinstance(entry, BackEndEntry):
            vm_of_back_end = _vm_of_back_end(entry, guests, path, diagnostics)
            if vm_of_back_end is not None:
                free = lines.free_unless(None, entry.name, diagnostics)
                back_ends.append(_back_end(entry, free))
                owner[entry.name] = vm_of_back_end
        elif isinstance(entry, MatchedEntry) and index in owners:
            vm, number = owners[index]
            passed = guests[vm].config.passes[number]
            devices.append(_device(entry, passed, lines, diagnostics, path))
            owner[entry.name], passes[entry.name] = vm, passed
    has_guest_table = scenario.platform.pending_table == "guest"
    return Hardware(
        nics=tuple(nics),
        devices=tuple(devices),
        owner=owner,
        disks=tuple(disks),
        back_ends=tuple(back_ends),
        entries=tuple(entries),
        back_end_entries=tuple(
            one for one in scenario.platform.device if isinstance(one, BackEndEntry)
        ),
        passes=passes,
        has_guest_table=has_guest_table,
    )


class _Matcher:
    """Finds the `pass` entry that belongs to each device of the platform."""

    def __init__(
        self, scenario: Scenario, guests: tuple[GuestEntry, ...], diagnostics: Diagnostics
    ) -> None:
        self._devices = scenario.platform.device
        self._diagnostics = diagnostics
        self.passes: dict[PassKey, PassConfig] = {
            (vm, number): entry
            for vm, guest in enumerate(guests)
            for number, entry in enumerate(guest.config.passes)
        }
        self._guests = guests
        # Invariant: `_owners` has an entry for each device that is matched, and only for those.
        # Two devices may have the same `pass` entry, but then there is a problem for it.
        self._owners: dict[int, PassKey] = {}
        self._has_unmatched = False

    def match_all(self) -> dict[int, PassKey]:
        """Return the `pass` entry of each device by its index; those that say it come first."""
        self._check_names()
        nameless = []
        for index, entry in enumerate(self._devices):
            if isinstance(entry, HostDiskEntry | BackEndEntry):
                continue
            if entry.pass_ == "":
                nameless.append(index)
            else:
                self._match_word(index, entry.pass_)
        # Devices that name their `pass` entry have claimed it by now, so the others choose among
        # what is left.
        for index in nameless:
            self._match_only_one(index)
        # An unmatched device may mean a `pass` entry that is left over: one problem at a time.
        self._note_left_over(is_problem=not self._has_unmatched)
        return self._owners

    def _check_names(self) -> None:
        names: set[str] = set()
        for index, entry in enumerate(self._devices):
            if entry.name in names:
                path = ("platform", "device", index, "name")
                message = f"two devices are called {entry.name!r}"
                self._diagnostics.problem(
                    path, message, word=entry.name, remedy="rename one of them"
                )
            names.add(entry.name)

    def _match_word(self, index: int, word: str | int) -> None:
        path = ("platform", "device", index, "pass")
        found = [key for key, entry in self.passes.items() if is_meant(entry, word)]
        if len(found) == 1:
            self._claim(index, found[0], path)
            return
        self._has_unmatched = True
        written = f"{word:#x}" if isinstance(word, int) and word > 0xFFFF else str(word)
        labels = [entry.label for entry in self.passes.values()]
        if found:
            where = one_of([self._guests[vm].name for vm, _ in found])
            message = f"{written!r} is meant by several pass entries, of {where}"
            remedy = "a device has one owner at a time; name one entry only"
        else:
            message = f"no configuration passes {written!r} through"
            close = nearest(written, labels)
            remedy = f"did you mean {close!r}?" if close else f"say {one_of(labels)}"
            remedy = remedy if labels else "remove the device, or add a pass entry"
        self._diagnostics.problem(path, message, word=written, remedy=remedy)

    def _match_only_one(self, index: int) -> None:
        entry = self._devices[index]
        assert isinstance(entry, MatchedEntry)
        taken = set(self._owners.values())
        free = {key: item for key, item in self.passes.items() if key not in taken}
        found = [key for key, item in free.items() if item.can_do_dma]
        if _only_interrupts(entry):
            # It may stand behind windows marked n, or have no window at all.
            found = [key for key, item in free.items() if not item.can_do_dma] or found
        if entry.interrupt is not None:
            # The interrupt narrows the choice, and never makes it empty.
            on_line = [key for key in found if host_vector(free[key]) == entry.interrupt]
            found = on_line or found
        path: KeyPath = ("platform", "device", index)
        if len(found) == 1:
            self._claim(index, found[0], path)
            return
        self._has_unmatched = True
        if found:
            labels = [free[key].label for key in found]
            message = f"{entry.name!r} could be {one_of(labels)}"
            self._diagnostics.problem(path, message, word=entry.name, remedy="add pass = ...")
        else:
            message = f"no configuration passes a device through that {entry.name!r} could be"
            remedy = "add a pass entry whose window is not marked n, or remove the device"
            self._diagnostics.problem(path, message, word=entry.name, remedy=remedy)

    def _claim(self, index: int, key: PassKey, path: KeyPath) -> None:
        for other, taken in self._owners.items():
            if taken == key:
                label = self.passes[key].label
                message = f"{label!r} is {self._devices[other].name!r} already"
                remedy = "name another pass entry, or remove one of the devices"
                self._diagnostics.problem(path, message, word=label, remedy=remedy)
        entry = self._devices[index]
        if isinstance(entry, UnmodelledEntry):
            label = self.passes[key].label
            self._diagnostics.assume(entry.name, "left out", f"assumed: {entry.reason} ({label})")
        self._owners[index] = key

    def _note_left_over(self, *, is_problem: bool) -> None:
        """Note each `pass` entry that may write memory and has no device in the platform."""
        taken = set(self._owners.values())
        for key, entry in self.passes.items():
            if key in taken:
                continue
            vm = self._guests[key[0]].name
            if entry.can_do_dma and is_problem:
                mark = "" if entry.kind == "pci" else ", or mark its window n if it does no DMA"
                self._diagnostics.problem_at(
                    entry.place,
                    f"{entry.label!r} is passed through to {vm} and may write memory, but the "
                    "platform has no such device",
                    word=entry.label,
                    remedy=f'add a [[platform.device]] of kind "nic" or "unmodelled"{mark}',
                )
            else:
                self._diagnostics.assume(f"{vm}.pass {entry.label}", "left out", left_out(entry))


def _only_interrupts(entry: MatchedEntry) -> bool:
    """Return whether the scenario says of a device that it writes no memory."""
    return isinstance(entry, GenericEntry) and entry.lengths == () and not entry.completion_length


class _InterruptLines:
    """Allocates interrupt numbers that no configuration and no device of the scenario uses."""

    def __init__(self, scenario: Scenario, matcher: _Matcher) -> None:
        # Invariant: `_used` has every line that a configuration or the scenario names, and every
        # line that was allocated; an allocated line therefore has one user.
        self._used = {host_vector(entry) for entry in matcher.passes.values()}
        for entry in scenario.platform.device:
            self._used.add(getattr(entry, "interrupt", None))

    def free_unless(self, given: int | None, name: str, diagnostics: Diagnostics) -> int:
        """Return the given line, or a free one with an assumption that says so."""
        if given is not None:
            return given
        line = self.unused()
        diagnostics.assume(
            f"{name}.interrupt", str(line), "assumed: a line of its own; none is named"
        )
        return line

    def unused(self) -> int:
        """Return a line that nothing else uses."""
        line = _FIRST_FREE_LINE
        while line in self._used:
            line += 1
        self._used.add(line)
        return line


def _nic(
    entry: NicEntry,
    passed: PassConfig,
    lines: _InterruptLines,
    diagnostics: Diagnostics,
    path: KeyPath,
) -> NicPlan:
    nic = NicPlan(**_given(entry, NicPlan, passed, lines, diagnostics, path))
    if nic.prefetch > nic.ring_size:
        diagnostics.problem(
            (*path, "prefetch"),
            f"{entry.name!r} reads {nic.prefetch} descriptors ahead, but its ring has "
            f"{nic.ring_size}",
            word=str(nic.prefetch),
            remedy=f"write at most {nic.ring_size}",
        )
    return nic


def _device(
    entry: MatchedEntry,
    passed: PassConfig,
    lines: _InterruptLines,
    diagnostics: Diagnostics,
    path: KeyPath,
) -> AnyDevicePlan:
    """Return the plan of a device of any kind but a NIC."""
    kind = str(entry.__struct_config__.tag)
    plan = kinds()[_KIND_OF_TAG.get(kind, kind)].plan
    made: AnyDevicePlan = plan(**_given(entry, plan, passed, lines, diagnostics, path))
    return made


def _given(
    entry: MatchedEntry,
    plan: type[msgspec.Struct],
    passed: PassConfig,
    lines: _InterruptLines,
    diagnostics: Diagnostics,
    path: KeyPath,
) -> dict[str, Any]:
    """Return the fields of a device's plan that scenario and configuration determine."""
    vector = host_vector(passed)
    if vector is not None and entry.interrupt not in (None, vector):
        diagnostics.problem(
            (*path, "interrupt"),
            f"{entry.name!r} has interrupt {entry.interrupt}, but {vector} in the configuration",
            word=str(entry.interrupt),
            remedy="remove it here",
        )
    given = entry.interrupt if vector is None else vector
    is_silent = isinstance(entry, GenericEntry) and entry.interrupts is False and given is None
    intid = lines.unused() if is_silent else lines.free_unless(given, entry.name, diagnostics)
    fields: dict[str, Any] = {
        "name": entry.name,
        "intid": intid,
        "trigger": _trigger(entry, passed, diagnostics),
    }
    if isinstance(entry, PassedEntry):
        said = msgspec.to_builtins(entry.traits)
        if entry.traits.reset is None:
            said["reset"] = msgspec.to_builtins(plain_traits(plan).reset)
        fields["traits"] = msgspec.convert(said, Traits)
    fields |= _said(entry, plan, fields)
    return fields


def _said(
    entry: msgspec.Struct, plan: type[msgspec.Struct], known: dict[str, Any]
) -> dict[str, Any]:
    """Return the other fields that an entry sets in a plan, without units."""
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(plan):
        value = getattr(entry, field.name, None)
        if field.name not in known and value is not None:
            is_span = field.type in (Span, Span | None)
            fields[field.name] = parse_span(value) if is_span else value
    return fields


def _with_traffic(nic: NicPlan, guest: GuestEntry, diagnostics: Diagnostics) -> NicPlan:
    """Return the NIC with the frames that the workload of its guest sends it."""
    work = guest.entry.workload.get(nic.name)
    if work is None:
        return nic
    path = (*guest.path, "workload", nic.name)
    refuse_foreign_keys(work, ("frames", "gap", "length"), f"NIC {nic.name!r}", path, diagnostics)
    if work.frames is not None:
        nic = msgspec.structs.replace(nic, frames=work.frames)
    if work.gap is not None:
        nic = msgspec.structs.replace(nic, gap=parse_span(work.gap))
    if work.length is not None:
        nic = msgspec.structs.replace(nic, frame_length=work.length)
    if nic.frame_length > nic.buffer_length:
        diagnostics.problem(
            (*path, "length"),
            f"frames of {nic.frame_length} bytes do not fit into buffers of {nic.buffer_length}",
            word=str(nic.frame_length),
            remedy=f"write at most {nic.buffer_length}, or enlarge buffer_length of {nic.name!r}",
        )
    return nic


def refuse_foreign_keys(
    work: Workload, known: tuple[str, ...], whose: str, path: KeyPath, diagnostics: Diagnostics
) -> None:
    """Note the keys of a workload that this kind of device does not have."""
    for key in Workload.__struct_fields__:
        if key not in known and getattr(work, key) is not None:
            remedy = f"its workload may have {', '.join(known)}"
            diagnostics.problem((*path, key), f"{whose} has no {key!r}", word=key, remedy=remedy)


def _vm_of_back_end(
    entry: BackEndEntry, guests: tuple[GuestEntry, ...], path: KeyPath, diagnostics: Diagnostics
) -> int | None:
    """Return the index of the only VM that has the vdev, or note that there is none."""
    found = [index for index, guest in enumerate(guests) if entry.vdev in guest.vdevs]
    if len(found) == 1:
        return found[0]
    if found:
        message = f"several VMs have a vdev {entry.vdev!r}"
        remedy = "give it a name of its own in one of the configurations"
        diagnostics.problem((*path, "vdev"), message, word=entry.vdev, remedy=remedy)
    else:
        names = [name for guest in guests for name in guest.vdevs]
        diagnostics.unknown((*path, "vdev"), "vdev", entry.vdev, names)
    return None


def _back_end(entry: BackEndEntry, intid: int) -> UserBackEndPlan:
    known: dict[str, Any] = {"name": entry.name, "intid": intid}
    return UserBackEndPlan(**known, **_said(entry, UserBackEndPlan, known))


def _disk(entry: HostDiskEntry, intid: int) -> DiskPlan:
    kind = str(entry.__struct_config__.tag).removeprefix("host-")
    service = getattr(Timing(), DISK_KINDS[kind])
    known: dict[str, Any] = {"service": service, "kind": kind}
    if isinstance(entry, HostSdmmcEntry):
        known |= {"slots": 1, "terminate": entry.terminate}
    elif isinstance(entry, QueueingDiskEntry) and entry.slots is not None:
        known["slots"] = entry.slots
    disk = DiskPlan(entry.name, entry.driver or f"devb-{kind}", intid, **known)
    if entry.service is not None:
        disk = msgspec.structs.replace(disk, service=parse_span(entry.service))
    return disk


def _trigger(entry: MatchedEntry, passed: PassConfig, diagnostics: Diagnostics) -> str:
    """Return how a device interrupts; `u` is allowed only where lines are edge-triggered."""
    if entry.trigger is not None:
        return entry.trigger
    if passed.kind == "pci":
        return "message"
    line = used_line(passed)
    if line is None or "u" not in line.flags:
        return "level"
    basis = "assumed: `u` of its `intr` is for edges (QNX 7.1 hypervisor safety guide, vm/pass)"
    diagnostics.assume(f"{entry.name}.trigger", "edge", basis)
    return "edge"
