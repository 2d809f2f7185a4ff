"""How a guest finds its VIRTIO devices: on its PCI bus, by an address it is told, by device tree."""
