"""Lines and their owners: masked on assertion, unmasked when all have served, masked at the end."""

from quiesce.model.choices import Nominal
from quiesce.model.clock import exactly
from quiesce.model.host.procnto import HostKernel, TakenIrq
from quiesce.model.interrupts import InterruptController
from quiesce.model.kernel import Kernel, Mailbox, Steps
from quiesce.model.timing import Timing
from quiesce.model.trace import IrqDetached, IrqTaken

TIMING = Timing(gic_to_cpu=exactly(10), gic_disable_rwp=exactly(5))
LINE = 41


class Bench:
    """A controller and a host kernel, without devices."""

    def __init__(self) -> None:
        self.kernel = Kernel(Nominal())
        self.controller = InterruptController(self.kernel, TIMING)
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
