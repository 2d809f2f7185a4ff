"""The documented procedures that quiesce devices, as plain data by kind of device.

A procedure is a list of steps, each with its bound in nanoseconds.  `hardware/*_procedure` carry
out the steps; drawn systems and scenarios take the orders from here.
"""

from typing import NamedTuple

__all__ = [
    "AHCI",
    "CAN",
    "COMMON_STEPS",
    "DOCUMENTED",
    "EDU",
    "GENERIC",
    "NIC",
    "NVME",
    "PCIE_BOUNDS",
    "PCIE_STEPS",
    "PL330",
    "PL330_SYNCHRONIZE",
    "PL330_TERMINATE_ASYNC",
    "XHCI",
    "DocumentedProcedure",
    "Order",
]

Order = tuple[tuple[str, int], ...]
"""Steps in order, each with its bound in nanoseconds; 0 for a step that does not wait."""


class DocumentedProcedure(NamedTuple):
    """How software quiesces devices of one kind, according to its source.

    Attributes:
        steps: Every step by name, with its register access, or the condition that it waits for.
        order: The documented order.
        source: Where the order comes from.
        fallbacks: What software does when a wait of the documented order has timed out, and then
            when a wait of the fallback before has.
    """

    steps: dict[str, str]
    order: Order
    source: str
    fallbacks: tuple[Order, ...] = ()


COMMON_STEPS: dict[str, str] = {
    "read-back": "read a register: posted writes have arrived, DMA writes have landed",
    "confirm": "see that the device is idle and its writes have landed, at most the bound",
}
"""Every step that any device understands, on PCIe or not."""

PCIE_STEPS: dict[str, str] = {
    "mask-messages": "MSI-X function mask, read back",
    "disable-messages": "MSI-X enable off, read back",
    "disable-line": "INTX_DISABLE, read back",
    "clear-bus-master": "bus master enable off",
    "await-transactions": "until Transactions Pending reads 0, at most the bound",
    "function-level-reset": "Initiate Function Level Reset",
    "await-ready": "until the function answers again after its reset, at most the bound",
} | COMMON_STEPS
"""Every step that any PCIe function understands."""

PCIE_BOUNDS: dict[str, int] = {
    "await-transactions": 50_000_000,
    "await-ready": 60_000_000_000,
    "confirm": 100_000_000,
}
"""The steps that wait, with the bound in nanoseconds that is usual: the longest default PCIe
completion time-out, Linux's wait for readiness, and an assumption."""

NIC = DocumentedProcedure(
    steps={
        "disable-receive": "RCTL.EN=0",
        "mask-interrupts": "IMC=~0, read back",
        "settle": "wait 10 to 11 ms for a frame half received",
        "disable-bus-master": "CTRL.GIO_MASTER_DISABLE=1",
        "await-idle": "until STATUS.GIO_MASTER_ENABLE reads 0, at most the bound (80 ms in e1000e)",
        "clear-cause": "ICR read, which clears it",
        "reset": "CTRL.RST=1",
    }
    | PCIE_STEPS,
    order=(
        ("disable-receive", 0),
        ("mask-interrupts", 0),
        ("settle", 0),
        ("disable-bus-master", 0),
        ("await-idle", 80_000_000),
        ("reset", 0),
        ("read-back", 0),
    ),
    source="Linux e1000e, e1000e_down",
)
"""The order of Linux's e1000e."""

_AHCI_STOP_FIS: Order = (
    ("stop-fis-receive", 0),
    ("await-fis-receive", 1_000_000_000),
    ("confirm", 1_000_000),
)

