"""A folder with one configuration, and scenarios written into it."""

from collections.abc import Callable
from pathlib import Path

import pytest

GUEST = """\
system linux-net
ram 0x80000000,16M
vdev virtio-blk name disk0 loc 0x1c0d0000 intr gic:41 hostdev /dev/hd0t131
pass loc mem:0xee080000,0x1000,rwd intr gic:179
pass loc mem:0xee090000,0x1000,rwn intr gic:180
vdev qvmterm
"""

SCENARIO = """\
description = "The guest crashes while frames arrive."
configuration = "guest.qvmconf"

[end]
cause = "guest-crash"
at = "250us"

[platform]
iommu = "none"

[[platform.device]]
kind = "nic"
name = "eth0"

[[platform.device]]
kind = "ahci"
name = "ahci0"
"""

CRASH_AT_WORK = SCENARIO.replace(
    'at = "250us"', 'after = { event = "DmaIssued", source = "eth0.dma", count = 5 }'
)
"""The same, but the guest has booted and its NIC is busy: late writes are certain."""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a scenario into a fresh folder and go there; `guest` replaces the configuration."""
    monkeypatch.chdir(tmp_path)

    def write_scenario(text: str = SCENARIO, *, guest: str = GUEST, name: str = "s.toml") -> Path:
        Path("guest.qvmconf").write_text(guest, encoding="utf-8")
        path = Path(name)
        path.write_text(text, encoding="utf-8")
        return path

    return write_scenario
