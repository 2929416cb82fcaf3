"""KeyPolicy: the one policy of a key (KM2)."""
