"""Gathers what a safety assessor reads into one pack."""
