"""The questions that the documentation leaves open, each with its possible answers.

Such a question is never a silent constant.  A run asks it by name when it reaches the place; the
first answer is the default, and a scenario may pin another.
"""

import msgspec

from .termination import CAUSES


class OpenQuestion(msgspec.Struct, frozen=True):
    """A named choice.

    Attributes:
        label: Its name in choice logs and scenario files.
        part: Which part of a system asks it; see `assumptions.parts_used`.
        answers: Every possible answer, the default first.
        meaning: The question.
        basis: What the documentation says and why this default; begins with `not documented`
            where it says nothing.
    """

    label: str
    part: str
    answers: tuple[str, ...]
    meaning: str
    basis: str


CALLBACK_ORDER = OpenQuestion(
    "qvm.callback-order",
    "callbacks",
    ("as-configured", "reversed"),
    "the order in which qvm calls its vdevs with VDEV_CTRL_TERMINATE",
    "not documented; the QNX hypervisor guide (quiescing) promises only 'before resources are "
    "released'",
)

CALLBACKS_AFTER: dict[str, OpenQuestion] = {
    cause.name: OpenQuestion(
        f"qvm.callbacks-after-{cause.name}",
        f"callbacks-after-{cause.name}",
        ("run", "skipped"),
        f"whether qvm calls its vdevs with VDEV_CTRL_TERMINATE when it ends by {cause.name}",
        f"not documented, inferred: no page says that they run after it, none that they do not "
        f"({cause.source})",
    )
    for cause in CAUSES
    if cause.orderly and cause.reaches_qvm and cause.basis == "inferred"
}
"""The question for each cause whose page does not say whether callbacks run."""

VCPUS_AT_CALLBACKS = OpenQuestion(
    "qvm.vcpus-at-callbacks",
    "vcpus-at-callbacks",
    ("running", "stopped"),
    "whether the guest goes on executing until the callbacks have returned, or has been stopped "
    "before they begin, where it was running when qvm began to end",
    "not documented; running is the pessimistic answer: drivers go on giving their devices work",
)

SIGNAL_DURING_CALLBACKS = OpenQuestion(
    "qvm.signal-during-callbacks",
    "signal-during-callbacks",
    ("cuts-off", "waits"),
    "whether a signal that must be obeyed at once cuts off the callbacks that are running, or has "
    "no effect until they return",
    "7.1 hypervisor user's guide, guest_stop: SIGQUIT is immediate, a second SIGTERM "
    "unconditional; what becomes of a callback is not documented",
)

SECOND_SIGNAL_STATUS = OpenQuestion(
    "qvm.second-signal-status",
    "signal-status",
    ("0", "3"),
    "the exit status after a SIGTERM that always ends the guest: the second one on x86, "
    "the first on ARM",
    "not documented; 0 is a normal end, 3 one like a power cut (8.0 hypervisor user's guide, "
    "errcodes)",
)

WATCHDOG_STATUS = OpenQuestion(
    "qvm.watchdog-status",
    "watchdog-status",
    ("4", "3"),
    "the exit status after a watchdog has bitten",
    "8.0 hypervisor user's guide, errcodes: 4; but the watchdog ends qvm by SIGQUIT, whose status "
    "is 3",
)

STATUS_AFTER: dict[str, OpenQuestion] = {
    "signal": SECOND_SIGNAL_STATUS,
    "watchdog": WATCHDOG_STATUS,
}
"""Which question decides an exit status, by `TerminationCause.status_basis`."""

SHUTDOWN_HANDLER = OpenQuestion(
    "guest.shutdown-handler",
    "shutdown-handler",
    ("absent", "stops-device"),
    "whether the guest's driver of a device stops it when the guest shuts down in order, or leaves "
    "it on; asked for each device of which the scenario does not say it",
    "QNX 7.1 hypervisor guide, quiescing: a guest may do it, the host must not rely on it",
)

CLEANUP_ORDER = OpenQuestion(
    "procnto.cleanup-order",
    "iommu",
    ("iommu-before-memory", "memory-before-iommu"),
    "whether the IOMMU mappings of a qvm that was killed go before its memory returns",
    "not documented; smmuman is a separate process that learns of a client's death by its own "
    "channel",
)

RELEASE_ORDER = OpenQuestion(
    "procnto.release-order",
    "qvm",
    ("ascending", "descending"),
    "the order in which the frames of guest RAM return to the host",
    "not documented",
)

SMMUMAN_CLIENT_DEATH = OpenQuestion(
    "smmuman.client-death",
    "client-death",
    ("deny", "stale", "unrestricted"),
    "what smmuman does with a device when the client that owned it dies: refuse its accesses, "
    "keep the old mappings, or let it reach all memory",
    "not documented in the smmuman guide; denying is what its purpose asks for",
)

SHARED_STREAM = OpenQuestion(
    "smmuman.shared-stream",
    "groups",
    ("own-maps-only", "kept-until-last", "all-refused"),
    "what smmuman does when one of several clients goes whose devices share one stream: "
    "remove that client's maps, keep them until the last client goes, or refuse all of the devices",
    "not documented; the smmuman guide says only that too few stream identifiers are shared",
)

REMOVAL_FAILED = OpenQuestion(
    "smmuman.removal-failed",
    "ats",
    ("memory-kept", "memory-released"),
    "what becomes of a VM's memory when smmuman could not complete the removal of its maps, "
    "because a device did not answer",
    "not documented; smmu_obj_destroy can fail, and keeping the memory is the safe answer",
)

