"""What a property is made of: the monitor, verdicts, what was exercised, quiet."""
