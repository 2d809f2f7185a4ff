"""Constructs that configurations in use contain, and pass-through entries in all their forms."""

import msgspec
import pytest

from quiesce.model.base.errors import ConfigError
from quiesce.model.base.pci_address import PciAddress
from quiesce.scenarios.qvmconf.config import PciIds, VmConfig
from quiesce.scenarios.qvmconf.parser import parse_text

ARM = """
system cluster              # the instrument cluster
ram 0x80000000,512M
cpu sched 10r runmask 2,3
cpu partition linux
guest load ./Image
fdt load 0x88000000,/var/guest/vm.dtb
cmdline "console=ttyAMA0
   rw"
logger error,fatal,warn stderr
logger debug slog
unsupported reference abort
tolerance 50
safety warn
dump "|gzip > /tmp/dump.gz"
user 521:521
generate
set slog-buffer 16K
set gic-hwassist auto
vdev gic version 2 msi 0x08080000,64,32
vdev vdev-virtio-blk.so sched 10 loc 0x1c0b0000 intr gic:40 threads 4 hostdev </img/root dio enable
vdev virtio-net mac aa:bb:cc:dd:ee:f0 peer /dev/vdevpeers/vp0 peerfeats 0 name /dev/qvm/net
vdev pl011 loc 0x1c090000 intr gic:37 hostdev - hostdev >/tmp/log batch 20
vdev wdt-sp805 intr gic:42 action dump,terminate frequency 25000000
vdev shmem create frames,0x10000 allow frame*
vdev virtio-console delayed forever hostdev /dev/ptyp0
"""

X86 = """
ram 0xa0000
reserve loc 0xa0000,0x20000
rom 0xc0000,0x40000
ram 512M
cpu cpu
vdev ioapic loc 0xf8000000 intr apic name myioapic
vdev ser8250 hostdev >- intr myioapic:4
vdev timer8254 intr myioapic:0
vdev mc146818 reg 0x0b,0x02
vdev hpet loc 0xf8008000 intr myioapic:0,myioapic:8
vdev pckeyboard
vdev 8259 loc 0x20
vdev 8259 loc 0xa0
vdev pci-dummy clone pci:0:31.0
pass loc pci:0:2.0=pci:0:2.0
pass loc pci:0x8086/0x5aa8
pass loc pci:0:4=pci:0x8086/0x1533/1
"""


def test_an_arm_machine_as_it_is_written_in_the_field_parses() -> None:
    config = parse_text(ARM, release="7.x")
    assert config.vcpu_count == 2
    assert [vdev.type for vdev in config.vdevs] == [
        "gic",
        "virtio-blk",
        "virtio-net",
        "pl011",
        "wdt-sp805",
        "shmem",
        "virtio-console",
    ]
    disk = config.vdevs[1]
    assert (disk.hostdev[0].path, disk.hostdev[0].mode) == ("/img/root", "read")
    threads = disk.option("threads")
    assert threads is not None
    assert threads.numbers == (4,)
    watchdog = config.vdevs[4].loc
    assert watchdog is not None
    assert watchdog.address == 0x1C0F0000
    assert [end.path for end in config.vdevs[3].hostdev] == ["-", "/tmp/log"]
    assert (config.loads[0].blob, config.loads[1].address) == ("guest", 0x88000000)
    assert config.dump == "|gzip > /tmp/dump.gz"
    assert config.safety == "warn"
    assert config.notes == ()


def test_what_has_no_effect_is_listed_with_its_text() -> None:
    listed = {entry.text for entry in parse_text(ARM).not_modelled}
    assert {
        "user 521:521",
        "generate",
        "tolerance 50",
        "runmask 2,3",
        "sched 10",
        "peerfeats 0",
        "guest load ./Image",
        "set slog-buffer 16K",
    } <= listed
    assert not any("hostdev" in text or "threads" in text for text in listed)


