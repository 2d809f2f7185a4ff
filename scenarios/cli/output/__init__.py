"""What every command shares: the terminal, exit statuses, rows and pictures of results."""
