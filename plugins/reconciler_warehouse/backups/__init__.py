"""Snapshots: taken, scheduled, kept, and what is restored from them (RE10, RE11, RE15)."""
