"""VIRTIO as pure state: rings, status, transports and request formats, byte for byte."""
