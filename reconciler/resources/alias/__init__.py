"""Alias: a name for a key, unique in its account and Region (KM1)."""
