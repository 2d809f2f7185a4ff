"""The properties of an end: no write, no read, no interrupt, order, costs, the next owner."""
