"""Lines and their owners: masked on assertion, unmasked when all have served, masked at the end."""

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.host.procnto import HostKernel, TakenIrq
from quiesce.model.interrupts.interrupt_controller import InterruptController
from quiesce.model.plan.interrupt_plan import PLAIN_CONTROLLER, InterruptPlan
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.kernel import Kernel, Mailbox, Steps
from quiesce.model.trace.events import IrqDetached, IrqTaken

TIMING = Timing(gic_to_cpu=exactly(10), gic_disable_rwp=exactly(5))
LINE = 41


class Bench:
    """A controller and a host kernel, without devices."""

    def __init__(
        self, plan: InterruptPlan = PLAIN_CONTROLLER, pinned: dict[str, str] | None = None
    ) -> None:
        self.kernel = Kernel(Nominal(), pinned)
        self.controller = InterruptController(self.kernel, TIMING, plan)
        self.host = HostKernel(self.kernel, TIMING, self.controller)
        self.inboxes: dict[str, Mailbox[TakenIrq]] = {}

    def attach(self, owner: str, epoch: int, *, tracked: bool = False) -> None:
        self.inboxes[owner] = Mailbox(self.kernel)
        self.host.attach(LINE, owner, epoch, self.inboxes[owner], tracked)

    def detach(self, owner: str, epoch: int) -> None:
        def steps() -> Steps:
            yield from self.host.detach(LINE, owner, epoch)

        self.kernel.process(steps())
        self.settle()

    def settle(self) -> None:
        self.kernel.execute(self.kernel.event())

    @property
    def taken(self) -> int:
        return sum(isinstance(record.event, IrqTaken) for record in self.kernel.records)

    @property
    def is_masked(self) -> bool:
        return self.controller.lines[LINE].masked


def test_a_line_is_masked_on_assertion_until_its_owner_has_served_it() -> None:
    """QNX qvmirqs: without this rule a guest that does not answer would storm the host."""
    bench = Bench()
    bench.attach("qvm178", 1)
    bench.controller.assert_level(LINE, "eth0", 1)
    bench.settle()
    assert bench.taken == 1
    assert bench.is_masked
    bench.host.unmask(LINE, "qvm178", 1)
    bench.settle()
    assert bench.taken == 2, "the level is still asserted, so it comes again"


def test_a_served_and_lowered_line_does_not_come_again() -> None:
    bench = Bench()
    bench.attach("qvm178", 1)
    bench.controller.assert_level(LINE, "eth0", 1)
    bench.settle()
    bench.controller.deassert_level(LINE, "eth0")
    bench.host.unmask(LINE, "qvm178", 1)
    bench.settle()
    assert bench.taken == 1
    assert not bench.is_masked


def test_a_level_that_goes_away_in_time_is_not_taken() -> None:
    bench = Bench()
    bench.attach("qvm178", 1)
    bench.controller.assert_level(LINE, "eth0", 1)
    bench.controller.deassert_level(LINE, "eth0")
    bench.settle()
    assert bench.taken == 0


def test_a_message_stays_latched_while_the_line_is_masked() -> None:
    bench = Bench()
    bench.controller.message(LINE, "eth0", 1)
    bench.settle()
    assert bench.taken == 0
    bench.attach("qvm178", 2)
    bench.settle()
    assert bench.taken == 1, "the stale message arrives with the next owner"
    assert bench.inboxes["qvm178"].take() == TakenIrq(LINE, 1, "eth0")


def test_the_last_detach_masks_and_the_next_attach_unmasks() -> None:
    bench = Bench()
    bench.attach("qvm178", 1)
    bench.detach("qvm178", 1)
    bench.controller.assert_level(LINE, "eth0", 1)
    bench.settle()
    assert bench.taken == 0
    assert bench.kernel.records[-2].event == IrqDetached(LINE, "qvm178", 1, masked=True)
    bench.attach("qvm178", 2)
    bench.settle()
    assert bench.taken == 1


def test_an_owner_that_dies_owing_an_unmask_blocks_a_shared_line() -> None:
    bench = Bench()
    bench.attach("a", 1)
    bench.attach("b", 2)
    bench.controller.assert_level(LINE, "eth0", 1)
    bench.settle()
    bench.detach("a", 1)
    bench.host.unmask(LINE, "b", 2)
    bench.settle()
    assert bench.is_masked
    assert bench.taken == 1


def test_a_tracked_mask_is_undone_when_its_owner_dies() -> None:
    bench = Bench()
    bench.attach("a", 1, tracked=True)
    bench.attach("b", 2)
    bench.controller.assert_level(LINE, "eth0", 1)
    bench.settle()
    bench.controller.deassert_level(LINE, "eth0")
    bench.host.unmask(LINE, "b", 2)
    bench.settle()
    assert bench.is_masked, "a has not served it yet"
    bench.detach("a", 1)
    assert not bench.is_masked


