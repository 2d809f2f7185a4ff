"""The model against the Linux kernel's own headers, which did not come from here.

A C program is compiled against the headers of the system and prints what they say; every
offset, size and constant of the model that they know must agree.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from quiesce.model.virtio import block_format as blk
from quiesce.model.virtio import console_format as console
from quiesce.model.virtio import (
    device_registers,
    features,
    layout,
    mmio_transport,
    msix,
    net_format,
)
from quiesce.model.virtio import pci_function as pci
from quiesce.model.virtio import pci_transport as vpci
from quiesce.model.virtio.device_ids import VirtioDeviceId
from quiesce.model.virtio.device_status import DeviceStatus

HEADERS = (
    "virtio_config",
    "virtio_ring",
    "virtio_pci",
    "virtio_mmio",
    "virtio_ids",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "pci_regs",
)
PROLOGUE = "#include <stdio.h>\n#include <stddef.h>\n" + "".join(
    f"#include <linux/{header}.h>\n" for header in HEADERS
)
COMPILER = shutil.which("gcc")
pytestmark = pytest.mark.skipif(
    COMPILER is None or not Path("/usr/include/linux/virtio_ring.h").exists(),
    reason="needs gcc and the kernel's headers (Debian: gcc, linux-libc-dev)",
)


def run_c(folder: Path, body: str) -> bytes:
    source = folder / "facts.c"
    source.write_text(f"{PROLOGUE}int main(void) {{\n{body}\nreturn 0; }}\n")
    program = folder / "facts"
    assert COMPILER is not None
    build = [COMPILER, "-O1", "-w", "-o", str(program), str(source)]
    subprocess.run(build, check=True, timeout=60)
    return subprocess.run([program], check=True, capture_output=True, timeout=60).stdout


def same_name_constants() -> Iterator[tuple[str, int]]:
    """Constants that the model calls what the kernel calls them."""
    known = {
        features: ("VIRTIO_F_ORDER_", "VIRTIO_F_R", "VIRTIO_F_V", "VIRTIO_F_ACC", "VIRTIO_F_SR"),
        mmio_transport: ("VIRTIO_MMIO_",),
        vpci: ("VIRTIO_PCI_CAP_", "PCI_CAP_ID_"),
        pci: ("PCI_COMMAND", "PCI_STATUS", "PCI_BASE_", "PCI_SUB", "PCI_INT", "PCI_CAPAB"),
        msix: ("PCI_CAP_ID_", "MSIX_ENTRY"),
        blk: ("VIRTIO_BLK_F_",),
        net_format: ("VIRTIO_NET_",),
        console: ("VIRTIO_CONSOLE_F_",),
    }
    absent = {  # names of later standards than the headers, or of our own
        "VIRTIO_BLK_F_LIFETIME",
        "VIRTIO_NET_OK",
        "VIRTIO_NET_ERR",
        "VIRTIO_NET_F_HOST_USO",
        "VIRTIO_MMIO_QUEUE_RESET",
    }
    for module, prefixes in known.items():
        for name, value in vars(module).items():
            if name.startswith(prefixes) and isinstance(value, int) and name not in absent:
                yield ("PCI_" + name if name.startswith("MSIX_") else name), value


def named_otherwise() -> Iterator[tuple[str, int]]:
    yield from (
        ("VIRTIO_RING_F_INDIRECT_DESC", features.VIRTIO_F_INDIRECT_DESC),
        ("VIRTIO_RING_F_EVENT_IDX", features.VIRTIO_F_EVENT_IDX),
        ("VIRTIO_F_IN_ORDER", features.VIRTIO_F_IN_ORDER),
        ("VRING_DESC_F_NEXT", layout.VIRTQ_DESC_F_NEXT),
        ("VRING_DESC_F_WRITE", layout.VIRTQ_DESC_F_WRITE),
        ("VRING_DESC_F_INDIRECT", layout.VIRTQ_DESC_F_INDIRECT),
        ("1 << VRING_PACKED_DESC_F_AVAIL", layout.VIRTQ_DESC_F_AVAIL),
        ("1 << VRING_PACKED_DESC_F_USED", layout.VIRTQ_DESC_F_USED),
        ("VRING_AVAIL_F_NO_INTERRUPT", layout.VIRTQ_AVAIL_F_NO_INTERRUPT),
        ("VRING_USED_F_NO_NOTIFY", layout.VIRTQ_USED_F_NO_NOTIFY),
        ("VRING_PACKED_EVENT_FLAG_ENABLE", layout.RING_EVENT_FLAGS_ENABLE),
        ("VRING_PACKED_EVENT_FLAG_DISABLE", layout.RING_EVENT_FLAGS_DISABLE),
        ("VRING_PACKED_EVENT_FLAG_DESC", layout.RING_EVENT_FLAGS_DESC),
        ("1 << VRING_PACKED_EVENT_F_WRAP_CTR", 1 << 15),
        ("VRING_DESC_ALIGN_SIZE", layout.SPLIT_ALIGNMENTS[0]),
        ("VRING_AVAIL_ALIGN_SIZE", layout.SPLIT_ALIGNMENTS[1]),
        ("VRING_USED_ALIGN_SIZE", layout.SPLIT_ALIGNMENTS[2]),
        ("VIRTIO_CONFIG_S_ACKNOWLEDGE", DeviceStatus.ACKNOWLEDGE),
        ("VIRTIO_CONFIG_S_DRIVER", DeviceStatus.DRIVER),
        ("VIRTIO_CONFIG_S_DRIVER_OK", DeviceStatus.DRIVER_OK),
        ("VIRTIO_CONFIG_S_FEATURES_OK", DeviceStatus.FEATURES_OK),
        ("VIRTIO_CONFIG_S_NEEDS_RESET", DeviceStatus.DEVICE_NEEDS_RESET),
        ("VIRTIO_CONFIG_S_FAILED", DeviceStatus.FAILED),
        ("VIRTIO_MSI_NO_VECTOR", device_registers.NO_VECTOR),
        ("PCI_MSIX_FLAGS_ENABLE", msix.MSIX_ENABLE),
        ("PCI_MSIX_FLAGS_MASKALL", msix.MSIX_MASKALL),
        ("PCI_MSIX_FLAGS_QSIZE + 1", msix.MSIX_VECTORS_MAX),
        ("VIRTIO_MMIO_INT_VRING", device_registers.ISR_QUEUE),
        ("VIRTIO_MMIO_INT_CONFIG", device_registers.ISR_CONFIG),
        ("VIRTIO_BLK_ID_BYTES", blk.ID_LENGTH),
        ("VIRTIO_NET_OK", net_format.VIRTIO_NET_OK),
        ("VIRTIO_NET_ERR", net_format.VIRTIO_NET_ERR),
    )
    yield from ((f"VIRTIO_BLK_T_{kind.name}", kind) for kind in blk.BlockRequestType if kind != 10)
    yield from ((f"VIRTIO_BLK_S_{status.name}", status) for status in blk.BlockStatus)
    yield from ((f"VIRTIO_NET_HDR_GSO_{kind.name}", kind) for kind in net_format.GsoType)
    yield from ((f"VIRTIO_CONSOLE_{e.name}", e) for e in console.ConsoleEvent)
    names = {"P9": "9P", "I2C": "I2C_ADAPTER"}
    for device in VirtioDeviceId:
        yield f"VIRTIO_ID_{names.get(device.name, device.name)}", device


def offsets_and_sizes() -> Iterator[tuple[str, int]]:
    ring = layout.RingLayout(8, 0, 0, 0)
    yield from (
        ("sizeof(struct vring_desc)", layout.DESCRIPTOR.size),
        ("sizeof(struct vring_packed_desc)", layout.DESCRIPTOR.size),
        ("offsetof(struct vring_packed_desc, flags)", layout.FLAGS_OFFSET),
        ("offsetof(struct vring_packed_desc, len)", 8),
        ("sizeof(struct vring_packed_desc_event)", layout.EVENT_SUPPRESSION.size),
        ("sizeof(struct vring_used_elem)", layout.USED_ELEMENT_SIZE),
        ("offsetof(struct vring_avail, idx)", ring.available_index),
        ("offsetof(struct vring_avail, ring[3])", ring.available_entry(8 + 3)),
        ("offsetof(struct vring_avail, ring[8])", ring.used_event),
        ("offsetof(struct vring_used, idx)", ring.used_index),
        ("offsetof(struct vring_used, ring[3])", ring.used_element(16 + 3)),
        ("offsetof(struct vring_used, ring[8])", ring.avail_event),
        ("sizeof(struct virtio_blk_outhdr)", blk.HEADER_SIZE),
        ("offsetof(struct virtio_blk_outhdr, sector)", 8),
        ("sizeof(struct virtio_blk_discard_write_zeroes)", blk.SEGMENT_SIZE),
        ("offsetof(struct virtio_blk_config, wce)", blk.WRITEBACK_OFFSET),
        ("sizeof(struct virtio_net_hdr_v1)", net_format.HEADER_SIZE),
        ("sizeof(struct virtio_net_config)", net_format.CONFIG_SIZE),
        ("sizeof(struct virtio_console_config)", console.CONFIG_SIZE),
        ("offsetof(struct virtio_console_config, emerg_wr)", console.EMERGENCY_WRITE_OFFSET),
        ("sizeof(struct virtio_console_control)", console.CONTROL_SIZE),
        ("sizeof(struct virtio_pci_cap) - 2", vpci.VIRTIO_PCI_CAP.size),
        ("offsetof(struct virtio_pci_cap, offset)", 8),
        ("sizeof(struct virtio_pci_cfg_cap)", 20),
    )
    common = {
        "device_feature_select": vpci.COMMON_CFG_DEVICE_FEATURE_SELECT,
        "device_feature": vpci.COMMON_CFG_DEVICE_FEATURE,
        "guest_feature_select": vpci.COMMON_CFG_DRIVER_FEATURE_SELECT,
        "guest_feature": vpci.COMMON_CFG_DRIVER_FEATURE,
        "msix_config": vpci.COMMON_CFG_MSIX_VECTOR,
        "num_queues": vpci.COMMON_CFG_NUM_QUEUES,
        "device_status": vpci.COMMON_CFG_DEVICE_STATUS,
        "config_generation": vpci.COMMON_CFG_CONFIG_GENERATION,
        "queue_select": vpci.COMMON_CFG_QUEUE_SELECT,
        "queue_size": vpci.COMMON_CFG_QUEUE_SIZE,
        "queue_msix_vector": vpci.COMMON_CFG_QUEUE_MSIX_VECTOR,
        "queue_enable": vpci.COMMON_CFG_QUEUE_ENABLE,
        "queue_notify_off": vpci.COMMON_CFG_QUEUE_NOTIFY_OFF,
        "queue_desc_lo": vpci.COMMON_CFG_QUEUE_DESC,
        "queue_avail_lo": vpci.COMMON_CFG_QUEUE_DRIVER,
        "queue_used_lo": vpci.COMMON_CFG_QUEUE_DEVICE,
    }
    for field, offset in common.items():
        yield f"offsetof(struct virtio_pci_common_cfg, {field})", offset
    yield "sizeof(struct virtio_pci_common_cfg)", vpci.COMMON_CFG_QUEUE_NOTIFY_DATA
    yield "VIRTIO_PCI_COMMON_Q_USEDHI + 4", vpci.COMMON_CFG_QUEUE_NOTIFY_DATA


FACTS = [*same_name_constants(), *named_otherwise(), *offsets_and_sizes()]


def test_every_constant_offset_and_size_is_that_of_the_kernel(tmp_path: Path) -> None:
    body = "".join(f'printf("%llu\\n", (unsigned long long)({fact}));\n' for fact, _ in FACTS)
    kernel_values = [int(line) for line in run_c(tmp_path, body).split()]
    differing = [
        (fact, ours, theirs)
        for (fact, ours), theirs in zip(FACTS, kernel_values, strict=True)
        if ours != theirs
    ]
    assert differing == []
    assert len(FACTS) > 190


def test_configuration_fields_lie_where_the_kernel_puts_them(tmp_path: Path) -> None:
    """The kernel fills its structures with distinct values; the model reads the bytes."""
    body = """
    struct virtio_blk_config b = {0};
    b.capacity = 0x1122334455667788; b.size_max = 1; b.seg_max = 2;
    b.geometry.cylinders = 3; b.geometry.heads = 4; b.geometry.sectors = 5; b.blk_size = 6;
    b.physical_block_exp = 7; b.alignment_offset = 8; b.min_io_size = 9; b.opt_io_size = 10;
    b.wce = 11; b.num_queues = 12; b.max_discard_sectors = 13; b.max_discard_seg = 14;
    b.discard_sector_alignment = 15; b.max_write_zeroes_sectors = 16;
    b.max_write_zeroes_seg = 17; b.write_zeroes_may_unmap = 18;
    b.max_secure_erase_sectors = 19; b.max_secure_erase_seg = 20;
    b.secure_erase_sector_alignment = 21;
    fwrite(&b, 1, 72, stdout);
    struct virtio_net_config n = {{1,2,3,4,5,6}, 7, 8, 9, 10, 11, 12, 13, 14};
    fwrite(&n, 1, 24, stdout);
    struct virtio_net_hdr_v1 h = {0};
    h.flags = 1; h.gso_type = 2; h.hdr_len = 3; h.gso_size = 4; h.csum_start = 5;
    h.csum_offset = 6; h.num_buffers = 7;
    fwrite(&h, 1, 12, stdout);
    struct virtio_console_config c = {1, 2, 3, 4};
    fwrite(&c, 1, 12, stdout);
    struct virtio_console_control m = {1, 2, 3};
    fwrite(&m, 1, 8, stdout);
    struct virtio_blk_outhdr o = {1, 2, 3};
    fwrite(&o, 1, 16, stdout);
    struct virtio_blk_discard_write_zeroes z = {1, 2, 3};
    fwrite(&z, 1, 16, stdout);
    """
    block = blk.BlockConfig(
        capacity=0x1122334455667788,
        size_max=1,
        seg_max=2,
        geometry=(3, 4, 5),
        block_size=6,
        topology=(7, 8, 9, 10),
        writeback=11,
        queue_count=12,
        discard=(13, 14, 15),
        write_zeroes=(16, 17, 18),
        secure_erase=(19, 20, 21),
    )
    net = net_format.NetConfig(bytes((1, 2, 3, 4, 5, 6)), 7, 8, 9, 10, 11, 12, 13, 14)
    header = net_format.NetHeader(1, 2, 3, 4, 5, 6, 7)
    request = blk.BlockRequestHeader(type=1, reserved=2, sector=3)
    parts = (
        block,
        net,
        header,
        console.ConsoleConfig(1, 2, 3, 4),
        console.ConsoleControl(1, 2, 3),
        request,
        blk.BlockSegment(1, 2, 3),
    )
    kernel_values = run_c(tmp_path, body)
    assert kernel_values == b"".join(part.pack() for part in parts)
    for part in parts:
        packed = part.pack()
        assert type(part).unpack(packed) == part


@pytest.mark.slow
def test_event_rule_agrees_with_the_kernel_wherever_it_can_change(tmp_path: Path) -> None:
    """All of 2^48 inputs is too many; these decide it.

    Both rules compare a = new-event-1 with b = new-old, so their answer can change only where a
    passes b, 0 or 2^15.  First grid: every b with the values of a around those places.  Second
    grid: that the answer depends on a and b alone, for every `new` at the corners of a and b.
    """
    body = """
    static const unsigned edges[] = {0, 1, 0x7fff, 0x8000, 0xffff};
    for (unsigned b = 0; b < 65536; b++) {
        unsigned as[] = {0, b - 1, b, b + 1, 0x7fff, 0x8000, 0xffff};
        for (int i = 0; i < 7; i++)
            putchar('0' + vring_need_event(0x8123 - as[i] - 1, 0x8123, 0x8123 - b));
    }
    for (unsigned n = 0; n < 65536; n += 1)
        for (int i = 0; i < 5; i += 2)
            for (int j = 0; j < 5; j++)
                putchar('0' + vring_need_event(n - edges[i] - 1, n, n - edges[j]));
    """
    edges = (0, 1, 0x7FFF, 0x8000, 0xFFFF)
    rule = layout.passes_event
    ours = bytearray()
    new = 0x8123
    for b in range(65536):
        old = (new - b) & 0xFFFF
        for a in (0, b - 1, b, b + 1, 0x7FFF, 0x8000, 0xFFFF):
            ours.append(48 + rule((new - a - 1) & 0xFFFF, new, old))
    for new in range(65536):
        for a in edges[::2]:
            for b in edges:
                ours.append(48 + rule((new - a - 1) & 0xFFFF, new, (new - b) & 0xFFFF))
    assert run_c(tmp_path, body) == bytes(ours)
