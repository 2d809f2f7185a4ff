"""From a scenario and its configurations to the plan of a run.

The resolver looks up every name and turns every duration into nanoseconds.  It reports all errors
at once, each with file and line, and records each assumption for the verdicts.
"""

from collections import Counter
from itertools import combinations

import msgspec

from ...model.base.addresses import FRAME_SIZE
from ...model.base.clock import Span, parse_ns, parse_span
from ...model.base.errors import Place
from ...model.guest.drivers import memory_needed
from ...model.guest.layout import DRIVERS_START
from ...model.host.host import VM_MEMORY_START
from ...model.machine.system import header_of
from ...model.plan.faults import Faults
from ...model.plan.iommu_plan import IommuPlan
from ...model.plan.observation import until_all_have_acted
from ...model.plan.system_plan import (
    AfterPlan,
    CrashPlan,
    EndPlan,
    NicPlan,
    RamPlan,
    ShutdownPlan,
    SystemPlan,
    VmPlan,
)
from ...model.plan.timing import Timing
from ...model.plan.virtio_plan import (
    AnyVdevPlan,
    BlockPlan,
    ConsolePlan,
    EntropyPlan,
    NetPlan,
    SharedMemoryPlan,
)
from ...model.trace.events import Assumption
from ..format.diagnostics import Diagnostics
from ..format.loader import ScenarioSource
from ..format.schema import After, End, Scenario
from ..format.toml_places import KeyPath
from ..qvmconf.config import VmConfig
from . import replay
from .guests import GuestEntry, check_architecture, guests_of
from .hardware import Hardware, hardware_of
from .interrupts import interrupts_of
from .origins import origins_of
from .replay import Recording
from .translation import iommu_plan
from .vdev_plans import plans_of
from .vdevs import block_timeout_of, check_workload_names, quiesce_of
from .without_effect import note_without_effect


class ResolvedScenario(msgspec.Struct, frozen=True):
    """A scenario that is ready to run.

    Attributes:
        plan: The system and its run, but for the choices.
        assumptions: What the resolver assumed where the files say nothing.
        expect: Property to the verdict that the scenario expects of it.
        configs: The configurations of the VMs.
        origins: The place that describes each component; see `origins`.
        recorded: What the replay file of the scenario holds, if it names one.
    """

    plan: SystemPlan
    assumptions: tuple[Assumption, ...]
    expect: dict[str, str]
    configs: tuple[VmConfig, ...]
    origins: dict[str, Place] = {}
    recorded: Recording | None = None


def resolve(source: ScenarioSource) -> ResolvedScenario:
    """Return the plan that a scenario describes.

    Raises:
        ConfigError: If a configuration cannot be used.
        ScenarioError: If scenario, configurations and hardware do not fit each other.
        TraceFormatError: If the replay file cannot be used.
    """
    diagnostics = Diagnostics(source.places)
    scenario = source.scenario
    guests = guests_of(source, diagnostics)
    hardware = hardware_of(scenario, guests, diagnostics)
    iommu = iommu_plan(scenario, guests, hardware, diagnostics)
    if ("platform", "iommu") not in source.places.spots:
        basis = "assumed: the scenario names no IOMMU; guests are unity-mapped"
        diagnostics.assume("platform.iommu", "none", basis)
    interrupts = interrupts_of(scenario, guests, hardware, diagnostics)
    vms = []
    for index, guest in enumerate(guests):
        check_architecture(guest, scenario, diagnostics)
        vm = _vm(guest, hardware, index, diagnostics)
        if "message_block_timeout" not in scenario.timing:
            vm = msgspec.structs.replace(vm, block_timeout_ns=block_timeout_of(guest))
        is_timed = "message_block_timeout" in scenario.timing
        note_without_effect(guest, vm, hardware, diagnostics, is_timed=is_timed)
        vms.append(vm)
    # The plan below needs values that a problem may have left out.
    diagnostics.raise_problems()
    plan = SystemPlan(
        name=source.name,
        description=scenario.description,
        vms=tuple(vms),
        nics=hardware.nics,
        devices=hardware.devices,
        disks=hardware.disks,
        back_ends=hardware.back_ends,
        iommu=iommu is not None,
        iommu_unit=iommu or IommuPlan(),
        smmuman_crash=_crash(scenario),
        interrupts=interrupts,
        detail=scenario.detail,
        timing=_timing(scenario),
        pinned=dict(scenario.choices),
        faults=msgspec.convert(msgspec.to_builtins(scenario.faults), Faults),
        teardown_ns_max=parse_ns(scenario.bounds.teardown),
        irq_after_teardown_max=scenario.bounds.irq_after_teardown,
        quiet_ns_max=parse_ns(scenario.bounds.quiet),
    )
    if scenario.mutant is not None:
        plan = _mutated(plan, scenario.mutant.name, diagnostics)
    # A mutant may change which sources act and how often, so the plan has it by now.
    if scenario.observe is None:
        observe = until_all_have_acted(plan)
    else:
        observe = parse_span(scenario.observe)
    plan = msgspec.structs.replace(plan, observe=observe)
    _check_unity(guests, plan, diagnostics)
    _check_names(plan, scenario, guests, diagnostics)
    diagnostics.raise_problems()
    configs = tuple(guest.config for guest in guests)
    expect = {name: str(verdict) for name, verdict in scenario.expect.items()}
    origins = origins_of(source, guests, hardware)
    recorded = replay.read(source.folder / scenario.replay) if scenario.replay else None
    assumptions = tuple(diagnostics.assumptions)
    return ResolvedScenario(plan, assumptions, expect, configs, origins, recorded)


