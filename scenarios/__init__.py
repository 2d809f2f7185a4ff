"""The way in: scenario files, the shipped library, the runner and the command line."""
