"""What the model leaves out of the parts that a plan uses, in the words of the parts' own modules.

A module that leaves something out says so in its docstring, in a paragraph that begins with
`Left out: `.  This module reads that paragraph into the header of a trace.
"""

import re
from functools import cache
from importlib import import_module

from ..plan.system_plan import SystemPlan
from ..plan.virtio_plan import BlockPlan, ConsolePlan, NetPlan, VirtioPlan
from ..trace.events import Assumption

NOT_MODELLED = "not modelled"
"""What the basis of such an assumption begins with."""

_MODEL = __name__.rsplit(".", maxsplit=2)[0]

_PARAGRAPH = re.compile(r"^Left out: (.*?)(?:\n\s*\n|\Z)", re.DOTALL | re.MULTILINE)

_MODULES: dict[str, str] = {
    "nic": "hardware.nic",
    "ahci": "hardware.ahci",
    "nvme": "hardware.nvme",
    "xhci": "hardware.xhci",
    "pl330": "hardware.pl330",
    "can": "hardware.can",
    "edu": "hardware.edu",
    "policy": "hardware.generic_device",
    "sdmmc": "hardware.sdmmc",
    "back-end": "host.user_back_end",
    "virtio": "vdev.virtio_vdev",
    "virtio-blk": "virtio.block_device",
    "virtio-net": "vdev.virtio_net",
    "virtio-console": "vdev.virtio_console",
    "device-cache": "bus.device_cache",
    "smmuman": "host.smmuman",
}
"""The module with that paragraph, by kind of part."""


def left_out(plan: SystemPlan) -> tuple[Assumption, ...]:
    """Return what is not modelled of each kind of part that a plan uses."""
    rows = [(kind, _of_module(module)) for kind, module in _MODULES.items() if kind in _kinds(plan)]
    basis = f"{NOT_MODELLED}: no run depends on it, although a real part may have it"
    return tuple(Assumption(f"{kind}.left-out", text, basis) for kind, text in rows if text)


def _kinds(plan: SystemPlan) -> set[str]:
    vdevs = [vdev for vm in plan.vms for vdev in vm.vdevs]
    disks = {disk.kind for disk in plan.disks}
    kinds = {
        "nic": bool(plan.nics),
        "pl330": "sdmmc" in disks,
        "back-end": bool(plan.back_ends),
        "virtio": any(isinstance(vdev, VirtioPlan) for vdev in vdevs),
        "virtio-blk": any(isinstance(vdev, BlockPlan) for vdev in vdevs),
        "virtio-net": any(isinstance(vdev, NetPlan) for vdev in vdevs),
        "virtio-console": any(isinstance(vdev, ConsolePlan) for vdev in vdevs),
        "device-cache": plan.iommu and any(device.traits.ats for device in plan.passable),
        "smmuman": plan.iommu,
    }
    devices = {str(type(device).__struct_config__.tag) for device in plan.devices}
    return {kind for kind, is_used in kinds.items() if is_used} | disks | devices


@cache
def _of_module(module: str) -> str:
    """Return what a module leaves out, by its docstring; empty without such a paragraph."""
    text = import_module(f"{_MODEL}.{module}").__doc__ or ""
    found = _PARAGRAPH.search(text)
    return "" if found is None else " ".join(found[1].split()).removesuffix(".")
