"""The log: one line an event, floods counted, secrets struck out, written where it belongs."""
