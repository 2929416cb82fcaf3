"""SnapshotCopy: a cluster's snapshots are copied to another Region (SC2, SC4)."""
