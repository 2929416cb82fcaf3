"""Snapshots copied to another Region, under a grant there (SC1–SC4)."""
