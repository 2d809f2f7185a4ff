"""Interrupts: lines, messages, masks, routes of messages, the LPI table, list registers."""
