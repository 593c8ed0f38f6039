"""Floor 2, the paper exchange: a pure matching engine and accounts, and the loopback servers in front of them."""