def test_an_x86_machine_as_it_is_written_in_the_field_parses() -> None:
    config = parse_text(X86)
    assert [item.windows[0].pci_guest for item in config.passes] == [
        PciAddress(0, 2, 0),
        None,
        PciAddress(0, 4, 0),
    ]
    assert config.passes[1].windows[0].pci_ids == PciIds(0x8086, 0x5AA8, 0)
    assert [item.label for item in config.passes] == [
        "pci:0:2.0",
        "pci:0x8086/0x5aa8",
        "pci:0x8086/0x1533/1",
    ]
    assert all(item.can_do_dma for item in config.passes)
    assert str(config.vdevs[0].intr[0]) == "apic"


def test_one_pass_may_have_several_windows_and_lines() -> None:
    item = parse_text(
        "pass loc mem:0xEE080000,0x1000,rwn=0xee080000 loc 0xEE0A0000,0x2000,rw=0xff000000 "
        "intr gic:144 intr gic:44,u=179 intr gic:145,t"
    ).passes[0]
    assert [(w.guest, w.length, w.host, w.attributes) for w in item.windows] == [
        (0xEE080000, 0x1000, 0xEE080000, "rwn"),
        (0xEE0A0000, 0x2000, 0xFF000000, "rw"),
    ]
    assert [(i.number, i.host_vector, i.flags) for i in item.interrupts] == [
        (144, 144, ""),
        (44, 179, "u"),
        (145, 145, "t"),
    ]
    assert item.can_do_dma


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [("rwn", False), ("rw", True), ("rwd", True), ("rws", True), ("+rw-n", True), ("ndrw", True)],
)
def test_only_a_set_n_without_d_s_t_rules_out_dma(attributes: str, expected: bool) -> None:
    item = parse_text(f"pass loc 0xee080000,0x1000,{attributes}").passes[0]
    assert item.can_do_dma is expected


def test_addresses_of_40_bits_and_io_ports_are_kept_whole() -> None:
    config = parse_text("pass loc mem:0x8F_0000_0000,0x1000,rwn".replace("_", ""))
    assert config.passes[0].windows[0].guest == 0x8F00000000
    ports = parse_text("pass loc io:0x3f8,8,rwn=0x2f8 intr apic").passes[0]
    assert (ports.kind, ports.windows[0].host) == ("io", 0x2F8)


def test_a_window_that_is_no_whole_page_is_a_note_in_7_and_an_error_in_8() -> None:
    text = "ram 4k pass loc 0xe6055400,0x050,rwn intr gic:42"
    assert "no multiples of 0x1000" in str(parse_text(text, release="7.x").notes[0])
    assert "no multiples of 0x1000" in str(parse_text(text).notes[0])
    with pytest.raises(ConfigError, match="must be multiples of 0x1000"):
        parse_text(text, release="8.0")


def test_constructs_of_8_0_give_the_release_away() -> None:
    assert parse_text("cpu cluster _cpu-1").release == "8.0"
    assert parse_text("cpu runmask 1").release == "7.x"
    assert parse_text("cpu sched 9").release is None
    contradiction = parse_text("ram 4k cpu cluster _cpu-1", release="7.x")
    assert "belongs to release 8.0" in str(contradiction.notes[0])


def test_a_users_vdev_is_taken_with_its_own_options_and_a_note() -> None:
    config = parse_text("ram 4k vdev qvmterm channel 3 loc 0x20000000 intr gic:50 mode strict cpu")
    vdev = config.vdevs[0]
    assert not vdev.shipped
    assert [(option.name, option.arguments) for option in vdev.options] == [
        ("channel", ("3",)),
        ("mode", ("strict",)),
    ]
    assert vdev.transport == "mmio"
    assert config.vcpu_count == 1
    assert "your own vdev-qvmterm.so" in str(config.notes[0])
    assert not parse_text("ram 4k vdev qvmterm", user_vdevs=frozenset({"qvmterm"})).notes
    assert parse_text("vdev qvmterm").vdevs[0].transport == "none"


@pytest.mark.parametrize("text", [ARM, X86])
def test_a_configuration_survives_json(text: str) -> None:
    config = parse_text(text)
    assert msgspec.json.decode(msgspec.json.encode(config), type=VmConfig) == config
