"""The device tree that describes a machine's direct-mapped vdevs to an ARM guest.

Each virtio vdev is a `virtio,mmio` node and the shared memory factory a `qvm,guest_shm` node.  Its
registers are at `loc`.  Its interrupt is a shared peripheral interrupt: the number in the
configuration less 32, and level-triggered, because a virtio-mmio line stays asserted until it is
acknowledged.

`qvm` makes a tree of its own for an ARM guest.  This tree holds what the configuration says, and
names what it leaves out:

- the registers of the interrupt controller,
- the kind of CPU,
- the PCI host bridge,
- other types of vdevs,
- passed-through devices, which the user's own tree has to describe.

Source:
    QNX hypervisor guide, config/acpi_fdt; Devicetree Specification 0.4, 2 and 3; the bindings
    `virtio,mmio`, `arm,gic-v3` and `arm,gic`; VIRTIO 1.2, 4.2.1 and 4.2.3.4; QNX shared memory
    header for `qvm,guest_shm`.
"""

from collections.abc import Iterator

from ...model.base.errors import ConfigError, Problem
from ..qvmconf.config import InterruptPin, VdevConfig, VmConfig
from .assembly import SHARED_MEMORY_TYPE, VIRTIO_KINDS, DirectDevice, direct_devices
from .device_tree import TreeNode, TreeProperty, cells, strings, wide

FIRST_PPI = 16
FIRST_SPI = 32
LAST_SPI = 1019
SPI_KIND = 0
PPI_KIND = 1
LEVEL_HIGH = 4

_GIC_PHANDLE = 1
_GIC_COMPATIBLE = {2: "arm,cortex-a15-gic", 3: "arm,gic-v3"}
_GIC_VERSION = 3  # what `vdev gic` has without its option


def machine_tree(config: VmConfig) -> TreeNode:
    """Return the tree of a machine.

    Raises:
        ConfigError: If an interrupt does not come from a GIC, or has no number that a tree can
            hold.
    """
    properties = [cells("#address-cells", 2), cells("#size-cells", 2)]
    properties.append(cells("interrupt-parent", _GIC_PHANDLE))
    if config.name:
        properties.append(strings("model", config.name))
    devices = [node for device in direct_devices(config) for node in _device(config, device)]
    children = [*_chosen(config), _cpus(config.vcpu_count), *_memory(config), _gic(config)]
    return TreeNode("", tuple(properties), (*children, *devices))


def left_out(config: VmConfig) -> tuple[str, ...]:
    """Return what the tree does not describe, as one clause each."""
    remarks = [
        "the interrupt controller has no reg: its windows are not in the configuration",
        "the CPUs have no compatible: their kind is not in the configuration",
    ]
    for device in direct_devices(config):
        if device.type == "gic":
            continue
        if not _is_described(device):
            remarks.append(f"{device.label} has no node: no documented form for its type")
        elif device.address is None:
            remarks.append(f"{device.label} has no node: its loc could not be resolved")
        elif device.space != "mem":
            remarks.append(f"{device.label} has no node: its loc is no memory")
    if any(vdev.transport == "pci" for vdev in config.vdevs):
        remarks.append("the PCI host bridge has no node: its windows are not documented")
    if config.passes:
        remarks.append("what is passed through has no node: the user's own tree describes it")
    return tuple(remarks)


def interrupt_cells(pin: InterruptPin) -> tuple[int, int, int]:
    """Return kind, number and trigger of a GIC interrupt as a tree has them.

    Raises:
        ConfigError: If the number is neither a private nor a shared peripheral interrupt.
    """
    number = pin.number
    if number is not None and FIRST_SPI <= number <= LAST_SPI:
        return SPI_KIND, number - FIRST_SPI, LEVEL_HIGH
    if number is not None and FIRST_PPI <= number < FIRST_SPI:
        return PPI_KIND, number - FIRST_PPI, LEVEL_HIGH
    message = f"a device tree has no interrupt for {pin}"
    remedy = f"give it a shared peripheral interrupt, {FIRST_SPI} to {LAST_SPI}"
    raise ConfigError([Problem(pin.place, message, str(pin), remedy)])


def _is_described(device: DirectDevice) -> bool:
    return device.type in VIRTIO_KINDS or device.type == SHARED_MEMORY_TYPE


def _device(config: VmConfig, device: DirectDevice) -> Iterator[TreeNode]:
    if not _is_described(device) or device.address is None or device.space != "mem":
        return
    is_factory = device.type == SHARED_MEMORY_TYPE
    stem, compatible = (
        ("guest_shm", "qvm,guest_shm") if is_factory else ("virtio_mmio", "virtio,mmio")
    )
    properties = [strings("compatible", compatible)]
    properties.append(cells("reg", *wide(device.address), *wide(device.length)))
    interrupts = [cell for pin in device.pins for cell in _from_gic(config, device, pin)]
    properties.append(cells("interrupts", *interrupts))
    if device.name:
        properties.append(strings("label", device.name))
    yield TreeNode(f"{stem}@{device.address:x}", tuple(properties))


def _from_gic(config: VmConfig, device: DirectDevice, pin: InterruptPin) -> tuple[int, int, int]:
    gic = _gic_vdev(config)
    if pin.pic not in {"gic", gic.name if gic else "gic"}:
        message = f"{device.label} is on {pin}, and a device tree describes machines with a GIC"
        remedy = "an x86 guest learns of its devices by ACPI tables"
        raise ConfigError([Problem(pin.place, message, str(pin), remedy)])
    return interrupt_cells(pin)


def _chosen(config: VmConfig) -> Iterator[TreeNode]:
    lines = [option for option in config.options if option.name == "cmdline"]
    if lines:
        # Like any later option, the last one counts.
        yield TreeNode("chosen", (strings("bootargs", *lines[-1].arguments),))


def _cpus(count: int) -> TreeNode:
    children = tuple(
        TreeNode(f"cpu@{number:x}", (strings("device_type", "cpu"), cells("reg", number)))
        for number in range(count)
    )
    return TreeNode("cpus", (cells("#address-cells", 1), cells("#size-cells", 0)), children)


def _memory(config: VmConfig) -> Iterator[TreeNode]:
    for region in config.ram:
        reg = cells("reg", *wide(region.start), *wide(region.length))
        yield TreeNode(f"memory@{region.start:x}", (strings("device_type", "memory"), reg))


def _gic_vdev(config: VmConfig) -> VdevConfig | None:
    return next((vdev for vdev in config.vdevs if vdev.type == "gic"), None)


def _gic(config: VmConfig) -> TreeNode:
    gic = _gic_vdev(config)
    option = gic.option("version") if gic else None
    version = option.numbers[0] if option and option.numbers else _GIC_VERSION
    properties = (
        strings("compatible", _GIC_COMPATIBLE[version]),
        cells("#interrupt-cells", 3),
        cells("#address-cells", 0),
        TreeProperty("interrupt-controller"),
        cells("phandle", _GIC_PHANDLE),
    )
    return TreeNode("interrupt-controller", properties)
