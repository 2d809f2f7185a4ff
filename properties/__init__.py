"""Say what must hold: a trace in, verdicts out; nothing of the model but its plain data."""
