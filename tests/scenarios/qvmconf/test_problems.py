"""What is wrong with a configuration, where, and what to write instead."""

import pytest

from quiesce.model.base.errors import ConfigError
from quiesce.scenarios.qvmconf.collector import MAX_PROBLEMS
from quiesce.scenarios.qvmconf.parser import parse_text


def problems(text: str, asinfo: dict[str, tuple[int, int]] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse_text(text, "vm", asinfo)
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sytem a", "vm:1:1: unknown option 'sytem'; did you mean system?"),
        ("system", "vm:1:1: system needs an argument, but the text ends"),
        ("system\nram 1M", "vm:1:1: system needs an argument, but 'ram' follows"),
        (
            "vdev pl011 loc intr gic:37",
            "vm:1:12: loc needs an argument, but 'intr' follows",
        ),
        (
            "ram 0x80000000 128M",
            ("vm:1:16: unknown option '128M'; the arguments of ram are one word: "
            "join them with commas"),
        ),
        (
            "vdev virtio-blk hostdve a",
            "vm:1:17: unknown option 'hostdve' in vdev virtio-blk; did you mean hostdev?",
        ),
        (
            "vdev virtio-blk peer a",
            "vm:1:17: unknown option 'peer' in vdev virtio-blk; peer belongs to vdev virtio-net",
        ),
        (
            "vdev virtio-blk runmask 1",
            ("vm:1:17: unknown option 'runmask' in vdev virtio-blk; "
            "runmask belongs to a cpu: put it there"),
        ),
        (
            "vdev virtio-blk loc 0x1000",
            ("vm:1:6: vdev virtio-blk has loc but no intr; "
            "give both for a memory-mapped device or neither for a PCI function"),
        ),
        (
            "vdev virtio-blk intr gic:41",
            ("vm:1:6: vdev virtio-blk has intr but no loc; "
            "give both for a memory-mapped device or neither for a PCI function"),
        ),
        (
            "vdev pl011 intr gic:37",
            "vm:1:6: vdev pl011 has no loc, which it needs because it is no PCI function; add loc",
        ),
        ("vdev 8259 loc 0x20 intr apic", "vm:1:6: vdev 8259 takes no intr; remove intr"),
        ("vdev virtio-net", "vm:1:6: vdev virtio-net has no peer, which is mandatory; add peer"),
        (
            "vdev shmem allow a deny b",
            ("vm:1:6: vdev shmem has both allow and deny, which exclude each other; "
            "allow denies all others, deny allows all others: keep one kind"),
        ),
        (
            "vdev pl011 loc 0x1c090000 intr gci:37",
            "vm:1:32: there is no interrupt controller 'gci'; did you mean gic?",
        ),
        (
            "pass loc 0xee080000,0x1000,rwz",
            ("vm:1:10: pass: unknown attribute 'z' in 'rwz'; "
            "the attributes are r, w, x, c, e, m, d, n, s, t, and + and - before them"),
        ),
        (
            "pass intr gic:44,v",
            ("vm:1:11: intr: unknown flag 'v'; "
            "write t to deliver through a thread or u to unmask at once"),
        ),
        ("pass cpu", "vm:1:1: pass names neither a location nor an interrupt; add loc or intr"),
        ("system a system b", ("vm:1:10: system of the configuration was already given at vm:1:1; "
         "remove one of the two")),
        ("load a ram 1M", ("vm:1:8: ram stands behind load (vm:1:1), "
         "which already refers to guest memory; move ram up")),
        ("ram 1m,1023", ("vm:1:5: ram of 0x3ff bytes at 0x100000 is not whole pages; "
         "did you mean 1023M?")),
        ("ram 1c0d0000", ("vm:1:5: ram length: '1c0d0000' is not a number; "
         "write 0x1c0d0000 for a hexadecimal number")),
        ("set message-block-timeout 4", ("vm:1:27: message-block-timeout: '4' is not in 5..10000; "
         "0 means never")),
        ("set message-block-timeout 10001", ("vm:1:27: message-block-timeout: '10001' is not in "
         "0..10000")),
        ("set mesage-block-timeout 5", ("vm:1:5: unknown variable 'mesage-block-timeout'; "
         "did you mean message-block-timeout?")),
        ("set vdev-message-block-timeout 5", ("vm:1:5: vdev-message-block-timeout belongs to a "
         "vdev, and the latest context is none; put it behind one")),
        ("logger eror stderr", "vm:1:8: logger: unknown word 'eror'; did you mean error?"),
        ("safety requird", "vm:1:8: safety: unknown word 'requird'; did you mean required?"),
        ("vdev ser8250 intr gic:37", ("vm:1:19: the controller gic exists on ARM only, "
         "vdev ser8250 on x86 only; see vm:1:6")),
        ("vdev ser8250 loc 0x2f8,8 intr apic", ("vm:1:18: loc: '0x2f8,8' has a length, which was "
         "valid before QNX 7.0 (Hypervisor 2.0) only; write loc 0x2f8; the vdev knows its length")),
        ("vdev 8259 loc 0x20 intr cpu:irq", ("vm:1:25: intr: 'cpu:irq' names an input of the "
         "processor, which was valid before QNX 7.0 (Hypervisor 2.0) only; write intr apic; "
         "an 8259 has no intr since then")),
        ("cpu 2", "vm:1:5: unknown option '2' in cpu; write cpu once for each virtual CPU"),
        ("pass 0xfe000000,0x1000", ("vm:1:6: unknown option '0xfe000000,0x1000' in pass; "
         "write pass loc address,length,attributes=host")),
        ('cmdline \\"quiet\\"', ("vm:1:9: the quote that opens here is never closed; "
         'the \\" is for a shell: write " alone')),
        ("gic version 3", "vm:1:1: unknown option 'gic'; write vdev gic"),
        ("pass loc pci:0:40", "vm:1:10: PCI device: '40' is not in 0..31"),
        ("data x", "vm:1:1: unknown option 'data'; data stands before load or pass"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_its_remedy(text: str, message: str) -> None:
    assert problems(text) == [message]


def test_a_mistake_made_twice_is_reported_twice() -> None:
    assert len(problems("vdev virtio-blk lok 1\nvdev virtio-blk lok 1")) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vdev gic vdev gic", "a machine has at most 1 of vdev gic"),
        ("vdev virtio-blk hostdev a name x vdev shmem name x", "the name 'x' belongs to vdev"),
        ("vdev ioapic loc 0xf8000000 intr apic name a:b", "the controller's name 'a:b' holds"),
        ("vdev pl011 loc 0x1000 intr gic", "gic is named without a pin"),
        ("vdev pl011 loc 0x1000 intr gic:1020", "gic has no pin 1020; the highest is 1019"),
        ("vdev pl011 loc pci:0:1 intr gic:40", "vdev pl011 is no PCI function"),
        ("vdev pl011 loc 0x1000 intr 40", "'40' does not say which controller; write controller"),
        ("vdev pl011 loc 0x1000 loc 0x2000 intr gic:40", "loc of vdev pl011 was already given"),
        ("vdev virtio-blk hostvector 3", "is no interrupt controller and has no hostvector"),
        ("vdev virtio-blk hostdev >", "'>' names nothing in the host"),
        ("vdev virtio-blk delayed never", "'never' is no delay; write seconds, or forever"),
        ("vdev virtio-net peer a mac 11:22", "'11:22' is no MAC address"),
        ("vdev shmem create frames", "'frames' is no region; write name,bytes"),
        ("vdev wdt-sp805 intr gic:40 action bark", "action: unknown word 'bark'"),
        ("vdev gic version 4", "'4' is not in 2..3"),
        ("vdev pci-dummy", "has no clone, which is mandatory"),
        ("unsupported registre fail", "unknown word 'registre'; did you mean register?"),
        ("pass loc 0x1000,0x1000,rw,x=0x1000", "'x' stands behind the attributes"),
        ("pass loc 0x1000,0,rw", "the window has no bytes"),
        ("pass loc mem:0x1000,0x1000=io:0x1000", "names no space that fits here"),
        ("set exit-on-halt perhaps", "'perhaps' is neither true nor false"),
    ],
)
def test_every_rule_of_a_vdev_or_an_entry_is_enforced(text: str, message: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert message in found[0]


def test_all_mistakes_are_reported_in_text_order() -> None:
    text = "rom 4\ncpu sched 999\nvdev virtio-net\nvdev pl011 loc 0x1000 intr gic:99999"
    assert [problem.split(": ")[0] for problem in problems(text)] == [
        "vm:1:5",
        "vm:2:11",
        "vm:3:6",
        "vm:4:28",
    ]


def test_a_wrong_entry_brings_no_second_complaint_about_what_it_lacks() -> None:
    assert len(problems("vdev pl011 loc 0xzz intr gic:37")) == 1
    assert len(problems("pass loc pci:nowhere")) == 1
    assert len(problems("rm 3 4 5 6")) == 1


def test_two_memory_mapped_vdevs_on_one_pin_are_refused() -> None:
    """The guest boots and the second device is silent: a mistake seen in the field."""
    text = (
        "vdev virtio-blk loc 0x1c0b0000 intr gic:40 hostdev a name disk\n"
        "vdev virtio-net loc 0x1c0c0000 intr gic:40 peer p"
    )
    assert problems(text) == [
        (
            "vm:2:37: gic:40 belongs to vdev disk (vm:1:6) already; "
            "give each memory-mapped vdev a pin of its own"
        )
    ]


def test_pci_functions_may_share_a_pin_but_not_with_a_memory_mapped_vdev() -> None:
    shared = "vdev shmem loc pci:0:1 intr gic:40\nvdev virtio-entropy loc pci:0:2 intr gic:40\n"
    assert len(parse_text(shared).vdevs) == 2
    assert problems(shared + "vdev virtio-blk loc 0x1000 intr gic:40 hostdev a") == [
        (
            "vm:1:29: gic:40 belongs to vdev virtio-blk (vm:3:6) alone; "
            "give the PCI function another pin"
        ),
        (
            "vm:2:38: gic:40 belongs to vdev virtio-blk (vm:3:6) alone; "
            "give the PCI function another pin"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "overlapping"),
    [
        ("ram 0,0x100000 rom 0xff000,0x1000", "rom 0xff000 overlaps ram 0x0"),
        ("ram 0,0x100000 reserve loc 0xff000,0x1000", "reserve 0xff000 overlaps ram 0x0"),
        (
            "ram 0x1c000000,1M pass loc 0x1c0ff000,0x1000,rwn",
            "pass mem:0x1c0ff000 overlaps ram 0x1c000000",
        ),
        (
            "pass loc 0x1000,0x2000,rwn pass loc 0x2000,0x1000,rwn",
            "pass mem:0x2000 overlaps pass mem:0x1000",
        ),
        (
            "vdev shmem loc 0x1000 intr gic:40 vdev virtio-entropy loc 0x1f00 intr gic:41",
            "vdev virtio-entropy at 0x1f00 overlaps vdev shmem at 0x1000",
        ),
    ],
)
def test_overlapping_ranges_are_refused(text: str, overlapping: str) -> None:
    assert overlapping in problems(text)[0]


def test_ranges_that_only_touch_are_no_overlap() -> None:
    parse_text("ram 0,0x100000 rom 0x100000,0x1000 pass loc 0x101000,0x1000,rwn")
    parse_text("reserve loc 0xa0000,0x20000 pass loc 0xa0000,0x20000,rwn")


def test_two_functions_in_one_pci_place_are_refused() -> None:
    assert (
        "pci:0:1.0 is taken by vdev virtio-blk"
        in problems("vdev virtio-blk loc pci:0:1 hostdev a pass loc pci:0:1.0=pci:3:0.0")[0]
    )
    assert (
        "host pci:3:0.0 is taken"
        in problems("pass loc pci:0:1=pci:3:0.0 pass loc pci:0:2=pci:3:0.0")[0]
    )


def test_an_unknown_system_page_name_is_answered_with_the_known_ones() -> None:
    text = "pass loc mem:$asinfo_start{gpuu},0x1000,rwn"
    assert problems(text, asinfo={"gpu": (0, 1), "ram": (0, 1)}) == [
        "vm:1:10: pass: address: the system page has no entry 'gpuu'; did you mean 'gpu'?"
    ]
    assert "it has a, b" in problems(text, asinfo={"a": (0, 1), "b": (0, 1)})[0]


def test_reading_stops_after_a_bounded_number_of_problems() -> None:
    found = problems("zzzz 1\n" * 5000)
    assert len(found) == MAX_PROBLEMS + 1
    assert f"stops here after {MAX_PROBLEMS} problems" in found[-1]
