"""How a VM can end, as data.

Each row says what the guest does, after which delays qvm learns of it, and what then happens.
The actors read the rows and know no cause by name.  `basis` says how sure it is that callbacks run
or do not: `documented` (the page says it) or `inferred` (it follows, but no page says it).

Sources, all of QNX:

- the hypervisor user's guide (guest_stop, errcodes, quiescing, watchdog, safety, dss);
- the virtual device developer's guide and API reference (terminate, guest_termination_cause_t,
  vdev_ref_status);
- the Neutrino programmer's guide (process_PROCTERM).
"""

import msgspec

SHUTS_DOWN = "shuts-down"
CRASHES = "crashes"
HANGS = "hangs"
SUSPENDS = "suspends"
RUNS_ON = "runs-on"
NEVER_STARTS = "never-starts"

GUEST_PARTS = (SHUTS_DOWN, CRASHES, HANGS, SUSPENDS, RUNS_ON, NEVER_STARTS)
"""What the guest does when its end begins."""


NO_STATUS = -1
"""The exit status of a qvm that went down with its host."""


class TerminationCause(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a VM ends.

    Attributes:
        name: As in scenario files.
        meaning: One sentence.
        guest: What the guest does, one of `GUEST_PARTS`.
        signal: Signal that is sent to the qvm process, or an empty string.
        path: Timing keys of the delays until qvm begins to end, in order.
        asks_guest: Whether the guest is asked first, with a power button; a guest that ignores it
            meets the second signal, which is unconditional.
        reaches_qvm: Whether qvm learns of it at all.
        stalls_server: Whether it begins with a host server that no longer answers; see
            `machine.stalled_server` for what follows.
        ends_host: Whether the whole host goes down; see `host.power`.
        orderly: Whether qvm itself runs its exit path, the vdevs' callbacks included.
        exit_status: The status that a supervisor reads; `NO_STATUS` if no process is left to read
            it.  For a process that a signal killed it is 128 plus the number, as a shell shows it.
        architecture: `arm`, `x86` or `any`.
        basis: `documented` or `inferred`; see the module.
        status_basis: `documented`, `assumed`, or which open question decides the exit status:
            `signal` or `watchdog`, see `open_questions.STATUS_AFTER`.
        source: Page.
    """

    name: str
    meaning: str
    guest: str
    path: tuple[str, ...]
    exit_status: int
    source: str
    signal: str = ""
    asks_guest: bool = False
    reaches_qvm: bool = True
    stalls_server: bool = False
    ends_host: bool = False
    orderly: bool = True
    architecture: str = "any"
    basis: str = "documented"
    status_basis: str = "documented"

    def __post_init__(self) -> None:
        assert self.guest in GUEST_PARTS, self


_EXIT = ("vm_exit", "exit_to_vmm_process")
_STOP = "hypervisor user's guide, guest_stop"
_CODES = "8.0 hypervisor user's guide, errcodes"

CAUSES: tuple[TerminationCause, ...] = (
    TerminationCause(
        name="guest-shutdown",
        meaning="the guest stops its drivers and shuts itself down",
        guest=SHUTS_DOWN,
        path=_EXIT,
        exit_status=0,
        source=f"{_STOP}; {_CODES}",
    ),
    TerminationCause(
        name="guest-reboot",
        meaning="the guest reboots itself: its qvm ends all the same, and a supervisor restarts it",
        guest=SHUTS_DOWN,
        path=_EXIT,
        exit_status=0,
        source=f"{_STOP}; how a supervisor recognises a reboot is not documented",
    ),
    TerminationCause(
        name="guest-crash",
        meaning="the guest crashes with its drivers at work and ends in the reboot callout",
        guest=CRASHES,
        path=_EXIT,
        exit_status=0,
        source=f"{_STOP}: a guest that reaches the reboot callout ends qvm; {_CODES}",
    ),
    TerminationCause(
        name="guest-suspend",
        meaning="the guest goes dormant and stays so; qvm and its resources remain",
        guest=SUSPENDS,
        path=(),
        reaches_qvm=False,
        exit_status=0,
        basis="inferred",
        source="hypervisor user's guide, quiescing: devices run on when the guest stops",
    ),
    TerminationCause(
        name="sigterm-x86",
        meaning="SIGTERM on x86: a power button first, unconditional the second time",
        guest=RUNS_ON,
        signal="SIGTERM",
        path=("signal_delivery",),
        asks_guest=True,
        exit_status=0,
        status_basis="signal",
        architecture="x86",
        basis="inferred",
        source=f"7.1 {_STOP}",
    ),
    TerminationCause(
        name="sigterm-arm",
        meaning="SIGTERM on ARM: the guest ends at once and unannounced",
        guest=RUNS_ON,
        signal="SIGTERM",
        path=("signal_delivery",),
        exit_status=0,
        status_basis="signal",
        architecture="arm",
        basis="inferred",
        source=f"7.1 {_STOP}",
    ),
    TerminationCause(
        name="sigquit",
        meaning="SIGQUIT: the power is cut, the guest gets no warning",
        guest=RUNS_ON,
        signal="SIGQUIT",
        path=("signal_delivery",),
        exit_status=3,
        basis="inferred",
        source=f"7.1 {_STOP}; {_CODES}; 7.0 watchdog page calls it orderly",
    ),
    TerminationCause(
        name="watchdog",
        meaning="the guest hangs and no longer kicks its watchdog, which bites at twice its period",
        guest=HANGS,
        signal="SIGQUIT",
        path=("watchdog_period", "watchdog_period", "signal_delivery"),
        exit_status=4,
        status_basis="watchdog",
        basis="inferred",
        source=f"8.0 vdev reference, wdt-sp805; {_CODES} says 4, the mechanism is SIGQUIT (3)",
    ),
    TerminationCause(
        name="watchdog-dump",
        meaning="the watchdog bites with 'action dump,terminate': a guest dump comes first",
        guest=HANGS,
        signal="SIGQUIT",
        path=("watchdog_period", "watchdog_period", "guest_dump", "signal_delivery"),
        exit_status=4,
        status_basis="watchdog",
        basis="inferred",
        source=f"8.0 vdev reference, wdt-sp805; {_CODES} says 4, the mechanism is SIGQUIT (3)",
    ),
    TerminationCause(
        name="watchdog-fiq",
        meaning="the watchdog bites with 'action fiq': it interrupts its hung guest, nothing ends",
        guest=HANGS,
        path=("watchdog_period", "watchdog_period"),
        reaches_qvm=False,
        exit_status=0,
        source="8.0 vdev reference, wdt-sp805",
    ),
    TerminationCause(
        name="vendor-watchdog",
        meaning="a vendor's watchdog vdev bites, dumps the guest, and leaves by exit(EXIT_FAILURE)",
        guest=HANGS,
        path=("watchdog_period", "guest_dump"),
        exit_status=1,
        status_basis="assumed",
        basis="inferred",
        source="comment in a vendor's vdev source: this exit reaches VDEV_CTRL_TERMINATE",
    ),
    TerminationCause(
        name="guest-terminate",
        meaning="a vdev calls guest_terminate() with a cause of its own",
        guest=RUNS_ON,
        path=("exit_to_vmm_process",),
        exit_status=32,
        basis="inferred",
        source="7.0 vdev API reference, guest_termination_cause_t",
    ),
    TerminationCause(
        name="vdev-error",
        meaning="a vdev's callback returns VRS_TERMINATE",
        guest=RUNS_ON,
        path=_EXIT,
        exit_status=6,
        status_basis="assumed",
        basis="inferred",
        source=f"7.1 vdev API reference, vdev_ref_status; {_CODES}",
    ),
    TerminationCause(
        name="unsupported",
        meaning="the guest does something on which qvm is configured to abort",
        guest=RUNS_ON,
        path=_EXIT,
        exit_status=5,
        status_basis="assumed",
        basis="inferred",
        source=f"8.0 hypervisor user's guide, unsupported; {_CODES}",
    ),
    TerminationCause(
        name="server-stall",
        meaning="a host server does not answer within message-block-timeout, and qvm gives up",
        guest=RUNS_ON,
        path=(),
        stalls_server=True,
        exit_status=7,
        status_basis="assumed",
        basis="inferred",
        source=f"7.0 hypervisor user's guide, set: qvm may terminate with an error; {_CODES}",
    ),
    TerminationCause(
        name="fatal-before-start",
        meaning="qvm meets a fatal error after it has assembled the VM and before the guest runs",
        guest=NEVER_STARTS,
        path=(),
        exit_status=64,
        basis="inferred",
        source=f"7.0 vdev guide, terminate; {_CODES}",
    ),
    TerminationCause(
        name="configuration-error",
        meaning="qvm meets a configuration that it refuses once the VM is assembled",
        guest=NEVER_STARTS,
        path=(),
        exit_status=65,
        basis="inferred",
        source=f"7.0 vdev guide, terminate; {_CODES}",
    ),
    TerminationCause(
        name="back-end-missing",
        meaning="a vdev does not find what stands behind it on the host, and qvm does not start",
        guest=NEVER_STARTS,
        path=(),
        exit_status=64,
        status_basis="assumed",
        basis="inferred",
        source="public start-up scripts: virtio-input without an input device, virtio-gpu without "
        f"Screen; {_CODES}",
    ),
    TerminationCause(
        name="safety-required",
        meaning="'safety required' meets an uncertified component: the design safe state",
        guest=NEVER_STARTS,
        path=(),
        orderly=False,
        exit_status=65,
        status_basis="assumed",
        basis="inferred",
        source="7.1 hypervisor user's guide, safety; its exit status is not documented",
    ),
    TerminationCause(
        name="fatal-after-start",
        meaning="qvm meets a fatal error while the guest runs",
        guest=RUNS_ON,
        path=(),
        exit_status=96,
        basis="inferred",
        source=f"7.0 vdev guide, terminate; {_CODES}",
    ),
    TerminationCause(
        name="sigsegv",
        meaning="qvm itself dies of SIGSEGV or the like: the local design safe state",
        guest=RUNS_ON,
        path=(),
        orderly=False,
        exit_status=128 + 11,
        basis="inferred",
        source="8.0 hypervisor user's guide, dss; Neutrino programmer's guide, process_PROCTERM",
    ),
    TerminationCause(
        name="resources-exhausted",
        meaning="the guest exhausts a resource limit of its qvm, which dies of it",
        guest=RUNS_ON,
        path=(),
        orderly=False,
        exit_status=1,
        status_basis="assumed",
        basis="inferred",
        source="a published report of RLIMIT_SIGEVENT_NP exhausted by shared-memory attaches",
    ),
    TerminationCause(
        name="sigkill",
        meaning="SIGKILL: the process manager takes everything away, no callback runs",
        guest=RUNS_ON,
        signal="SIGKILL",
        path=("signal_delivery",),
        orderly=False,
        exit_status=128 + 9,
        basis="inferred",
        source=f"7.0 {_STOP}; Neutrino programmer's guide, process_PROCTERM",
    ),
    TerminationCause(
        name="host-shutdown",
        meaning="the host is shut down or rebooted, and no VM gets a warning",
        guest=RUNS_ON,
        path=(),
        orderly=False,
        ends_host=True,
        exit_status=NO_STATUS,
        basis="inferred",
        source="8.0 hypervisor user's guide, dss: no callback of a VM is promised",
    ),
    TerminationCause(
        name="host-dss",
        meaning="the host kernel meets an undefined condition: the global design safe state",
        guest=RUNS_ON,
        path=(),
        orderly=False,
        ends_host=True,
        exit_status=NO_STATUS,
        basis="inferred",
        source="8.0 hypervisor user's guide, dss: kernel shutdown, then the board's reboot callout",
    ),
)
"""Every cause that a scenario can name."""

BY_NAME: dict[str, TerminationCause] = {cause.name: cause for cause in CAUSES}
