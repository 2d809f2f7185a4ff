"""Shared by all commands: terminal output, exit statuses, rows of results."""
