"""A kernel in which the devices of one group work, and all others stand idle.

The system builds the idle devices like all others.  So addresses, PCI functions and what qvm does
about these devices are those of the whole system.  But none of their processes ever takes a step.
The only effect that they would have had on the working group is the time that their callbacks
take.  The maker of the slice supplies this time (`build_of_slice`).

The kernel checks while the slice runs that there is no other effect.  It raises an error if:

- a process of the group enters a component of another group, by any of its attributes;
- a process of the group changes an interrupt line of another group;
- a process accesses memory that a driver of another group has;
- a hub enters an idle component by a method that is not in `DOORS`.  The methods in `DOORS` are
  known to give the hub nothing on which the time or the kind of its next action depends.

**Why that suffices**, by induction over the events of any run of the whole system.  Leave out of
that run every event of processes of other groups.  Claim: what remains is a run of the slice.

- At the beginning all components of the group, the common part of the hubs and the group's part of
  each hub are as in the slice.  Let it be so before an event.
- If a process of the group acts, the same code finds the same state in the slice.  The slice checks
  what it enters.  So it enters only the group, the hubs' common part and the group's part of them,
  and leaves them as in the slice.
- If a hub acts, it acts in the slice too.  On the group it acts as in the whole.  On others it acts
  through a door, which decides only how long a callback takes, and the slice has every such length.
- If a process of another group acts, its own slice has checked what it enters.  That is nothing of
  this group, nor of the hubs' common part.

So each run of the whole, seen from a group, is a run of its slice.  What holds of all runs of the
slice therefore holds of it.
"""

import functools
import inspect
from collections.abc import Callable, Collection, Generator, Mapping
from typing import Any

from simpy.events import Event, Process

from ..base.clock import Span
from ..base.errors import InternalError
from ..bus.memory import PhysicalMemory
from ..machine.system import builder
from ..plan.independence import HUB, IndependentGroups
from ..plan.system_plan import SystemPlan
from ..sim.kernel import Kernel
from .dense_kernel import Build, DenseKernel, _never

__all__ = ["InfluenceError", "SliceKernel", "build_of_slice", "kernel_of_slice"]

_CONSTANT = frozenset(
    {
        *("name", "kernel", "timing", "__class__", "__dict__"),
        *("plan", "wiring", "port", "device"),
        # The bus reads base addresses of every function to find the owner of an address.  Only the
        # PCI server writes them, before any driver looks for its device.
        *("function", "pci"),
    }
)
"""Attributes of a component that do not change while devices work: reading them is no influence."""

DOORS = frozenset(
    {
        *("config_read", "config_write"),  # the PCI server places it
        *("control", "run"),  # qvm reports the state of the VM's life, the guest starts drivers
        *("end_worker", "disconnect", "server_name"),  # the death of qvm
        "is_quiet_for",  # whether qvm wipes memory that no device reads any more
        *("interrupts", "handled"),  # threads of qvm wait for interrupts that never come
    }
)
"""Attributes by which hubs may enter components that stand idle."""

_ACCESS = ("__getattribute__", "__setattr__")


class InfluenceError(InternalError):
    """A group influences another one although the wiring graph says that it cannot.

    Args:
        actor: The component that acts.
        target: What it reaches.
        how: The access by which it does so.
    """

    def __init__(self, actor: str, target: str, how: str) -> None:
        self.actor = actor
        self.target = target
        self.how = how
        super().__init__(actor, target, how)

    def __str__(self) -> str:
        """Say which edge the graph lacks, and how to go on."""
        return (
            f"{self.actor} reaches {self.target} ({self.how}), but the wiring graph has no such "
            "influence; prove it with --no-slicing"
        )


