"""The guest and its drivers, which may stop at any point."""
