"""The lanes of the timing picture as plain data."""
