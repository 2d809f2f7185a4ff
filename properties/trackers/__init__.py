"""State that properties share: owners of frames and lines, bus masters, and open debts."""
