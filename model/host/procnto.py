"""The host kernel's side of interrupts: attach, mask on assertion, unmask, detach.

The kernel masks a line on every assertion and tells its owners; an owner unmasks it when its work
is done, which qvm does only after the guest has handled it (QNX hypervisor guide, qvmirqs), or at
once where its configuration says so for an edge-triggered line (7.1 safety guide, vm/pass).  The
line opens again when nobody owes an unmask.  The first attach unmasks, the last detach masks
(InterruptAttach and InterruptDetach).  A mask owed by an owner that goes away is undone only if
it attached with `_NTO_INTR_FLAGS_TRK_MSK`; otherwise it stays, and on a shared line the other
owners wait for ever.

Where messages have routes, the first attach of a device makes its route and the detach gives it
up and waits until that has taken effect, on a vector that others share as well.
"""

from typing import NamedTuple

from ..interrupts.interrupt_controller import InterruptController
from ..interrupts.message_routes import Route
from ..plan.faults import NO_FAULTS, Faults
from ..plan.open_questions import ACTIVE_AT_DETACH, PENDING_AT_DETACH
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Mailbox, Steps
from ..trace.events import IrqAttached, IrqDetached, IrqHandled, IrqMasked, IrqUnmasked


class TakenIrq(NamedTuple):
    """What an owner is told: which interrupt, from which device, requested in which epoch."""

    intid: int
    requested_epoch: int
    source: str


class Attachment:
    """One owner of a line.

    Attributes:
        route: The way of the device's messages; None if it has none.
        unmasks_at_once: Whether it unmasks before its work is done.
        awaits_unmask: Whether the line waits for this owner.
    """

    def __init__(
        self,
        owner: str,
        epoch: int,
        inbox: Mailbox[TakenIrq],
        tracked: bool,
        route: Route | None = None,
        *,
        unmasks_at_once: bool = False,
    ) -> None:
        self.owner = owner
        self.epoch = epoch
        self.inbox = inbox
        self.tracked = tracked
        self.route = route
        self.unmasks_at_once = unmasks_at_once
        self.awaits_unmask = False


class AttachedLine:
    """The owners of one line.

    Attributes:
        orphaned_mask: Whether an owner went away owing an unmask that nobody will do.
    """

    def __init__(self) -> None:
        self.attachments: list[Attachment] = []
        self.orphaned_mask = False

    @property
    def must_stay_masked(self) -> bool:
        """Whether the line must stay masked."""
        return self.orphaned_mask or any(owner.awaits_unmask for owner in self.attachments)


