"""What the vdevs of a VM do when it is terminated, and what a scenario may say of them."""

from typing import NamedTuple

from ...model.base.clock import SECOND, format_ns, parse_ns
from ...model.hardware import redistributor
from ...model.hardware.registry import kind_of_plan
from ...model.host import user_back_end_procedure
from ...model.plan.procedures import PCIE_BOUNDS
from ...model.plan.system_plan import QuiescePlan, StepPlan
from ...model.vdev import shared_memory, virtio_vdev
from ..format.diagnostics import Diagnostics
from ..format.schema import Quiesce, Step
from ..format.schema_check import one_of
from ..format.toml_places import KeyPath
from ..qvmconf.config import VmConfig
from .guests import GuestEntry
from .hardware import Hardware
from .vdev_plans import known_vdevs

_VDEV_PROCEDURE = ("stop-queue", "join-worker", "cancel", "drain")
"""What a virtio vdev does if the scenario names no steps.

It accepts no new request, joins the thread that submits, cancels what waits and drains the rest."""

FOR_EVER_NS = 365 * 24 * 3600 * SECOND
"""The bound of a wait without one, a year; every run is shorter."""


def check_workload_names(
    guest: GuestEntry, hardware: Hardware, vm_index: int, diagnostics: Diagnostics
) -> None:
    """Note each workload that names no NIC and no vdev of the VM."""
    vdevs = known_vdevs(guest)
    names = [nic.name for nic in hardware.nics if hardware.owner[nic.name] == vm_index] + vdevs
    for name in guest.entry.workload:
        if name not in names:
            remedy = "a workload belongs to a NIC of the platform or a virtio vdev"
            path = (*guest.path, "workload", name)
            diagnostics.unknown_key(path, "device", names, remedy=remedy)
    for name in guest.entry.vdev:
        if name not in vdevs:
            remedy = "only virtio vdevs of the configuration can be described here"
            diagnostics.unknown_key((*guest.path, "vdev", name), "vdev", vdevs, remedy=remedy)


def quiesce_of(
    guest: GuestEntry, hardware: Hardware, vm_index: int, diagnostics: Diagnostics
) -> tuple[QuiescePlan, ...]:
    """Return what the vdevs of a VM do at termination, in the order of the configuration."""
    passed = [name for name, owner in hardware.owner.items() if owner == vm_index]
    if hardware.has_guest_table:
        passed.append(redistributor.NAME)
    vdevs = known_vdevs(guest)
    plans: list[tuple[int, QuiescePlan]] = []
    for index, entry in enumerate(guest.entry.quiesce):
        path: KeyPath = (*guest.path, "quiesce", index)
        if entry.vdev not in guest.vdevs:
            remedy = f"add `vdev {entry.vdev}` to {_main_file(guest.config)}"
            diagnostics.unknown((*path, "vdev"), "vdev", entry.vdev, guest.vdevs, remedy=remedy)
            continue
        device = entry.device or entry.vdev
        if device not in passed + vdevs:
            key = "device" if entry.device else "vdev"
            names = passed + vdevs
            remedy = f"name {one_of(names)}" if names else "there is no such device"
            diagnostics.unknown((*path, key), "device", device, names, remedy=remedy)
            continue
        usual = _of_hardware(hardware, device) if device in passed else _of_vdev(guest, device)
        steps = _steps(entry, device, usual, path, diagnostics)
        position = guest.vdevs.index(entry.vdev)
        plans.append((position, QuiescePlan(entry.vdev, device, steps, entry.on_timeout)))
    return tuple(plan for _, plan in sorted(plans, key=lambda item: item[0]))


class KnownProcedure(NamedTuple):
    """What is known of a device's procedure.

    Attributes:
        known: Every step, with what it does.
        bounds: The steps that wait, with the usual bound in nanoseconds.
        order: The documented order.
    """

    known: dict[str, str]
    bounds: dict[str, int]
    order: tuple[str, ...]


