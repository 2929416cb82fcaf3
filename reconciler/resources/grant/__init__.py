"""Grant: delegated use of a key (KM3)."""
