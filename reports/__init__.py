"""Show it to people: a trace and its verdicts in, tables and pictures out."""
