"""Draws systems, timings, ends and procedures from bytes, for a search."""
