"""A system and a run of it as plain data: names resolved, units gone, every assumption named."""
