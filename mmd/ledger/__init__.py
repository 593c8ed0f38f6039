"""The durable record of one configuration: what was ordered, traded, earned and paid, in one SQLite file (schema, writing, reading)."""