AHCI = DocumentedProcedure(
    steps={
        "mask-interrupts": "PxIE=0, read back",
        "stop-engine": "PxCMD.ST=0",
        "await-engine": "until PxCMD.CR reads 0, at most the bound (500 ms)",
        "stop-fis-receive": "PxCMD.FRE=0",
        "await-fis-receive": "until PxCMD.FR reads 0, at most the bound (500 ms, 1 s in Linux)",
        "command-list-override": "PxCMD.CLO=1",
        "comreset": "PxSCTL.DET=1 for at least 1 ms, then 0",
        "await-link": "until PxSSTS.DET reads 3, at most the bound",
        "hba-reset": "GHC.HR=1",
        "await-hba-reset": "until GHC.HR reads 0, at most the bound (1 s)",
    }
    | PCIE_STEPS,
    order=(
        ("mask-interrupts", 0),
        ("stop-engine", 0),
        ("await-engine", 500_000_000),
        *_AHCI_STOP_FIS,
    ),
    source="AHCI 1.3.1, 10.1.2 and 10.4; Linux libahci.c",
    fallbacks=(
        (("command-list-override", 0), ("await-engine", 500_000_000), *_AHCI_STOP_FIS),
        (
            ("comreset", 0),
            ("await-link", 5_000_000_000),
            ("await-engine", 500_000_000),
            *_AHCI_STOP_FIS,
        ),
        (("hba-reset", 0), ("await-hba-reset", 1_000_000_000), ("confirm", 1_000_000)),
    ),
)
"""The order of Linux's libahci."""

_NVME_ADMIN_NS_MAX = 60_000_000_000
_NVME_SHUTDOWN_NS_MAX = 5_000_000_000
_NVME_READY_NS_MAX = 10_000_000_000
_NVME_FENCE: Order = (
    ("disable", 0),
    ("await-disabled", _NVME_READY_NS_MAX),
    ("clear-bus-master", 0),
    ("confirm", 1_000_000),
)

NVME = DocumentedProcedure(
    steps={
        "mask-interrupts": "INTMS=~0, or with MSI-X the function mask; read back",
        "delete-submission-queue": "Delete I/O SQ; until it is answered, at most the bound (60 s)",
        "delete-completion-queue": "Delete I/O CQ; until it is answered, at most the bound (60 s)",
        "shutdown": "CC.SHN=01b",
        "abrupt-shutdown": "CC.SHN=10b",
        "await-shutdown": "until CSTS.SHST reads 10b, at most the bound (RTD3E; 5 s in FreeBSD)",
        "disable": "CC.EN=0",
        "await-disabled": "until CSTS.RDY reads 0, at most the bound (CAP.TO, 0.5 to 127.5 s)",
    }
    | PCIE_STEPS,
    order=(
        ("mask-interrupts", 0),
        ("delete-submission-queue", _NVME_ADMIN_NS_MAX),
        ("delete-completion-queue", _NVME_ADMIN_NS_MAX),
        ("shutdown", 0),
        ("await-shutdown", _NVME_SHUTDOWN_NS_MAX),
        *_NVME_FENCE,
    ),
    source="NVM Express base specification 2.0, 3.6.1; Linux nvme_dev_disable",
    fallbacks=(
        (("abrupt-shutdown", 0), ("await-shutdown", _NVME_SHUTDOWN_NS_MAX), *_NVME_FENCE),
        _NVME_FENCE,
        (
            ("function-level-reset", 0),
            ("await-ready", 60_000_000_000),
            ("confirm", 1_000_000),
        ),
    ),
)
"""The order of Linux's NVMe driver."""

_XHCI_RESET: Order = (("reset", 0), ("await-reset", 10_000_000_000), ("confirm", 1_000_000))

XHCI = DocumentedProcedure(
    steps={
        "mask-interrupts": "USBCMD.INTE=0, read back",
        "stop-endpoint": "Stop Endpoint command; until it is answered, at most the bound (5 s)",
        "stop": "USBCMD.RS=0",
        "await-halted": "until USBSTS.HCH reads 1, at most the bound (16 ms, 32 ms in Linux)",
        "reset": "USBCMD.HCRST=1",
        "await-reset": "until USBCMD.HCRST and USBSTS.CNR read 0, at most the bound (10 s)",
    }
    | PCIE_STEPS,
    order=(
        ("mask-interrupts", 0),
        ("stop-endpoint", 5_000_000_000),
        ("stop", 0),
        ("await-halted", 32_000_000),
        *_XHCI_RESET,
    ),
    source="xHCI 1.2, 4.6.9 and 5.4.1; Linux xhci_halt and xhci_reset",
    fallbacks=(
        _XHCI_RESET,
        (
            ("clear-bus-master", 0),
            ("function-level-reset", 0),
            ("await-ready", 60_000_000_000),
            ("confirm", 1_000_000),
        ),
    ),
)
"""The order of Linux's xHCI driver."""

_PL330_POLLS_NS = 4_000_000

