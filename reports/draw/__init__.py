"""Drawing: axes, marks, colours, fonts, and what fits on a page."""