def test_a_shared_line_tells_every_owner_and_waits_for_all() -> None:
    bench = Bench()
    bench.attach("a", 1)
    bench.attach("b", 2)
    bench.controller.assert_level(LINE, "eth0", 1)
    bench.settle()
    assert [len(inbox) for inbox in bench.inboxes.values()] == [1, 1]
    bench.controller.deassert_level(LINE, "eth0")
    bench.host.unmask(LINE, "a", 1)
    assert bench.is_masked
    bench.host.unmask(LINE, "b", 2)
    assert not bench.is_masked


GIC_BY_OWNER = InterruptPlan("gicv3", deactivated_by="owner")
APIC_BY_OWNER = InterruptPlan("apic", deactivated_by="owner")


@pytest.mark.parametrize("plan", [GIC_BY_OWNER, APIC_BY_OWNER])
def test_what_its_owner_must_end_does_not_come_again_even_if_it_is_unmasked(
    plan: InterruptPlan,
) -> None:
    """GIC: active; I/O APIC: remote IRR, which an unmask does not clear."""
    bench = Bench(plan)
    bench.attach("qvm178", 1)
    bench.controller.assert_level(LINE, "eth0", 1)
    bench.settle()
    bench.host.unmask_after_detach(LINE)
    bench.settle()
    assert bench.taken == 1
    bench.host.unmask(LINE, "qvm178", 1)
    bench.settle()
    assert bench.taken == 2, "the level is still there when the owner ends the interrupt"


@pytest.mark.parametrize(
    ("plan", "is_active"),
    [
        (GIC_BY_OWNER, True),
        (APIC_BY_OWNER, False),
        (InterruptPlan("gicv3", "its", "owner"), False),
        (PLAIN_CONTROLLER, False),
    ],
)
def test_which_messages_stay_active_depends_on_the_controller(
    plan: InterruptPlan, is_active: bool
) -> None:
    """An LPI has no active state, and remote IRR is for level lines."""
    bench = Bench(plan)
    bench.attach("qvm178", 1)
    bench.controller.latch(LINE, "eth0", 1)
    bench.settle()
    assert bench.taken == 1
    assert bench.controller.is_active(LINE) is is_active


@pytest.mark.parametrize(("answer", "taken"), [("kept", 1), ("cleared", 2)])
def test_what_a_dead_owner_left_active_is_dead_for_the_next_one(answer: str, taken: int) -> None:
    bench = Bench(GIC_BY_OWNER, {"procnto.active-at-detach": answer})
    bench.attach("qvm178", 1)
    bench.controller.assert_level(LINE, "eth0", 1)
    bench.settle()
    bench.detach("qvm178", 1)
    bench.attach("qvm178", 2)
    bench.settle()
    assert bench.taken == taken


def test_an_edge_stays_latched_though_nothing_asserts_it_any_more() -> None:
    """IHI 0069: one edge is kept, however many there were, until it is taken or cleared."""
    bench = Bench()
    bench.controller.pulse(LINE, "eth0", 1)
    bench.controller.pulse(LINE, "eth0", 1)
    bench.controller.deassert_level(LINE, "eth0")
    bench.settle()
    assert bench.taken == 0
    bench.attach("qvm178", 2)
    bench.settle()
    bench.host.unmask(LINE, "qvm178", 2)
    bench.settle()
    assert bench.taken == 1


@pytest.mark.parametrize(
    ("plan", "is_active"),
    [(InterruptPlan("gicv3", "its", "owner"), True), (APIC_BY_OWNER, False)],
)
def test_an_edge_has_an_active_state_on_a_gic_alone(plan: InterruptPlan, is_active: bool) -> None:
    bench = Bench(plan)
    bench.attach("qvm178", 1)
    bench.controller.pulse(LINE, "eth0", 1)
    bench.settle()
    assert bench.controller.is_active(LINE) is is_active


def test_a_silenced_device_raises_neither_level_nor_edge() -> None:
    """The point of no return asks what a run would be if the device fell silent: no edge either."""
    bench = Bench()
    bench.attach("qvm178", 1)
    bench.controller.silence("eth0")
    bench.controller.pulse(LINE, "eth0", 1)
    bench.controller.assert_level(LINE, "eth0", 1)
    bench.settle()
    assert bench.taken == 0
    bench.controller.pulse(LINE, "eth1", 1)
    bench.settle()
    assert bench.taken == 1
