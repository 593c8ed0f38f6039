"""The threads between the trading and the ledger: what the main thread notes, what is written, what is read from the venue's own lists."""
