"""What properties share: who owns which frame, which bus master may write, who owes what."""
