"""Explains why a run came out as it did, in sentences and as a graph of causes."""
