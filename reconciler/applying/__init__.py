"""Make it so: the only part that writes. Walks the plan's operations, journals each step before and after (I10)."""
