"""mmd: a market-making daemon for the Aster perpetual-futures exchange."""

__version__ = "0.1.0"
