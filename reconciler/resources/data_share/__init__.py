"""DataShare: tables of one cluster that another one queries (RE8)."""
