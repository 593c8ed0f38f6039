"""What happened, from the ledger alone: figures in one pass over its rows, and their forms as text, JSON, CSV and a page."""
