"""The ways in which one device differs from the next in what its standard leaves to it.

Each of these was seen in at least one real device or device model.  A device that is known only by
such rules in words is put together from them (`generic_device`).
"""

import msgspec

POST = "drain-and-post"
DROP = "drain-and-drop"
CANCEL = "cancel"
NOTHING = "nothing"

RESET_FATES = (POST, DROP, CANCEL, NOTHING)
"""What a reset does to an effect that is under way: finish it and let it out; finish it and throw
it away; break it off; or go on as if there had been no reset, without the reset waiting for it."""

CLEARS, LATE, NEVER, KEEPS = "clears", "late", "never", "keeps"

ATC_ANSWERS = (CLEARS, LATE, NEVER, KEEPS)
"""How a device answers an invalidation of its translations: it clears them and says so; it clears
them too late; it does nothing and says nothing; it does nothing and says that it has."""


class ResetPolicy(msgspec.Struct, frozen=True):
    """What a reset does to each effect of the operations that are under way.

    Attributes:
        data: Of their data.
        completion: Of their status or ring entry.
        interrupt: Of their interrupt.
    """

    data: str = CANCEL
    completion: str = CANCEL
    interrupt: str = CANCEL

    def __post_init__(self) -> None:
        assert {self.data, self.completion, self.interrupt} <= set(RESET_FATES), self


class Traits(msgspec.Struct, frozen=True):
    """What is particular to a device.

    Attributes:
        reset: Its reset policy.
        ignores_reset: Whether a reset request does nothing at all, though it reads as done.
        bus_master_gate_effective: Whether clearing bus mastering really stops writes; some
            devices show the bit cleared and go on (Xen ea38867831da).
        reset_clears_gate: Whether a reset opens the effective gate again although the command
            register still reads as closed.
        translates_at_start: Whether addresses are translated when an operation starts, so that a
            later unmap does not reach it (ATS, or a device behind its own cache).
        ats: Whether it keeps translations itself (PCI Express Address Translation Services).
        atc_answer: What it does when it is told to forget them: `clears` them, does so `late`,
            `never` answers, or `keeps` them and says that it has cleared them.
        says_stopped_early: Whether the device reads as idle while writes are on their way.
        keeps_interrupt: Whether a pending interrupt survives a reset and reaches the next owner.
        keeps_side_state: Whether addresses that the driver has set up, rings and descriptors read
            ahead, survive a reset (NVMe shadow doorbells, openvmm #3915).
        never_idle: Whether its idle or done bit never comes, as if it hung.
        forgets_running: Whether a reset makes it read as idle although operations go on.
        keeps_input: Whether input received before a reset is delivered after it.
        falls_back_to_line: Whether the device uses its line when messages are disabled (QEMU
            vfio b3e27c3aee8f).
        takes_bus_writes: Whether bus masters can write its registers, the device itself in the
            midst of an operation: a reset then forgets what is under way (QEMU CVE-2021-3929).
    """

    reset: ResetPolicy = ResetPolicy()
    ignores_reset: bool = False
    bus_master_gate_effective: bool = True
    reset_clears_gate: bool = False
    translates_at_start: bool = False
    ats: bool = False
    atc_answer: str = CLEARS
    says_stopped_early: bool = False
    keeps_interrupt: bool = False
    keeps_side_state: bool = False
    never_idle: bool = False
    forgets_running: bool = False
    keeps_input: bool = False
    falls_back_to_line: bool = True
    takes_bus_writes: bool = False

    def __post_init__(self) -> None:
        assert self.atc_answer in ATC_ANSWERS, self.atc_answer


def plain_traits(plan: type[msgspec.Struct]) -> Traits:
    """Return the traits of a device of a kind that is like most of its kind.

    Args:
        plan: The type of the kind's plans.
    """
    fields = {field.name: field for field in msgspec.structs.fields(plan)}
    plain = fields["traits"].default
    assert isinstance(plain, Traits), f"{plan.__name__} has a default for its traits"
    return plain
