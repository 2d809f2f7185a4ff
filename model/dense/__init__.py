"""The model over dense time: which state a run is in, and what the end of a delay does there."""
