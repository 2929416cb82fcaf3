"""Keyspace: a namespace of wide-column tables."""
