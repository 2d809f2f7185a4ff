"""What everything may rely on: time, choices, addresses, errors, durations left open."""
