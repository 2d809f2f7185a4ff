"""How a guest finds its VIRTIO devices: on PCI, by an address option, or in the device tree."""
