"""Rows out: the state of a table, its rows through the engine that is locked down, what a statement may read."""
