"""What would have saved a run: single changes, tried against hard timings."""
