"""Make things happen: configuration and choices in, a typed trace out; no verdicts."""