def _crash(scenario: Scenario) -> CrashPlan | None:
    after = scenario.smmuman.crash
    if after is None:
        return None
    return CrashPlan(parse_span(after.delay), _after(after))


def _after(after: After) -> AfterPlan:
    return AfterPlan(after.event, after.source, after.count, after.milestone)


def _vm(guest: GuestEntry, hardware: Hardware, index: int, diagnostics: Diagnostics) -> VmPlan:
    check_workload_names(guest, hardware, index, diagnostics)
    vdevs = plans_of(guest, hardware, diagnostics)
    nics = tuple(nic for nic in hardware.nics if hardware.owner[nic.name] == index)
    back_ends = [one.name for one in hardware.back_ends if hardware.owner[one.name] == index]
    vm = VmPlan(
        name=guest.name,
        ram=_ram(guest, nics, vdevs, diagnostics),
        nics=tuple(nic.name for nic in nics),
        devices=tuple(one.name for one in hardware.devices if hardware.owner[one.name] == index),
        back_ends=tuple(back_ends),
        blocks=tuple(vdev for vdev in vdevs if isinstance(vdev, BlockPlan)),
        nets=tuple(vdev for vdev in vdevs if isinstance(vdev, NetPlan)),
        consoles=tuple(vdev for vdev in vdevs if isinstance(vdev, ConsolePlan)),
        entropies=tuple(vdev for vdev in vdevs if isinstance(vdev, EntropyPlan)),
        factories=tuple(vdev for vdev in vdevs if isinstance(vdev, SharedMemoryPlan)),
        bus_scan_limit=guest.entry.bus_scan_limit,
        quiesce=quiesce_of(guest, hardware, index, diagnostics),
        end=_end(guest.entry.end, (*guest.path, "end"), diagnostics),
        then=_then(guest, diagnostics),
        restart=guest.entry.restart,
    )
    return msgspec.structs.replace(vm, shutdown_handlers=_shutdown_handlers(guest, vm, diagnostics))


def _shutdown_handlers(
    guest: GuestEntry, vm: VmPlan, diagnostics: Diagnostics
) -> tuple[ShutdownPlan, ...]:
    """Return what the scenario says of drivers at an orderly shutdown, in the order of a plan."""
    said = guest.entry.shutdown_handler
    for name in said:
        if name not in vm.driven:
            remedy = "only a driver of the guest can stop something"
            path = (*guest.path, "shutdown_handler", name)
            diagnostics.unknown_key(path, "device", vm.driven, remedy=remedy)
    return tuple(ShutdownPlan(name, said[name]) for name in vm.driven if name in said)


def _ram(
    guest: GuestEntry,
    nics: tuple[NicPlan, ...],
    vdevs: list[AnyVdevPlan],
    diagnostics: Diagnostics,
) -> tuple[RamPlan, ...]:
    """Return the guest memory, which must hold what the drivers allocate."""
    if not guest.config.ram:
        file = guest.config.files[-1] if guest.config.files else guest.name
        remedy = "add a line such as `ram 0x80000000,128M`"
        diagnostics.problem_at(Place(file), f"{guest.name} has no RAM", word="ram", remedy=remedy)
        return ()
    needed = DRIVERS_START
    needed += sum(nic.ring_size * (nic.buffer_length + 16) + FRAME_SIZE for nic in nics)
    needed += sum(memory_needed(vdev) for vdev in vdevs)
    if guest.config.ram[0].length < needed:
        message = f"the drivers of {guest.name} need {-(-needed // 1024)} KiB in its first RAM"
        remedy = "enlarge it, or shrink rings and requests"
        diagnostics.problem_at(guest.config.ram[0].place, message, remedy=remedy)
    return tuple(RamPlan(region.start, region.length) for region in guest.config.ram)


