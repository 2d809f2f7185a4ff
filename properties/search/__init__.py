"""Searches by running: drawn runs, every crash point, and making small what they find."""