class HostKernel(Component):
    """The interrupt side of procnto.

    Args:
        faults: Which of its duties it neglects.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        controller: InterruptController,
        faults: Faults = NO_FAULTS,
    ) -> None:
        super().__init__(kernel, "procnto", timing)
        self.controller = controller
        self.faults = faults
        self.lines: dict[int, AttachedLine] = {}
        controller.taker = self

    def attach(
        self,
        intid: int,
        owner: str,
        epoch: int,
        inbox: Mailbox[TakenIrq],
        tracked: bool,
        sender: str = "",
        *,
        unmasks_at_once: bool = False,
    ) -> None:
        """Attach an owner to a line; the first one unmasks it.

        Args:
            intid: The line or vector.
            owner: For whose sake.
            epoch: Its epoch.
            inbox: Where it learns of interrupts.
            tracked: Whether the kernel undoes its masks when it goes.
            sender: The device whose messages are meant; empty for a line.
            unmasks_at_once: Whether the owner unmasks as soon as it has been told.
        """
        line = self.lines.setdefault(intid, AttachedLine())
        is_first = not line.attachments
        route = None
        if sender and self.controller.router is not None:
            route = Route(sender, intid)
            self.controller.router.map(route, epoch)
        attachment = Attachment(
            owner, epoch, inbox, tracked, route, unmasks_at_once=unmasks_at_once
        )
        line.attachments.append(attachment)
        self.emit(IrqAttached(intid, owner, epoch))
        if is_first:
            line.orphaned_mask = False
            self._unmask(intid, "first attach")

    def detach(self, intid: int, owner: str, epoch: int) -> Steps:
        """Detach an owner; the last one masks the line and waits until that has taken effect."""
        line = self.lines[intid]
        detached = next(one for one in line.attachments if (one.owner, one.epoch) == (owner, epoch))
        if detached.route is not None:
            yield from self._remove_route(detached.route, epoch)
        line.attachments.remove(detached)
        if detached.awaits_unmask and not detached.tracked:
            line.orphaned_mask = True
        if not line.attachments and self.faults.detach_before_masked:
            self.emit(IrqDetached(intid, owner, epoch, masked=True))
            yield self.kernel.delay(self.timing.gic_disable_rwp, f"{self.name}.rwp")
            self._mask(intid, "last detach")
            self._deactivate_at_detach(intid)
            return
        if not line.attachments:
            self._mask(intid, "last detach")
            yield self.kernel.delay(self.timing.gic_disable_rwp, f"{self.name}.rwp")
        elif detached.awaits_unmask and not line.must_stay_masked:
            self.controller.deactivate(intid, "kernel")
            self._unmask(intid, "tracked mask undone")
        if not line.attachments:
            self._clear_latch_at_detach(intid)
            self._deactivate_at_detach(intid)
        masked = not line.attachments or line.must_stay_masked
        self.emit(IrqDetached(intid, owner, epoch, masked))

    def drop_owner(self, intid: int, owner: str, epoch: int) -> None:
        """Let an owner go with the whole kernel: the reset controller has every line masked."""
        line = self.lines[intid]
        known = [(one.owner, one.epoch) for one in line.attachments]
        if (owner, epoch) in known:
            line.attachments.pop(known.index((owner, epoch)))
            self._mask(intid, "reset of the host")
            self.emit(IrqDetached(intid, owner, epoch, masked=True))

    def _clear_latch_at_detach(self, intid: int) -> None:
        """Clear what is latched on a line without owners, if this kernel does so."""
        if self.controller.holds_latch(intid):
            self._clear_latch_if_chosen(intid)

    def _clear_latch_if_chosen(self, intid: int, device: str = "") -> None:
        if self.kernel.choose(PENDING_AT_DETACH) == "cleared":
            self.controller.clear_latch(intid, device)

    def _deactivate_at_detach(self, intid: int) -> None:
        """End what the last owner has left active, if this kernel does so."""
        is_active = self.controller.is_active(intid)
        if is_active and self.kernel.choose(ACTIVE_AT_DETACH) == "cleared":
            self.controller.deactivate(intid, "kernel")

    def _remove_route(self, route: Route, epoch: int) -> Steps:
        """Remove the route of a device's messages and wait until that has taken effect."""
        router = self.controller.router
        assert router is not None, "a route has somebody who leads it"
        if self.faults.route_kept:
            return
        router.unmap(route, epoch)
        if not self.faults.no_route_sync:
            yield from router.synced()
        # Others may go on to use the vector; what the device has left there is asked about now.
        if self.controller.holds_latch(route.intid, route.device):
            self._clear_latch_if_chosen(route.intid, route.device)

    def dispatch(self, intid: int, requested_epoch: int, source: str) -> None:
        """Mask the line and tell every owner; open it again if none of them has to finish first."""
        line = self.lines[intid]
        self._mask(intid, "assertion")
        taken = TakenIrq(intid, requested_epoch, source)
        for attachment in line.attachments:
            attachment.awaits_unmask = not attachment.unmasks_at_once
            attachment.inbox.put(taken)
            if attachment.unmasks_at_once:
                self.emit(IrqHandled(intid, attachment.owner, attachment.epoch))
        if line.attachments and not line.must_stay_masked:
            self.controller.deactivate(intid, "owner")
            self._unmask(intid, "at once")

    def unmask_after_detach(self, intid: int) -> None:
        """Unmask a line for a thread that does not know that its process has detached."""
        self._unmask(intid, "late unmask")

    def unmask(self, intid: int, owner: str, epoch: int) -> None:
        """Note that an owner has served the interrupt; the line opens when all have."""
        line = self.lines[intid]
        self.emit(IrqHandled(intid, owner, epoch))
        for attachment in line.attachments:
            if (attachment.owner, attachment.epoch) == (owner, epoch):
                attachment.awaits_unmask = False
        if not line.must_stay_masked:
            self.controller.deactivate(intid, "owner")
            self._unmask(intid, "handled")

    def _mask(self, intid: int, reason: str) -> None:
        self.emit(IrqMasked(intid, reason))
        self.controller.set_masked(intid, True)

    def _unmask(self, intid: int, reason: str) -> None:
        self.emit(IrqUnmasked(intid, reason))
        self.controller.set_masked(intid, False)
