"""Draws systems, timings, ends and procedures for a search, from bytes."""
