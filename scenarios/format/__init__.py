"""The scenario file: what it may say, where each word of it stands, and the shipped ones."""
