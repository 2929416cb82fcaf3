"""SnapshotCopyGrant: lets a Region receive snapshot copies under a key of its own (SC2)."""
