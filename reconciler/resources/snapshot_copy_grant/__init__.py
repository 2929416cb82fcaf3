"""SnapshotCopyGrant: lets a Region receive copies under a key of one's own (SC2)."""
