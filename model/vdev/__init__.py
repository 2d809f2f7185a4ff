"""Virtual devices of a VM, and what they do when its qvm ends."""
