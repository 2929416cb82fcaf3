"""Keyspace: what wide-column tables belong to."""
