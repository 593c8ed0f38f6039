"""Floor 4, the process: configuration, threads, the main loop, the log and the command line."""
