"""Makes the text of a usable `qvm` configuration from draws.

Source:
    QNX hypervisor user's guide, VM configuration: `system`, `ram`, `cpu`, `pass`, `vdev`.
"""

from .byte_draws import ByteDraws


def conf_from(draws: ByteDraws) -> str:
    """Return the text of a `.qvmconf` file with 1 to 6 devices."""
    base = draws.pick((0x8000_0000, 0x4000_0000, 0x1_0000_0000))
    lines = [f"system vm{draws.below(100)}", f"ram {base:#x},{1 << draws.below(8)}M"]
    lines += ["cpu"] * draws.below(5)
    if draws.happens(4):
        lines.insert(0, "# A configuration that was drawn.")
    for number in range(1 + draws.below(6)):
        lines.append("")
        lines += draws.pick((_pass_through, _block_by_address, _block_by_pci))(draws, number)
    return "\n".join(lines) + "\n"


def _pass_through(draws: ByteDraws, number: int) -> list[str]:
    address = 0x1B00_0000 + number * 0x10_0000
    intid = 44 + number
    return [
        f"pass loc mem:{address:#x},{0x1000 << draws.below(6):#x},rw={address:#x}",
        f"        intr gic:{intid}={intid + 135}",
    ]


def _block_by_address(draws: ByteDraws, number: int) -> list[str]:
    address = 0x1C0D_0000 + number * 0x1_0000
    return [
        "vdev virtio-blk",
        f"        loc {address:#x}",
        f"        intr gic:{100 + number}",
        *_disk(draws, number),
    ]


def _block_by_pci(draws: ByteDraws, number: int) -> list[str]:
    return ["vdev virtio-blk", *_disk(draws, number)]


def _disk(draws: ByteDraws, number: int) -> list[str]:
    lines = [f"        hostdev /dev/hd{number}t{177 + draws.below(3)}"]
    if draws.happens():
        lines.append(f"        name disk{number}")
    return lines