def _then(guest: GuestEntry, diagnostics: Diagnostics) -> tuple[EndPlan, ...]:
    """Return the further causes of a VM's end; they need a first one, the key `end`."""
    if guest.entry.then and guest.entry.end is None:
        message = "'then' adds to an 'end', and there is none"
        diagnostics.problem((*guest.path, "then", 0), message, remedy="call the first cause 'end'")
    plans = [
        _end(end, (*guest.path, "then", index), diagnostics)
        for index, end in enumerate(guest.entry.then)
    ]
    return tuple(plan for plan in plans if plan is not None)


def _end(end: End | None, path: KeyPath, diagnostics: Diagnostics) -> EndPlan | None:
    """Return how a VM ends; the scenario must say when, in one way."""
    if end is None:
        return None
    if end.at is not None and end.after is not None:
        diagnostics.problem(
            path, "'at' and 'after' exclude each other", remedy="remove one of them"
        )
    elif end.at is None and end.after is None:
        remedy = 'write at = "250us", at = "any" or after = { event = "DmaIssued" }'
        diagnostics.problem(path, "the instant of the end is missing", remedy=remedy)
    if end.at == "any" and end.within is None:
        remedy = 'add within = "1ms": how long after the start it may come'
        diagnostics.problem((*path, "at"), "'any' needs a window", word="any", remedy=remedy)
    if end.at != "any" and end.within is not None:
        message = "'within' goes with at = \"any\" only"
        remedy = 'write at = "0ns..1ms" for a span'
        diagnostics.problem((*path, "within"), message, word=end.within, remedy=remedy)
    if end.after is not None:
        return EndPlan(end.cause, parse_span(end.after.delay), _after(end.after))
    if end.at == "any":
        return EndPlan(end.cause, Span(0, parse_ns(end.within or "0ns")))
    return EndPlan(end.cause, parse_span(end.at or "0ns"))


def _timing(scenario: Scenario) -> Timing:
    spans = {key: parse_span(text) for key, text in scenario.timing.items()}
    return msgspec.structs.replace(Timing(), **spans)


def _mutated(plan: SystemPlan, name: str, diagnostics: Diagnostics) -> SystemPlan:
    """Return the plan with a mutant built in."""
    from ..mutants.mutants import mutated  # noqa: PLC0415 - brings in properties and SimPy

    changed = mutated(plan, name)
    if changed is None:
        message = f"{name} has no place in this scenario"
        remedy = "see `quiesce mutants --score` for the designs in which it applies"
        diagnostics.problem(("mutant", "name"), message, word=name, remedy=remedy)
        return plan
    diagnostics.assume("mutant", name, "given by the scenario: one thing is wrong by design")
    return changed


def _check_names(
    plan: SystemPlan, scenario: Scenario, guests: tuple[GuestEntry, ...], diagnostics: Diagnostics
) -> None:
    """Note names that two components share, and ends that wait for a missing component."""
    names = [part.name for part in header_of(plan).parts]
    for name, count in Counter(names).items():
        if count > 1:
            message = f"{name!r} would be the name of two components"
            remedy = "rename the VM, the vdev or the device of the platform"
            diagnostics.problem(("platform", "device"), message, word=name, remedy=remedy)
    waits = [(end.after, (*path, "after")) for guest in guests for end, path in guest.ends]
    waits.append((scenario.smmuman.crash, ("smmuman", "crash")))
    for after, path in waits:
        if after is not None and after.source and after.source not in names:
            diagnostics.unknown((*path, "source"), "component", after.source, names)


def _check_unity(
    guests: tuple[GuestEntry, ...], plan: SystemPlan, diagnostics: Diagnostics
) -> None:
    """Note RAM that overlaps: guests with DMA and no IOMMU stand at host-physical addresses."""
    regions = [
        (region, guest.name)
        for guest, vm in zip(guests, plan.vms, strict=True)
        if plan.has_unity_map(vm)
        for region in guest.config.ram
    ]
    unity = "without an IOMMU guests are unity-mapped"
    remedy = 'move it, or say iommu = "smmuv3"'
    for (one, name), (other, other_name) in combinations(regions, 2):
        if name != other_name and one.start < other.end and other.start < one.end:
            message = f"{unity}, but RAM of {other_name} overlaps RAM of {name}"
            diagnostics.problem_at(other.place, message, remedy=remedy)
    for region, name in regions:
        if region.end > VM_MEMORY_START:
            message = (
                f"{unity}, and from {VM_MEMORY_START:#x} on memory is the host's own, "
                f"but RAM of {name} reaches {region.end:#x}"
            )
            diagnostics.problem_at(region.place, message, remedy=remedy)
