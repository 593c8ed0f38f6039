"""Floor 3: one thread and a virtual clock around the engine, the venue's translation and the paper exchange."""
