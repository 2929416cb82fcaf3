"""Snapshot: a manual snapshot of a cluster (SC1)."""
