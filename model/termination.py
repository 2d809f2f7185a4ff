"""How a VM can end, as data.

Each row says what brings the end about and what then happens; the qvm actor reads it and knows
no cause by name.  Marks: `documented` (the page says it), `inferred` (it follows, no page says it).
"""

import msgspec


class TerminationCause(msgspec.Struct, frozen=True):
    """One way in which a VM ends.

    Attributes:
        name: As in scenario files.
        meaning: One sentence.
        begins: Where it begins: `guest-shutdown` (the guest stops in order), `guest-crash` (the
            guest stops anywhere), `signal` (sent to the qvm process).
        signal: Name of the signal, or an empty string.
        asks_guest: Whether the guest is asked first, with a power button; a guest that ignores it
            meets the second signal, which is unconditional.
        orderly: Whether qvm itself runs its exit path, the vdevs' callbacks included.
        exit_status: What a supervisor reads; 128 plus the number for a process that a
            signal killed.
        orderly_basis: `documented` or `inferred`: how sure it is that callbacks run or not.
        source: Page.
    """

    name: str
    meaning: str
    begins: str
    orderly: bool
    exit_status: int
    orderly_basis: str
    source: str
    signal: str = ""
    asks_guest: bool = False


_STOP = "QNX hypervisor user's guide, guest_stop"
_CODES = "QNX hypervisor 8.0 user's guide, errcodes"

CAUSES: tuple[TerminationCause, ...] = (
    TerminationCause(
        "guest-shutdown",
        "the guest stops its drivers and shuts itself down",
        begins="guest-shutdown",
        orderly=True,
        exit_status=0,
        orderly_basis="documented",
        source=f"{_STOP}; {_CODES}",
    ),
    TerminationCause(
        "guest-crash",
        "the guest crashes with its drivers at work and ends in the reboot callout",
        begins="guest-crash",
        orderly=True,
        exit_status=0,
        orderly_basis="documented",
        source=f"{_STOP}: whatever reaches the reboot callout ends qvm; {_CODES}",
    ),
    TerminationCause(
        "sigterm-x86",
        "SIGTERM on x86: a power button first, unconditional the second time",
        begins="signal",
        signal="SIGTERM",
        asks_guest=True,
        orderly=True,
        exit_status=0,
        orderly_basis="inferred",
        source=f"7.1 {_STOP}",
    ),
    TerminationCause(
        "sigterm-arm",
        "SIGTERM on ARM: the guest ends at once and unannounced",
        begins="signal",
        signal="SIGTERM",
        orderly=True,
        exit_status=0,
        orderly_basis="inferred",
        source=f"7.1 {_STOP}",
    ),
    TerminationCause(
        "sigquit",
        "SIGQUIT: the power is cut, the guest is not told",
        begins="signal",
        signal="SIGQUIT",
        orderly=True,
        exit_status=3,
        orderly_basis="inferred",
        source=f"7.1 {_STOP}; {_CODES}; 7.0 watchdog page calls it orderly",
    ),
    TerminationCause(
        "sigkill",
        "SIGKILL: the process manager takes everything away, no callback runs",
        begins="signal",
        signal="SIGKILL",
        orderly=False,
        exit_status=128 + 9,
        orderly_basis="inferred",
        source=f"7.0 {_STOP}; Neutrino programmer's guide, process_PROCTERM",
    ),
)
"""Every cause that can be asked for."""

BY_NAME: dict[str, TerminationCause] = {cause.name: cause for cause in CAUSES}
