"""Searches over dense time: zones, symbolic states, distances, unsafe ends, budgets."""
