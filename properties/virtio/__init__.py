"""The normative rules of VIRTIO, N1 to N50, as properties of a trace with `detail` `virtio`."""
