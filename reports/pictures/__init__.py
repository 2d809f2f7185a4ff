"""The pictures: timing, comparison, margins, windows, distributions, causes."""
