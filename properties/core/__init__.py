"""What a property is made of: the monitor, verdicts, the exercise of devices, and quiet."""
