"""The ways in which devices differ where their standard leaves room.

Each of these was seen in at least one real device or device model.  `generic_device` builds a
device from such rules alone.
"""

import msgspec

POST = "drain-and-post"
DROP = "drain-and-drop"
CANCEL = "cancel"
NOTHING = "nothing"

RESET_FATES = (POST, DROP, CANCEL, NOTHING)
"""What a reset does to an effect that is under way, in the order of `RESET_FATES`:

- finish it and let it out;
- finish it and drop it;
- break it off;
- let it go on as if there had been no reset, without a wait.
"""

CLEARS, LATE, NEVER, KEEPS = "clears", "late", "never", "keeps"

ATC_ANSWERS = (CLEARS, LATE, NEVER, KEEPS)
"""How a device answers an invalidation of its translations, in the order of `ATC_ANSWERS`:

- it clears them and answers;
- it clears them too late;
- it does nothing and never answers;
- it does nothing and answers that it has cleared them.
"""


class ResetPolicy(msgspec.Struct, frozen=True):
    """What a reset does to each effect of the operations that are under way.

    Attributes:
        data: The fate of their data.
        completion: The fate of their status or ring entry.
        interrupt: The fate of their interrupt.
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
        atc_answer: What it does at an invalidation of them: `clears` them, does so `late`, `never`
            answers, or `keeps` them and answers that it has cleared them.
        says_stopped_early: Whether the device reads as idle while writes are on their way.
        keeps_interrupt: Whether a pending interrupt survives a reset and reaches the next owner.
        keeps_side_state: Whether addresses that the driver has set up, rings and descriptors read
            ahead, survive a reset (NVMe shadow doorbells, openvmm #3915).
        never_idle: Whether its idle or done bit never comes, as if it hung.
        forgets_running: Whether a reset makes it read as idle although operations go on.
        keeps_input: Whether input received before a reset is delivered after it.
        falls_back_to_line: Whether the device uses its line when messages are disabled (QEMU
            vfio b3e27c3aee8f).
        takes_bus_writes: Whether bus masters can write its registers, even the device itself in
            the midst of an operation.  A reset then forgets what is under way (QEMU CVE-2021-3929).
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
    """Return the default traits of a kind of device.

    Args:
        plan: The type of the kind's plans.
    """
    fields = {field.name: field for field in msgspec.structs.fields(plan)}
    plain = fields["traits"].default
    assert isinstance(plain, Traits), f"{plan.__name__} has a default for its traits"
    return plain
