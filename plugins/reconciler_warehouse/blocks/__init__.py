"""Sealed blocks, and what says how they open: key tables, segment files with Parquet inside, delete vectors (RE3, RE6;
docs/format.md)."""
