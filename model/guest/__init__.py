"""Guest drivers: they set up, submit and handle, and stop anywhere."""
