"""The device tree of an ARM guest, compiled and taken apart by the real `dtc` as well."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.model.base.errors import ConfigError
from quiesce.scenarios.discovery.device_tree import TreeNode, binary, quoted, source_text, strings
from quiesce.scenarios.discovery.fdt import left_out, machine_tree

from .conftest import BLK, CONSOLE, NET, SHMEM, boot

DTC = shutil.which("dtc")
needs_dtc = pytest.mark.skipif(
    DTC is None, reason="dtc (Debian: device-tree-compiler) is not installed"
)

DIRECT = (
    "cpu cpu ram 0x880000000,1G "
    + BLK
    + "name disk0 loc 0x1c0d0000 intr gic:41 "
    + NET
    + "loc 0x9f0000000 intr gic:1019 "
    + CONSOLE
    + "loc 0x20000000 intr gic:32 "
    + SHMEM
    + "loc 0x1d000000 intr gic:50 "
)
NASTY = 'a"; }; /* \\ \t \u00e9 // ${x} */'


def tree(text: str) -> TreeNode:
    return machine_tree(boot(text).config)


def dtc(*words: str, text: bytes = b"") -> bytes:
    """Run the real compiler; a warning is a failure."""
    assert DTC is not None
    done = subprocess.run([DTC, *words], input=text, capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return done.stdout


def properties(source: str) -> dict[str, dict[str, str]]:
    """Return the properties of every node of a decompiled tree, by the node's name."""
    nodes: dict[str, dict[str, str]] = {}
    path: list[str] = []
    for line in source.splitlines():
        text = line.strip()
        if text.endswith("{"):
            path.append(text[:-1].strip())
            nodes[path[-1]] = {}
        elif text == "};":
            path.pop()
        elif path and text:
            name, _, value = text.rstrip(";").partition(" = ")
            nodes[path[-1]][name] = value
    return nodes


def test_a_direct_mapped_disk_is_a_node_at_its_address_with_its_interrupt_less_32() -> None:
    source = source_text(tree(BLK + "name disk0 loc 0x1c0d0000 intr gic:41"))
    assert (
        "\tvirtio_mmio@1c0d0000 {\n"
        '\t\tcompatible = "virtio,mmio";\n'
        "\t\treg = <0x0 0x1c0d0000 0x0 0x200>;\n"
        "\t\tinterrupts = <0x0 0x9 0x4>;\n"
        '\t\tlabel = "disk0";\n'
        "\t};\n"
    ) in source


@needs_dtc
@pytest.mark.parametrize(
    "text",
    [DIRECT, "", "vdev gic version 2 " + DIRECT, f'cmdline "{"x" * 300}" ' + DIRECT],
)
def test_the_real_compiler_takes_our_source_and_makes_our_binary(text: str) -> None:
    root = tree(text)
    compiled = dtc("-I", "dts", "-O", "dtb", text=source_text(root, ("a remark",)).encode())
    assert compiled == binary(root)


@needs_dtc
def test_the_real_decompiler_reads_every_property_out_of_our_binary(tmp_path: Path) -> None:
    path = tmp_path / "vm.dtb"
    path.write_bytes(binary(tree(DIRECT)))
    nodes = properties(dtc("-I", "dtb", "-O", "dts", str(path)).decode())
    assert nodes["virtio_mmio@1c0d0000"] == {
        "compatible": '"virtio,mmio"',
        "reg": "<0x00 0x1c0d0000 0x00 0x200>",
        "interrupts": "<0x00 0x09 0x04>",
        "label": '"disk0"',
    }
    assert nodes["virtio_mmio@9f0000000"]["reg"] == "<0x09 0xf0000000 0x00 0x200>"
    assert nodes["virtio_mmio@9f0000000"]["interrupts"] == "<0x00 0x3db 0x04>"
    assert nodes["virtio_mmio@20000000"]["interrupts"] == "<0x00 0x00 0x04>"
    assert nodes["guest_shm@1d000000"]["compatible"] == '"qvm,guest_shm"'
    assert nodes["memory@880000000"]["reg"] == "<0x08 0x80000000 0x00 0x40000000>"
    assert nodes["cpu@1"] == {"device_type": '"cpu"', "reg": "<0x01>"}
    assert nodes["/"]["interrupt-parent"] == nodes["interrupt-controller"]["phandle"] == "<0x01>"
    assert nodes["interrupt-controller"]["compatible"] == '"arm,gic-v3"'


@needs_dtc
def test_a_name_out_of_a_file_stays_inside_its_string() -> None:
    root = TreeNode("", (strings("model", NASTY),))
    compiled = dtc("-q", "-I", "dts", "-O", "dtb", text=source_text(root, (NASTY,)).encode())
    assert compiled == binary(root)
    assert NASTY.encode() + b"\0" in compiled


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_quoted_text_is_one_printable_literal_that_means_the_text(text: str) -> None:
    literal = quoted(text)
    body = re.fullmatch(r'"((?:[^"\\]|\\["\\]|\\x[0-9a-f]{2})*)"', literal)
    assert body is not None
    assert literal.isascii()
    assert literal.isprintable()
    meant = re.sub(
        r'\\(x[0-9a-f]{2}|["\\])',
        lambda match: chr(int(match[1][1:], 16)) if len(match[1]) == 3 else match[1],
        body[1],
    )
    assert meant.encode("latin-1") == text.encode()


@pytest.mark.parametrize(("pin", "cells"), [(16, "0x1 0x0"), (31, "0x1 0xf"), (32, "0x0 0x0")])
def test_private_and_shared_interrupts_count_from_their_own_zero(pin: int, cells: str) -> None:
    source = source_text(tree(BLK + f"loc 0x1c0d0000 intr gic:{pin}"))
    assert f"interrupts = <{cells} 0x4>;" in source


def test_an_interrupt_that_a_tree_cannot_name_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"vm:2:\d+: a device tree has no interrupt for gic:15"):
        tree(BLK + "loc 0x1c0d0000 intr gic:15")


def test_an_x86_machine_is_told_that_it_has_tables_and_not_a_tree() -> None:
    with pytest.raises(ConfigError, match="describes machines with a GIC; an x86 guest learns"):
        tree("vdev ioapic loc 0xf8000000 intr apic name io " + BLK + "loc 0x1000000 intr io:5")


def test_the_last_command_line_counts_and_what_is_left_out_is_named() -> None:
    text = 'cmdline "a" cmdline "b c" vdev pl011 loc 0x1c090000 intr gic:37 hostdev - ' + BLK
    config = boot(text + "pass loc 0x2000000,0x1000,rwn intr gic:99").config
    assert 'bootargs = "b c";' in source_text(machine_tree(config))
    remarks = "\n".join(left_out(config))
    for part in ("controller has no reg", "vdev pl011 has no node", "PCI host", "passed through"):
        assert part in remarks
    assert "virtio_mmio" not in source_text(machine_tree(config))
