"""The text of a usable `qvm` configuration, made from dice.

Source:
    QNX hypervisor user's guide, VM configuration: `system`, `ram`, `cpu`, `pass`, `vdev`.
"""

from .byte_draws import Dice


def conf_from(dice: Dice) -> str:
    """Return the text of a `.qvmconf` file with 1 to 6 devices."""
    base = dice.pick((0x8000_0000, 0x4000_0000, 0x1_0000_0000))
    lines = [f"system vm{dice.below(100)}", f"ram {base:#x},{1 << dice.below(8)}M"]
    lines += ["cpu"] * dice.below(5)
    if dice.happens(4):
        lines.insert(0, "# A configuration that was drawn.")
    for number in range(1 + dice.below(6)):
        lines.append("")
        lines += dice.pick((_pass_through, _block_by_address, _block_by_pci))(dice, number)
    return "\n".join(lines) + "\n"


def _pass_through(dice: Dice, number: int) -> list[str]:
    address = 0x1B00_0000 + number * 0x10_0000
    intid = 44 + number
    return [
        f"pass loc mem:{address:#x},{0x1000 << dice.below(6):#x},rw={address:#x}",
        f"        intr gic:{intid}={intid + 135}",
    ]


def _block_by_address(dice: Dice, number: int) -> list[str]:
    address = 0x1C0D_0000 + number * 0x1_0000
    return [
        "vdev virtio-blk",
        f"        loc {address:#x}",
        f"        intr gic:{100 + number}",
        *_disk(dice, number),
    ]


def _block_by_pci(dice: Dice, number: int) -> list[str]:
    return ["vdev virtio-blk", *_disk(dice, number)]


def _disk(dice: Dice, number: int) -> list[str]:
    lines = [f"        hostdev /dev/hd{number}t{177 + dice.below(3)}"]
    if dice.happens():
        lines.append(f"        name disk{number}")
    return lines
