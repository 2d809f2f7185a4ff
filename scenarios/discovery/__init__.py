"""How a guest finds its VIRTIO devices: by PCI, by an address it is told, by device tree."""
