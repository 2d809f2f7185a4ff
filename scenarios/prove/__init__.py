"""Proves a scenario over every timing, as a whole or in slices, and writes what was found."""