def _steps(
    entry: Quiesce, device: str, usual: KnownProcedure, path: KeyPath, diagnostics: Diagnostics
) -> tuple[StepPlan, ...]:
    """Return the steps with their bounds; the documented procedure if the scenario has none."""
    known, bounds, names = usual
    if entry.steps is None:
        basis = "assumed: the documented procedure, as the scenario names no steps"
        diagnostics.assume(f"{entry.vdev}.{device}.steps", ", ".join(names), basis)
        for name in names:
            _assume_endless(f"{entry.vdev}.{device}.{name}", bounds.get(name, 0), diagnostics)
        return tuple(StepPlan(name, bounds.get(name, 0)) for name in names)
    steps = []
    for index, item in enumerate(entry.steps):
        step = Step(item) if isinstance(item, str) else item
        here: KeyPath = (*path, "steps", index)
        if step.name not in known:
            here = here if isinstance(item, str) else (*here, "name")
            diagnostics.unknown(here, f"step for {device!r},", step.name, known)
            continue
        default_ns = bounds.get(step.name, 0)
        if step.bound is not None and default_ns == 0:
            message = f"step {step.name!r} waits for nothing, so it has no bound"
            diagnostics.problem((*here, "bound"), message, word=step.bound, remedy="remove it")
        bound_ns = default_ns if step.bound is None else parse_ns(step.bound)
        steps.append(StepPlan(step.name, bound_ns))
        if step.bound is None and default_ns == FOR_EVER_NS:
            _assume_endless(f"{entry.vdev}.{device}.{step.name}", default_ns, diagnostics)
        elif step.bound is None and default_ns:
            diagnostics.assume(
                f"{entry.vdev}.{device}.{step.name}",
                format_ns(default_ns),
                "assumed: the bound of the documented procedure",
            )
    return tuple(steps)


def _assume_endless(name: str, bound_ns: int, diagnostics: Diagnostics) -> None:
    """Note a wait that the configuration does not bound."""
    if bound_ns == FOR_EVER_NS:
        diagnostics.assume(name, "for ever", "given by the configuration: message-block-timeout 0")


def _of_hardware(hardware: Hardware, device: str) -> KnownProcedure:
    if device == redistributor.NAME:
        procedure = redistributor.PROCEDURE
    elif device in [one.name for one in hardware.back_ends]:
        procedure = user_back_end_procedure.PROCEDURE
    else:
        procedure = kind_of_plan(type(hardware.plan_of(device))).procedure
    bounds = PCIE_BOUNDS | user_back_end_procedure.USUAL_BOUNDS | dict(procedure.documented)
    return KnownProcedure(procedure.steps, bounds, tuple(name for name, _ in procedure.documented))


def _of_vdev(guest: GuestEntry, vdev: str) -> KnownProcedure:
    if guest.config.vdevs[guest.vdevs.index(vdev)].type == "shmem":
        return KnownProcedure(shared_memory.STEPS, {}, tuple(shared_memory.STEPS))
    bounds = dict.fromkeys(virtio_vdev.BOUNDED_STEPS, _drain_bound_ns(guest, vdev))
    return KnownProcedure(virtio_vdev.STEPS, bounds, _VDEV_PROCEDURE)


def _drain_bound_ns(guest: GuestEntry, device: str) -> int:
    """Return after how long qvm unblocks a message to the host driver, in nanoseconds."""
    index = guest.vdevs.index(device)
    timeout_ns = guest.config.vdev_block_timeout_ns(index)
    return FOR_EVER_NS if timeout_ns is None else timeout_ns


def block_timeout_of(guest: GuestEntry) -> int | None:
    """Return how long a vdev waits for a stalled disk server, from the configuration.

    That of the first virtio-blk vdev counts, or else that of the VM.  Nanoseconds; 0 for never,
    None if the configuration does not say.
    """
    config = guest.config
    blocks = [index for index, vdev in enumerate(config.vdevs) if vdev.type == "virtio-blk"]
    places = {-1, *blocks[:1]}
    said = [one for one in config.settings if one.vdev in places]
    if not any(one.variable.endswith("message-block-timeout") for one in said):
        return None
    timeout_ns = config.vdev_block_timeout_ns(blocks[0]) if blocks else config.block_timeout_ns
    return timeout_ns or 0


def _main_file(config: VmConfig) -> str:
    return config.files[-1] if config.files else "the configuration"
