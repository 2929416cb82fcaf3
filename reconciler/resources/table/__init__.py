"""Table: a wide-column table under its own table key (KS)."""
