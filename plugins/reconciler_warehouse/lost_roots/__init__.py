"""A root key that is lost or refused, and the second way to the data: escrow, the 14 days, recovery (RE8, RE14)."""
