"""Floor 0, what decides: no I/O, no clock, no thread, no randomness, no logging."""
