"""What would change. Reads, never writes: planning is given a ``StateReader`` and services whose providers it only
asks.

A resource whose manifest, state and observation agree costs a few comparisons; only the others are validated, diffed
and put in an order. So a plan with nothing to do imports no kind, no pydantic and no networkx (PERFORMANCE.md 2).
"""
