"""The embedded encrypted warehouse: clusters under four tiers of keys, snapshots, copies to other Regions, SQL.

Belongs here: what happens inside one call of ``WarehouseProvider``. Does not: manifests, plans, anything about other
providers but their protocols. Importing this package costs no engine; pyarrow, duckdb and sqlglot load at first use.
"""

from reconciler_warehouse.copies.sending import ReceivesSnapshots
from reconciler_warehouse.provider import Warehouse

__all__ = ["ReceivesSnapshots", "Warehouse"]
