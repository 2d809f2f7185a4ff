"""Hypothesis strategies for systems, terminations, procedures, timings and choices.

They are public, for tests of users' own designs as well as this project's::

    @given(strategies.systems(), strategies.choices())
    def test_nothing_lands_late(plan, choices):
        assert not violated(check(run(plan, choices)))

Each strategy is one draw of bytes, and everything else follows from them: drawing must not cost
more than running. Smaller bytes mean plainer systems, so Hypothesis' own shrinking works. Delays
lean to the ends and the tails of their spans, because races hide there.
"""

from hypothesis import strategies as st

from ...model.base.choices import Biased
from ...model.plan.device_plans import AnyDevicePlan
from ...model.plan.system_plan import EndPlan, NicPlan, StepPlan, SystemPlan
from ...model.plan.termination import CAUSES
from ...model.plan.timing import Timing
from ...model.plan.virtio_plan import AnyVdevPlan
from .byte_draws import ByteDraws
from .drawn_conf import conf_from
from .drawn_devices import DEVICE_KINDS
from .drawn_parts import Surroundings
from .drawn_plans import (
    DRAWN_SPANS,
    Platform,
    mutant_of,
    platform_from,
    system_from,
    termination_from,
    timing_from,
)
from .drawn_procedures import NIC_PROCEDURES, PROCEDURES, VDEV_PROCEDURES
from .drawn_vdevs import VDEV_KINDS

__all__ = [
    "choices",
    "configurations",
    "mutants",
    "platforms",
    "procedures",
    "runs",
    "systems",
    "terminations",
    "timings",
    "workloads",
]

_SYSTEM_BYTES = 180

_EVENTS = tuple(dict.fromkeys(event for kind in DEVICE_KINDS for event in kind.events))
_DOCUMENTED = (
    {name: (steps,) for name, steps in PROCEDURES.items()}
    | {
        "nic": NIC_PROCEDURES,
    }
    | {kind.name: VDEV_PROCEDURES for kind in VDEV_KINDS}
)
_CALLBACK_EVENTS = ("CallbackBegun", "QuiesceStepBegun", "QuiesceStepEnded")


