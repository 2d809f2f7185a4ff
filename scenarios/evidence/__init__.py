"""Builds the evidence pack for a safety assessor."""