GUEST_OBEYS_POWER_BUTTON = OpenQuestion(
    "guest.power-button",
    "power-button",
    ("shuts-down", "ignores"),
    "whether the guest reacts to the ACPI power button that SIGTERM emulates on x86",
    "QNX hypervisor guide, guest_stop: Linux and Android guests do if set up, QNX guests do not",
)

CRASH_SEEN_BY = OpenQuestion(
    "guest.crash-reaches-qvm",
    "crash",
    ("at-once", "never"),
    "whether a guest crash ends in the reboot callout, by which qvm learns of it",
    "QNX hypervisor guide, guest_stop: a guest that reaches the callout ends qvm; a guest that "
    "hangs does not reach it",
)

MASK_TRACKING = OpenQuestion(
    "qvm.mask-tracking",
    "device",
    ("untracked", "tracked"),
    "whether qvm attaches interrupts with _NTO_INTR_FLAGS_TRK_MSK, so that its masks are undone "
    "when it exits",
    "not documented which flags qvm uses; the pessimistic answer is the default",
)

PENDING_AT_DETACH = OpenQuestion(
    "procnto.pending-at-detach",
    "message",
    ("kept", "cleared"),
    "whether the kernel clears a latched interrupt when the last owner of its vector detaches",
    "not documented; kept is the pessimistic answer: the next owner is interrupted at once",
)

ACTIVE_AT_DETACH = OpenQuestion(
    "procnto.active-at-detach",
    "owner-deactivates",
    ("kept", "cleared"),
    "whether the kernel ends an interrupt that is still active at the controller when its last "
    "owner detaches (GICD_ICACTIVER; the EOI that clears remote IRR)",
    "not documented; kept is the pessimistic answer: the line is dead for the next owner",
)

ENABLE_LPIS = OpenQuestion(
    "gicr.enable-lpis",
    "guest-table",
    ("stays-set", "clears"),
    "whether a redistributor lets software disable LPIs again, so that it stops writing its "
    "pending table",
    "implementation defined (Arm GICv3, IHI 0069, GICR_CTLR.EnableLPIs); Linux and FreeBSD have "
    "met many that do not, so staying set is the default",
)

CLEANUP_PRIORITY = OpenQuestion(
    "procnto.cleanup-priority",
    "killed",
    ("high", "low"),
    "the priority at which a killed qvm is cleaned up, which is that of the thread that killed it",
    "Neutrino programmer's guide, process_PROCTERM: the killer's, unless SIG_TERMER_NOINHERIT is "
    "given; who kills, and at which priority, is the integrator's affair",
)

SERVER_UNBLOCKED = OpenQuestion(
    "server.unblock-pulse",
    "server",
    ("replies-when-done", "replies-at-once", "ignores"),
    "what a stalled host server does with the unblock pulse: give the request up when its hardware "
    "is done with it, give it up at once, or nothing",
    "7.0 hypervisor user's guide, set: what follows depends on the server's response; which it is, "
    "is the server's affair",
)

SERVER_MONITOR = OpenQuestion(
    "host.server-monitor",
    "server",
    ("absent", "kills-server"),
    "whether a server-monitor process kills a server that ignores the unblock pulse",
    "7.0 hypervisor user's guide, set: server-monitor can handle such servers; whether it runs is "
    "the integrator's affair",
)

QVM_AFTER_SERVER_ERROR = OpenQuestion(
    "qvm.server-error",
    "server",
    ("terminates", "goes-on"),
    "whether qvm ends when a message to a host server has timed out",
    "7.0 hypervisor user's guide, set: it may terminate with an error; when it does is not "
    "documented",
)

SHARED_MEMORY_PENDING = OpenQuestion(
    "shmem.pending-at-death",
    "shared-memory",
    ("kept", "cleared"),
    "whether notifications that a client of shared memory has not read when its qvm dies are there "
    "for the next client of its index",
    "not documented in the 7.1 hypervisor user's guide, share_mem; kept is the pessimistic answer",
)

OTHER_CPUS = OpenQuestion(
    "host.other-cpus",
    "host-down",
    ("run-on", "stop-at-once"),
    "whether the other processors, and guests with them, go on until the reboot callout",
    "7.1 hypervisor user's guide, dss: a crash in an interrupt handler holds no kernel lock, so "
    "that they may; the rest is not documented",
)

REBOOT_CALLOUT = OpenQuestion(
    "bsp.reboot-callout",
    "host-down",
    ("resets-peripherals", "leaves-peripherals"),
    "whether the board's reboot callout resets the devices together with the processors",
    "8.0 hypervisor user's guide, dss: normally it resets all processors and peripherals; what a "
    "board does is its BSP's affair",
)

QUESTIONS: tuple[OpenQuestion, ...] = (
    CALLBACK_ORDER,
    CLEANUP_ORDER,
    RELEASE_ORDER,
    SMMUMAN_CLIENT_DEATH,
    SHARED_STREAM,
    REMOVAL_FAILED,
    GUEST_OBEYS_POWER_BUTTON,
    CRASH_SEEN_BY,
    MASK_TRACKING,
    CLEANUP_PRIORITY,
    PENDING_AT_DETACH,
    SERVER_UNBLOCKED,
    SERVER_MONITOR,
    QVM_AFTER_SERVER_ERROR,
    SHARED_MEMORY_PENDING,
    OTHER_CPUS,
    REBOOT_CALLOUT,
    ACTIVE_AT_DETACH,
    ENABLE_LPIS,
    SHUTDOWN_HANDLER,
    VCPUS_AT_CALLBACKS,
    SIGNAL_DURING_CALLBACKS,
    SECOND_SIGNAL_STATUS,
    WATCHDOG_STATUS,
    *CALLBACKS_AFTER.values(),
)
"""All open questions."""