def _bytes(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


def choices() -> st.SearchStrategy[Biased]:
    """Return a strategy for the choices of a run; each is good for one run.

    Example:
        >>> from hypothesis import find
        >>> find(choices(), lambda drawn: True).between(3, 9, "eth0.gap")
        3
    """
    return _bytes(Biased.SIZE).map(Biased)


def timings(base: Timing | None = None) -> st.SearchStrategy[Timing]:
    """Return a strategy for timing tables around a base: its spans, their ends, their tails.

    Args:
        base: None for spans that keep runs small.

    Example:
        >>> from hypothesis import find
        >>> find(timings(Timing()), lambda drawn: True) == Timing()
        True
    """
    size = len(DRAWN_SPANS)
    if base is None:
        return _bytes(size).map(lambda data: timing_from(ByteDraws(data)))
    return _bytes(size).map(lambda data: timing_from(ByteDraws(data), base))


def workloads() -> st.SearchStrategy[NicPlan | AnyDevicePlan | AnyVdevPlan]:
    """Return a strategy for the work of a device: frames at a NIC, requests to a vdev.

    Example:
        >>> from hypothesis import find
        >>> find(workloads(), lambda device: device.name.startswith("blk")).requests
        4
    """

    def workload(data: bytes) -> NicPlan | AnyDevicePlan | AnyVdevPlan:
        draws = ByteDraws(data)
        return draws.pick(DEVICE_KINDS).draw(draws, Surroundings(0)).plan

    return _bytes(24).map(workload)


def terminations(
    causes: tuple[str, ...] = (), *, during_callback: bool = False
) -> st.SearchStrategy[EndPlan]:
    """Return a strategy for ends: a cause, and an absolute instant or one after the n-th event.

    Args:
        causes: Names of the causes to draw from; all if none is given.
        during_callback: Whether the instant lies in a vdev's callback. Another end must have begun
            it: such an end belongs into `VmPlan.then`.

    Example:
        >>> from hypothesis import find
        >>> find(terminations(("sigkill",)), lambda end: end.after is not None).after.count
        1
        >>> find(terminations(during_callback=True), lambda end: True).after.event
        'CallbackBegun'
    """
    chosen = causes or tuple(cause.name for cause in CAUSES if cause.path)
    if not during_callback:
        return _bytes(6).map(lambda data: termination_from(ByteDraws(data), chosen, _EVENTS))

    def end(data: bytes) -> EndPlan:
        # A zero byte in front makes the instant one after an event.
        return termination_from(ByteDraws(data[:2] + b"\0" + data[2:]), chosen, _CALLBACK_EVENTS)

    return _bytes(5).map(end)


def platforms() -> st.SearchStrategy[Platform]:
    """Return a strategy for the hardware of a system: its devices, disks and IOMMU.

    Example:
        >>> from hypothesis import find
        >>> find(platforms(), lambda platform: platform.iommu).nics[0].name
        'eth0'
    """
    return _bytes(_SYSTEM_BYTES).map(lambda data: platform_from(ByteDraws(data)))


def procedures(kind: str = "nic") -> st.SearchStrategy[tuple[StepPlan, ...]]:
    """Return a strategy for quiesce procedures, right and wrong.

    Args:
        kind: Name of a kind of device, `nic` or `virtio-blk` for example.

    Example:
        >>> from hypothesis import find
        >>> [step.name for step in find(procedures("virtio-blk"), lambda steps: True)]
        ['stop-queue', 'join-worker', 'cancel', 'drain']
    """
    documented = _DOCUMENTED[kind]

    def procedure(data: bytes) -> tuple[StepPlan, ...]:
        draws = ByteDraws(data)
        steps = [StepPlan(*step) for step in draws.pick(documented)]
        for _ in range(draws.below(3)):
            step = steps.pop(draws.below(len(steps)))
            if draws.happens():
                bound_ns = draws.within(0, step.bound_ns)
                steps.insert(draws.below(len(steps) + 1), StepPlan(step.name, bound_ns))
        return tuple(steps)

    return _bytes(16).map(procedure)


def systems(*, devices_max: int = 6, vms_max: int = 3) -> st.SearchStrategy[SystemPlan]:
    """Return a strategy for systems that follow the procedures, in which every property holds.

    Args:
        devices_max: 1 to 6 devices, or fewer.
        vms_max: 1 to 3 guests, or fewer.

    Example:
        >>> from hypothesis import find
        >>> [vm.name for vm in find(systems(), lambda plan: len(plan.vms) == 2).vms]
        ['vm0', 'vm1']
    """

    def system(data: bytes) -> SystemPlan:
        return system_from(ByteDraws(data), devices_max=devices_max, vms_max=vms_max)

    return _bytes(_SYSTEM_BYTES).map(system)


def mutants(plan: SystemPlan | None = None) -> st.SearchStrategy[SystemPlan]:
    """Return a strategy for systems with one thing wrong.

    Args:
        plan: What is spoiled; None for a drawn system.

    Example:
        >>> from hypothesis import find
        >>> find(mutants(), lambda plan: True).faults.memory_before_callbacks
        True
    """

    def mutant(data: bytes) -> SystemPlan:
        draws = ByteDraws(data)
        return mutant_of(plan or system_from(draws), draws)

    return _bytes(8 if plan else _SYSTEM_BYTES).map(mutant)


def runs(*, devices_max: int = 6, vms_max: int = 3) -> st.SearchStrategy[tuple[SystemPlan, Biased]]:
    """Return a strategy for a right system and the choices of a run, in a single draw.

    Example:
        >>> from hypothesis import find
        >>> plan, drawn = find(runs(), lambda pair: True)
        >>> len(plan.vms), drawn.log
        (1, [])
    """

    def both(data: bytes) -> tuple[SystemPlan, Biased]:
        chosen = Biased(data[: Biased.SIZE])
        draws = ByteDraws(data[Biased.SIZE :])
        return system_from(draws, devices_max=devices_max, vms_max=vms_max), chosen

    return _bytes(Biased.SIZE + _SYSTEM_BYTES).map(both)


def configurations() -> st.SearchStrategy[str]:
    """Return a strategy for the text of a `qvm` configuration that can be used.

    Example:
        >>> from hypothesis import find
        >>> find(configurations(), lambda text: "cpu" in text).splitlines()[0]
        'system vm0'
    """
    return _bytes(24).map(lambda data: conf_from(ByteDraws(data)))