PL330_TERMINATE_ASYNC: Order = (
    ("disable-events", 0),
    ("await-debug-idle", _PL330_POLLS_NS),
    ("kill", 0),
)
"""Issues the stop; transfers may still run when it is done."""

PL330_SYNCHRONIZE: Order = (
    ("await-debug-idle", _PL330_POLLS_NS),
    ("await-stopped", _PL330_POLLS_NS),
    ("clear-events", 0),
    ("confirm", 1_000_000),
)
"""Returns when the transfers are over; only then may their memory be freed."""

PL330 = DocumentedProcedure(
    steps={
        "disable-events": "INTEN=0, read back",
        "await-debug-idle": "until DBGSTATUS reads idle, at most the bound (4,000 polls)",
        "kill": "DBGINST0=DMAKILL for the channel, DBGCMD=0",
        "await-stopped": "until CSR reads Stopped, at most the bound (4,000 polls)",
        "clear-events": "INTCLR=~0",
        "soc-reset": "reset line of the SoC's reset controller",
        "await-reset": "until the reset line has been let go, at most the bound",
    }
    | COMMON_STEPS,
    order=(*PL330_TERMINATE_ASYNC, *PL330_SYNCHRONIZE),
    source="Arm DDI 0424, 3.3 and 3.5; Linux dmaengine client.rst, terminate and synchronize",
    fallbacks=((("soc-reset", 0), ("await-reset", 1_000_000), ("confirm", 1_000_000)),),
)
"""Both halves of Linux's dmaengine; the bounds assume that a poll lasts a microsecond."""

CAN = DocumentedProcedure(
    steps={
        "disable-interrupts": "IE=0 and ILE=0, read back",
        "enter-initialization": "CCCR.INIT=1",
        "await-initialization": "until CCCR.INIT reads 1, at most the bound",
        "clear-interrupts": "IR=~0",
        "empty-buffer": "read and acknowledge every frame (RXF0A)",
        "soc-reset": "reset line of the SoC's reset controller",
    }
    | COMMON_STEPS,
    order=(
        ("disable-interrupts", 0),
        ("enter-initialization", 0),
        ("await-initialization", 10_000_000),
        ("clear-interrupts", 0),
        ("empty-buffer", 0),
        ("confirm", 1_000_000),
    ),
    source="Bosch M_CAN user's manual, CCCR; Linux m_can_stop",
    fallbacks=((("soc-reset", 0), ("confirm", 1_000_000)),),
)
"""The order of Linux's `m_can_stop`."""

EDU = DocumentedProcedure(
    steps={
        "clear-bus-master": "bus master enable off",
        "await-transfer": "until bit 0 of the DMA command reads 0, at most the bound",
        "acknowledge": "read the interrupt status and acknowledge it, read back",
    }
    | COMMON_STEPS,
    order=(
        ("clear-bus-master", 0),
        ("await-transfer", 200_000_000),
        ("acknowledge", 0),
        ("confirm", 1_000_000),
    ),
    source="QEMU 7.2, docs/specs/edu.txt",
)
"""The timer takes 100 ms."""

_GENERIC_RESET: Order = (("reset", 0), ("await-reset", 1_000_000_000), ("confirm", 1_000_000))

GENERIC = DocumentedProcedure(
    steps={
        "mask-interrupts": "the device's own interrupt mask, read back",
        "stop": "its stop request",
        "await-idle": "until it reads as idle, at most the bound",
        "reset": "its reset request",
        "await-reset": "until the reset reads as done, at most the bound",
    }
    | PCIE_STEPS,
    order=(
        ("mask-interrupts", 0),
        ("stop", 0),
        ("await-idle", 1_000_000_000),
        *_GENERIC_RESET,
    ),
    source="assumed: stop, wait, reset, see",
    fallbacks=(_GENERIC_RESET,),
)
"""Stop, wait, reset, check: an order for every device unless its maker says otherwise."""

DOCUMENTED: dict[str, DocumentedProcedure] = {
    "nic": NIC,
    "ahci": AHCI,
    "nvme": NVME,
    "xhci": XHCI,
    "pl330": PL330,
    "can": CAN,
    "edu": EDU,
    "policy": GENERIC,
}
"""The documented procedure of each kind of device that is passed through."""
