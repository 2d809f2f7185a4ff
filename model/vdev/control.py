"""The messages (VDEV_CTRL_...) that a vdev's control function gets, in the order of a VM's life.

    for each vdev       OPTIONS_START, OPTIONS_END                one thread, nothing runs yet
    for each vdev       PCI_BARS or GEN_FDT                       assembly
    for each vdev       GUEST_CONFIGURED                          threads may be created from here
    for each vdev       GUEST_STARTING                            the guest runs from here
    now and then        BUTTON                                    any thread
    for each vdev       TERMINATE                                 once, if qvm ends in order

Left out: the message for each single option, whose text a plan no longer has, and STATUS, which
prints.  The place of PCI_BARS and GEN_FDT is not documented; they are needed for the assembly.

Source:
    QNX 7.1 vdev API reference, vdev-core.h; 7.0 vdev developer's guide, func_safety (threads) and
    terminate.
"""

from enum import Enum

from ..sim.component import Component
from ..trace.events import ControlMessageSent
from .site import VdevSite


class VdevControl(Enum):
    """A message, by its name in `vdev-core.h` without VDEV_CTRL_."""

    OPTIONS_START = "OPTIONS_START"
    OPTIONS_END = "OPTIONS_END"
    PCI_BARS = "PCI_BARS"
    GEN_FDT = "GEN_FDT"
    GUEST_CONFIGURED = "GUEST_CONFIGURED"
    GUEST_STARTING = "GUEST_STARTING"
    BUTTON = "BUTTON"
    TERMINATE = "TERMINATE"


def emit_control_message(vdev: Component, site: VdevSite, message: VdevControl) -> None:
    """Emit `ControlMessageSent` in a detailed trace: a vdev gets a message."""
    if site.is_detailed:
        vdev.emit(ControlMessageSent(site.vm, site.epoch, vdev.name, message.value))
