"""What happened, as data: event types, records, whole traces, and traces as files."""