class SliceKernel(DenseKernel):
    """Runs one group of a system.

    Args:
        groups: The groups of the system.
        number: The number of the group that works.
        foreign_lines: Interrupt numbers of the other groups.
        pinned: Answers to open questions that are fixed, by label.
    """

    def __init__(
        self,
        groups: IndependentGroups,
        number: int,
        foreign_lines: Collection[int] = (),
        pinned: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(pinned=pinned)
        self._groups = groups
        self._number = number
        self._foreign_lines = frozenset(foreign_lines)
        self._numbers: dict[str, int] = {}
        self._owners: dict[Process, str] = {}
        self._fences: list[tuple[int, int]] = []

    # What the model calls.

    def process(self, generator: Generator[Event, Any, Any]) -> Process:
        """Start a process; one of a component that stands idle never takes a step."""
        owner = generator.gi_frame.f_locals.get("self")  # type: ignore[attr-defined]
        name = str(getattr(owner, "name", ""))
        if not self._is_foreign(name):
            process = super().process(generator)
            self._owners[process] = name
            return process
        # The process exists, so that its component can wait for it or kill it.  It never acts, so
        # it is no part of a state.
        process = super().process(_never(self))
        self.processes.pop()
        return process

    def emit(self, source: str, event: Any) -> int:
        """Append an event to the trace; an event of another group's line must come from a hub."""
        intid = getattr(event, "intid", None)
        if intid in self._foreign_lines and not self._is_hub_at_work():
            raise InfluenceError(self._actor(), f"interrupt {intid}", type(event).__name__)
        return super().emit(source, event)

    # Called by `build_of_slice`.

    def watch(self) -> None:
        """Check accesses from here on: the system is built."""
        # Invariant: while the system is built, no process has acted, so no access is missed.
        for component in self.enrolled:
            # `arenas` are the parts of guest memory that drivers use, by the driver's name.
            ranges: dict[str, tuple[int, int]] = vars(component).get("arenas", {})
            self._fences += [each for name, each in ranges.items() if self._is_foreign(name)]
        for component in self.enrolled:
            if isinstance(component, PhysicalMemory):
                component.__class__ = _fenced(type(component))  # type: ignore[arg-type]
            elif self._is_foreign(component.name):
                component.__class__ = _guarded(type(component))  # type: ignore[arg-type]

    # Called by watched components.

    def check_component(self, component: Any, attribute: str) -> None:
        """Check that the acting process may enter a component that stands idle.

        Raises:
            InfluenceError: If it may not.
        """
        # Without an actor the access comes from the search or from a callback of an event.
        if not self._actor():
            return
        if self._is_hub_at_work() and (attribute in DOORS or _is_inside(component)):
            return
        raise InfluenceError(self._actor(), component.name, attribute)

    def check_memory(self, addr: int, length: int) -> None:
        """Check that an access to memory touches no memory of another group's drivers.

        Raises:
            InfluenceError: If it does.
        """
        # Invariant: a fence is a half-open range, `start <= address < end`.
        for start, end in self._fences:
            if addr < end and addr + length > start:
                raise InfluenceError(self._actor() or "the host", f"memory at {addr:#x}", "access")

    def _is_foreign(self, name: str) -> bool:
        """Return whether a component belongs to a group that stands idle.

        Raises:
            InfluenceError: If the wiring graph does not know it at all.
        """
        number = self._numbers.get(name)
        if number is None:
            found = self._groups.number_of(name)
            if found is None:
                raise InfluenceError(name, "the system", "it is in no group and no hub")
            number = self._numbers[name] = found
        return number not in {HUB, self._number}

    def _actor(self) -> str:
        """Return the component whose process is at work; empty if no process is."""
        process = self.active_process
        return "" if process is None else self._owners.get(process, "an unknown process")

    def _is_hub_at_work(self) -> bool:
        """Return whether no process of the group is at work."""
        actor = self._actor()
        return not actor or self._numbers.get(actor) == HUB


def kernel_of_slice(
    plan: SystemPlan, groups: IndependentGroups, number: int
) -> Callable[..., SliceKernel]:
    """Return what makes kernels in which one group of a plan works."""
    lines = {
        each.intid
        for each in (*plan.passable, *plan.disks)
        if groups.number_of(each.name) != number
    }

    def make(*, pinned: Mapping[str, str] | None = None) -> SliceKernel:
        return SliceKernel(groups, number, lines, pinned)

    return make


def build_of_slice(plan: SystemPlan, callback_spans: Mapping[tuple[str, str], Span]) -> Build:
    """Return what builds a plan in the kernel of a slice.

    Args:
        plan: The whole system.
        callback_spans: How long callbacks of devices take that stand idle, by VM and vdev.
    """
    build = builder(plan, callback_spans)

    def build_and_watch(kernel: Kernel) -> Event:
        assert isinstance(kernel, SliceKernel)
        observed = build(kernel)
        kernel.watch()
        return observed

    return build_and_watch


def _is_inside(component: object) -> bool:
    """Return whether the access comes from the component's own code, entered by a door."""
    # A hub that came through a door runs methods of the idle component; what these touch of their
    # own component is part of the door.
    frame = inspect.currentframe()
    while frame is not None:
        is_method = frame.f_code.co_name not in _ACCESS
        if is_method and frame.f_locals.get("self") is component:
            return True
        frame = frame.f_back
    return False


@functools.cache
def _guarded(kind: type) -> type:
    """Return a class like `kind` whose accesses to attributes are checked."""

    class Guarded(kind):  # type: ignore[misc]
        __observed__ = kind

        def __getattribute__(self, attribute: str) -> Any:
            if attribute not in _CONSTANT:
                self.kernel.check_component(self, attribute)
            return object.__getattribute__(self, attribute)

        def __setattr__(self, attribute: str, value: object) -> None:
            self.kernel.check_component(self, attribute)
            object.__setattr__(self, attribute, value)

    return Guarded


@functools.cache
def _fenced(kind: type[PhysicalMemory]) -> type:
    """Return a class like the memory's that checks the address of every access."""

    class Fenced(kind):  # type: ignore[misc, valid-type]
        __observed__ = kind

        def commit(self, addr: int, length: int) -> None:
            self.kernel.check_memory(addr, length)
            super().commit(addr, length)

        def read(self, addr: int, length: int) -> bytes:
            self.kernel.check_memory(addr, length)
            found: bytes = super().read(addr, length)
            return found

        def write(self, addr: int, data: bytes) -> None:
            self.kernel.check_memory(addr, len(data))
            super().write(addr, data)

    return Fenced
