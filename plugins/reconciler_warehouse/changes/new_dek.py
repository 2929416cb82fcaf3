"""A cluster that gets another DEK: whatever the one before vouches for is vouched for by the new one."""

from __future__ import annotations

import sqlite3

from reconciler_warehouse import shares
from reconciler_warehouse.copies import copy_settings
from reconciler_warehouse.keys.hierarchy import OpenDeks
from reconciler_warehouse.rows import ClusterRow


def name_dek(
    catalogue: sqlite3.Connection, cluster: ClusterRow, dek: str, deks: OpenDeks, *, before: str | None
) -> None:
    """In a commit that seals the cluster's manifest anew: new rows are written under ``dek`` from now on, and no more
    under ``before`` (None: there was none). DamagedStore for what was forged."""
    copy_settings.vouch_anew(catalogue, cluster.uid, cluster.name, before=before, dek=dek, deks=deks)
    shares.vouch_anew(catalogue, cluster.uid, before=before, dek=dek, deks=deks)
    catalogue.execute("UPDATE cluster SET dek = ? WHERE uid = ?", (dek, cluster.uid))
