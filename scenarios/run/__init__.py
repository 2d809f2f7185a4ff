"""Makes the runs of a scenario: a single one, a campaign of drawn ones, every crash point."""
