"""The names of vendors, devices and classes in the listings of `pci-tool` and `lspci`.

There are two tables, because the two programs have two data bases.  Of the data base of `pci-tool`
only the entries of a documented listing are known.  `lspci` uses the public list of identifiers.

Source:
    QNX 7.1 hypervisor guide, virtio guest, for `pci-tool`; the PCI ID repository, version of
    2023, for `lspci`.
"""

PCI_TOOL_VENDORS = {0x1C05: "BlackBerry QNX"}

PCI_TOOL_DEVICES = {
    (0x1C05, 0x0001): "n/a QVM guest shared memory factory",
    (0x1C05, 0x0002): "n/a QVM PCI host bridge",
}

PCI_TOOL_CLASSES = {
    0x0180: "Other Mass Storage Controller",
    0x0280: "Other Network Controller",
    0x0580: "Other Memory Controller",
    0x0600: "Host-to-PCI Bridge Device",
    0x0780: "Other Simple Communications Controller",
}
"""By base class and sub-class."""

LSPCI_VENDORS = {0x1AF4: "Red Hat, Inc."}

LSPCI_DEVICES = {
    (0x1AF4, 0x1000): "Virtio network device",
    (0x1AF4, 0x1001): "Virtio block device",
    (0x1AF4, 0x1003): "Virtio console",
    (0x1AF4, 0x1005): "Virtio RNG",
    (0x1AF4, 0x1041): "Virtio 1.0 network device",
    (0x1AF4, 0x1042): "Virtio 1.0 block device",
    (0x1AF4, 0x1043): "Virtio 1.0 console",
    (0x1AF4, 0x1044): "Virtio 1.0 RNG",
    (0x1AF4, 0x1050): "Virtio 1.0 GPU",
    (0x1AF4, 0x1052): "Virtio 1.0 input",
}

LSPCI_CLASSES = {
    0x0180: "Mass storage controller",
    0x0280: "Network controller",
    0x0580: "Memory controller",
    0x0600: "Host bridge",
    0x0780: "Communication controller",
}


def pci_tool_ids(vendor: int, device: int) -> str:
    """Return the line of `pci-tool -v` below the identifiers.

    Example:
        >>> pci_tool_ids(0x1af4, 0x1042)
        '<vendor id - unknown>, <device id - unknown>'
    """
    vendor_name = PCI_TOOL_VENDORS.get(vendor, "<vendor id - unknown>")
    device_name = PCI_TOOL_DEVICES.get((vendor, device), "<device id - unknown>")
    return f"{vendor_name}, {device_name}"


def pci_tool_class(class_code: int) -> str:
    """Return the line of `pci-tool -v` below the class."""
    return PCI_TOOL_CLASSES.get(class_code >> 8, "<class - unknown>")


def lspci_ids(vendor: int, device: int, *, with_numbers: bool) -> str:
    """Return vendor and device as `lspci` names them, with `[vvvv:dddd]` if asked for.

    Example:
        >>> lspci_ids(0x1c05, 0x0001, with_numbers=True)
        'Device [1c05:0001]'
    """
    numbers = f"{vendor:04x}:{device:04x}"
    vendor_name = LSPCI_VENDORS.get(vendor)
    device_name = LSPCI_DEVICES.get((vendor, device), "Device")
    if with_numbers:
        return f"{vendor_name} {device_name} [{numbers}]" if vendor_name else f"Device [{numbers}]"
    if vendor_name is None:
        return f"Device {numbers}"
    is_known = (vendor, device) in LSPCI_DEVICES
    return f"{vendor_name} {device_name}" if is_known else f"{vendor_name} Device {device:04x}"


def lspci_class(class_code: int, *, with_numbers: bool) -> str:
    """Return the class as `lspci` names it."""
    number = class_code >> 8
    name = LSPCI_CLASSES.get(number, "Class")
    return f"{name} [{number:04x}]" if with_numbers or name == "Class" else name
