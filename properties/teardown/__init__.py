"""The properties of an end: writes, reads, interrupts, their order, costs, and the next owner."""
