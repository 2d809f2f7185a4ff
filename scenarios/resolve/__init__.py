"""From scenario and configurations to a plan, and from a plan back to files."""
