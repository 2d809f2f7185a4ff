"""Systems that are right, ways to spoil them, and which property notices."""
