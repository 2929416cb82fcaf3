"""Embedded wide-column tables: each under its own table key, which the key service generates and opens (KS1–KS7).

The provider is ``Tables``; README.md tells how a table's key, grant and rows are kept.
"""

from reconciler_tables.provider import Tables

__all__ = ["Tables"]
