"""PCI as a guest sees it: functions on a bus, the walk that finds them, identifiers."""
