"""The host kernel's side of interrupts: attach, mask on assertion, unmask, detach.

- The kernel masks a line on every assertion and delivers the interrupt to all owners of the line.
- An owner unmasks when its work is done.  qvm does so only after the guest has handled the
  interrupt (QNX hypervisor guide, qvmirqs).  Where its configuration says so for an edge-triggered
  line, qvm unmasks at once (7.1 safety guide, vm/pass).
- The line opens again when no owner has an unmask outstanding.
- The first attach unmasks, the last detach masks (InterruptAttach and InterruptDetach).
- The outstanding unmask of an owner that detaches is undone only if the owner attached with
  `_NTO_INTR_FLAGS_TRK_MSK`.  Otherwise the mask stays, and on a shared line the other owners wait
  for ever.

Where messages have routes, the first attach of a device makes its route.  The detach removes the
route and waits until that has taken effect, also on a vector that other devices share.
"""

from typing import NamedTuple

from simpy.events import Event

from ..interrupts.interrupt_controller import InterruptController
from ..interrupts.message_routes import Route
from ..plan.faults import NO_FAULTS, Faults
from ..plan.open_questions import ACTIVE_AT_DETACH, PENDING_AT_DETACH
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Mailbox, Steps
from ..trace.events import IrqAttached, IrqDetached, IrqHandled, IrqMasked, IrqUnmasked


class TakenIrq(NamedTuple):
    """An interrupt as its owner gets it: its number, the epoch of its request, and its source."""

    intid: int
    requested_epoch: int
    source: str


class Attachment:
    """One owner of a line.

    Attributes:
        route: The way of the device's messages; None if it has none.
        unmasks_at_once: Whether it unmasks before its work is done.
        awaits_unmask: Whether the line stays masked until this owner unmasks it.
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
        orphaned_mask: Whether an owner detached with its unmask outstanding; no owner will do it.
    """

    def __init__(self) -> None:
        self.attachments: list[Attachment] = []
        self.orphaned_mask = False

    @property
    def must_stay_masked(self) -> bool:
        """Whether an unmask is outstanding, of an owner or of one that has detached."""
        return self.orphaned_mask or any(owner.awaits_unmask for owner in self.attachments)


class HostKernel(Component):
    """The interrupt side of procnto.

    Args:
        faults: Which of its duties the kernel neglects.
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
            owner: The name of the owner.
            epoch: Its epoch.
            inbox: Where it gets interrupts.
            tracked: Whether the kernel undoes its masks when it detaches.
            sender: The device whose messages are meant; empty for a line.
            unmasks_at_once: Whether the owner unmasks as soon as it gets an interrupt.
        """
        # Invariant: route and attachment come at the same instant, and the line opens after both.
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
        # Invariant: a line without owners is masked, so an interrupt is taken only where an owner
        # can get it.
        if is_first:
            line.orphaned_mask = False
            self._unmask(intid, "first attach")

    def detach(self, intid: int, owner: str, epoch: int) -> Steps:
        """Detach an owner; the last one masks the line and waits until that has taken effect."""
        line = self.lines[intid]
        detached = next(one for one in line.attachments if (one.owner, one.epoch) == (owner, epoch))
        # Invariant: the route is removed while the owner is still attached, so messages that come
        # meanwhile find an owner.
        if detached.route is not None:
            yield from self._remove_route(detached.route, epoch)
        # Invariant: `orphaned_mask` is set before the line may open, so an untracked mask of the
        # owner that detaches holds up all other owners.
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
            yield self._mask_at_last_detach(intid)
        elif detached.awaits_unmask and not line.must_stay_masked:
            self.controller.deactivate(intid, "kernel")
            self._unmask(intid, "tracked mask undone")
        # Invariant: latch and active state are looked at after the mask has taken effect; before,
        # a further assertion could set them again.
        if not line.attachments:
            self._clear_latch_at_detach(intid)
            self._deactivate_at_detach(intid)
        masked = not line.attachments or line.must_stay_masked
        self.emit(IrqDetached(intid, owner, epoch, masked))

    def drop_owner(self, intid: int, owner: str, epoch: int) -> None:
        """Drop an owner at the reset of the host: the reset controller has every line masked."""
        line = self.lines[intid]
        known = [(one.owner, one.epoch) for one in line.attachments]
        if (owner, epoch) in known:
            line.attachments.pop(known.index((owner, epoch)))
            self._mask(intid, "reset of the host")
            self.emit(IrqDetached(intid, owner, epoch, masked=True))

    def _mask_at_last_detach(self, intid: int) -> Event:
        """Mask a line (GICD_ICENABLER); return the wait until RWP says that it has taken effect."""
        self._mask(intid, "last detach")
        return self.kernel.delay(self.timing.gic_disable_rwp, f"{self.name}.rwp")

    def _clear_latch_at_detach(self, intid: int) -> None:
        """Clear what is latched on a line without owners, if this kernel does so."""
        if self.controller.holds_latch(intid):
            self._clear_latch_if_chosen(intid)

    def _clear_latch_if_chosen(self, intid: int, device: str = "") -> None:
        if self.kernel.choose(PENDING_AT_DETACH) == "cleared":
            self.controller.clear_latch(intid, device)

    def _deactivate_at_detach(self, intid: int) -> None:
        """Deactivate what the last owner has left active, if this kernel does so."""
        is_active = self.controller.is_active(intid)
        if is_active and self.kernel.choose(ACTIVE_AT_DETACH) == "cleared":
            self.controller.deactivate(intid, "kernel")

    def _remove_route(self, route: Route, epoch: int) -> Steps:
        """Remove the route of a device's messages and wait until that has taken effect."""
        router = self.controller.router
        assert router is not None, "a route needs a router"
        if self.faults.route_kept:
            return
        router.unmap(route, epoch)
        if not self.faults.no_route_sync:
            yield from router.synced()
        # Invariant: other devices may still use the vector, so the choice about a latched message
        # of this device is made now and not at the last detach of the line.
        if self.controller.holds_latch(route.intid, route.device):
            self._clear_latch_if_chosen(route.intid, route.device)

    def dispatch(self, intid: int, requested_epoch: int, source: str) -> None:
        """Mask the line and deliver to every owner; unmask it if all owners unmask at once."""
        line = self.lines[intid]
        # Invariant: the line is masked before an owner learns of the interrupt, so no owner gets a
        # second one before the line is unmasked.
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
        """Unmask a line although its owner has detached: a fault, a late thread of the owner."""
        self._unmask(intid, "late unmask")

    def unmask(self, intid: int, owner: str, epoch: int) -> None:
        """Record that an owner has served the interrupt; unmask the line when all have."""
        line = self.lines[intid]
        # Invariant: on a shared line the last owner to unmask opens the line.
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
