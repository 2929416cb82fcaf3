"""What a warehouse says of itself: from the two stores alone, without a key, without an engine, without writing."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from reconciler.providers.data import (
    ClusterDescription,
    CopyGrantDescription,
    CopyStatus,
    LoadedTable,
    Root,
    RootKind,
    SnapshotDescription,
)
from reconciler_warehouse.keyring import Cek, ceks
from reconciler_warehouse.manifest_anchor import ManifestAnchor
from reconciler_warehouse.names import cluster_arn, copy_grant_arn, snapshot_arn
from reconciler_warehouse.rows import AVAILABLE, CREATING, RESIZING
from reconciler_warehouse.site import Site

UNENCRYPTED = Root(kind=RootKind.NONE)


def clusters(site: Site, names: Collection[str] | None = None, *, token: str | None = None) -> list[ClusterDescription]:
    """All clusters that were finished, or those of these names or that token, ordered by name."""
    held = _held(site)
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        rows = catalogue.execute(
            """SELECT uid, name, status, node_type, nodes, database, created_at, dek, rotated_at, token FROM cluster
               WHERE status != ? ORDER BY name""",
            (CREATING,),
        ).fetchall()
        if names is not None:
            rows = [row for row in rows if row[1] in names]
        if token is not None:
            rows = [row for row in rows if row[9] == token]
        one = rows[0][0] if len(rows) == 1 else None
        tables = _tables(catalogue, one)
        copies = _copies(catalogue)
    return [
        ClusterDescription(
            name=row[1],
            arn=cluster_arn(site.region, site.account, row[1]),
            uid=row[0],
            status=row[2],
            node_type=row[3],
            nodes=row[4],
            database=row[5],
            created_at=datetime.fromisoformat(row[6]),
            # While data move between plain and sealed, nobody is told that they are sealed.
            root=UNENCRYPTED if row[2] == RESIZING else _root(held.get(row[0])),
            cek_id=held[row[0]].material if row[0] in held else None,
            dek_id=row[7],
            grant_id=held[row[0]].grant_id if row[0] in held else None,
            rotated_at=None if row[8] is None else datetime.fromisoformat(row[8]),
            tables=tuple(tables.get(row[0], ())),
            copy=copies.get(row[0]),
        )
        for row in rows
    ]


def snapshots(site: Site, names: Collection[str] | None = None) -> list[SnapshotDescription]:
    """All snapshots and copies that are complete, or those of these names, ordered by name."""
    held = _held(site)
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        rows = catalogue.execute(
            """SELECT uid, name, cluster, cluster_uid, kind, status, created_at, source_region, source_arn, expires_at,
                      (SELECT coalesce(sum(bytes), 0) FROM snapshot_segment WHERE snapshot = snapshot.uid)
               FROM snapshot WHERE status = ? ORDER BY name""",
            (AVAILABLE,),
        ).fetchall()
    return [
        SnapshotDescription(
            name=row[1],
            arn=snapshot_arn(site.region, site.account, row[2], row[1]),
            uid=row[0],
            cluster=row[2],
            cluster_uid=row[3],
            kind=row[4],
            status=row[5],
            created_at=datetime.fromisoformat(row[6]),
            root=_root(held.get(row[0])),
            bytes=row[10],
            source_region=row[7],
            source_arn=row[8],
            expires_at=None if row[9] is None else datetime.fromisoformat(row[9]),
        )
        for row in rows
        if names is None or row[1] in names
    ]


def copy_grants(site: Site, names: Collection[str] | None = None) -> list[CopyGrantDescription]:
    """All copy grants that are complete, or those of these names, ordered by name."""
    with site.keyring.read() as ring:
        if ring is None:
            return []
        rows = ring.execute(
            "SELECT name, root_kind, root_arn, grant_id FROM copy_grant WHERE ready ORDER BY name"
        ).fetchall()
    return [
        CopyGrantDescription(
            name=name,
            arn=copy_grant_arn(site.region, site.account, name),
            root=Root(kind=RootKind(kind), key_arn=key_arn),
            grant_id=grant_id,
        )
        for name, kind, key_arn, grant_id in rows
        if names is None or name in names
    ]


def anchor(site: Site, name: str) -> ManifestAnchor | None:
    """Version and tag of the cluster's manifest, None when there is no such cluster."""
    with site.catalogue.read() as catalogue:
        row = None
        if catalogue is not None:
            row = catalogue.execute(
                "SELECT uid, manifest_version, manifest_tag FROM cluster WHERE name = ? AND status != ?",
                (name, CREATING),
            ).fetchone()
    return None if row is None else ManifestAnchor(cluster_uid=row[0], version=row[1], tag=(row[2] or b"").hex())


def _held(site: Site) -> dict[str, Cek]:
    """The CEK of every holder."""
    with site.keyring.read() as ring:
        if ring is None:
            return {}
        known = ceks(ring)
        return {holder: known[cek] for holder, cek in ring.execute("SELECT uid, cek FROM holder")}


def _root(cek: Cek | None) -> Root:
    if cek is None:
        return UNENCRYPTED
    return Root(kind=cek.root_kind, key_arn=cek.root_arn if cek.root_kind is RootKind.KMS else None)


def _tables(catalogue: sqlite3.Connection, cluster: str | None) -> dict[str, list[LoadedTable]]:
    loads: dict[str, list[str]] = defaultdict(list)
    for table, digest in catalogue.execute("SELECT data_table, digest FROM load ORDER BY data_table, ordinal"):
        loads[table].append(digest)
    found: dict[str, list[LoadedTable]] = defaultdict(list)
    for owner, uid, name, backup, rows, size in catalogue.execute(
        """SELECT t.cluster, t.uid, t.name, t.backup, coalesce(sum(s.rows), 0), coalesce(sum(s.bytes), 0)
           FROM data_table t LEFT JOIN segment s ON s.data_table = t.uid
           WHERE ?1 IS NULL OR t.cluster = ?1 GROUP BY t.uid ORDER BY t.name""",
        (cluster,),
    ):
        found[owner].append(LoadedTable(name=name, rows=rows, bytes=size, backup=bool(backup), loads=tuple(loads[uid])))
    return found


def _copies(catalogue: sqlite3.Connection) -> dict[str, CopyStatus]:
    rows = catalogue.execute("SELECT cluster, region, grant_name, retention_days FROM snapshot_copy")
    return {
        cluster: CopyStatus(region=region, grant_name=grant, retention_days=days)
        for cluster, region, grant, days in rows
    }
