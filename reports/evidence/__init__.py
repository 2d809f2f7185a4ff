"""The evidence pack: what a safety assessor reads, as data, as a page, and as a difference."""
