"""What can be asked of the command line: each command with its options, heavy work elsewhere."""
