"""What a warehouse says of itself: from the two stores alone, without a key, without an engine, without writing."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from reconciler.host.sqlite import translated
from reconciler.providers.data import (
    ClusterDescription,
    CopyGrantDescription,
    CopyStatus,
    LoadedTable,
    Root,
    RootKind,
    SnapshotDescription,
)
from reconciler_warehouse.catalogue import catalogue as catalogue_in
from reconciler_warehouse.keyring import Cek, cek_of, ceks
from reconciler_warehouse.manifest_anchor import ManifestAnchor
from reconciler_warehouse.names import cluster_arn, copy_grant_arn, snapshot_arn
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, CREATING, RESIZING

UNENCRYPTED = Root(kind=RootKind.NONE)


def clusters(site: Site, names: Collection[str] | None = None, *, token: str | None = None) -> list[ClusterDescription]:
    """All clusters that were finished, or those of these names or that token, ordered by name."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        rows = catalogue.execute(
            """SELECT uid, name, status, node_type, nodes, database, created_at, dek, rotated_at FROM cluster
               WHERE status != ?1 AND (?2 IS NULL OR name IN (SELECT value FROM json_each(?2)))
                     AND (?3 IS NULL OR token = ?3) ORDER BY name""",
            (CREATING, _listed(names), token),
        ).fetchall()
        narrowed = _listed([row[0] for row in rows]) if names is not None or token is not None else None
        tables = _tables(catalogue, narrowed)
        copies = _copies(catalogue)
    held = _held(site, narrowed)
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
            root=UNENCRYPTED if row[2] == RESIZING or row[7] is None else _root(held.get(row[0])),
            cek_id=held[row[0]].material if row[7] is not None and row[0] in held else None,
            dek_id=row[7],
            grant_id=held[row[0]].grant_id if row[7] is not None and row[0] in held else None,
            rotated_at=None if row[8] is None else datetime.fromisoformat(row[8]),
            tables=tuple(tables.get(row[0], ())),
            copy=copies.get(row[0]),
        )
        for row in rows
    ]


def snapshots(site: Site, names: Collection[str] | None = None) -> list[SnapshotDescription]:
    """All snapshots and copies that are complete, or those of these names, ordered by name."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        rows = catalogue.execute(
            """SELECT uid, name, cluster, cluster_uid, kind, status, created_at, source_region, source_arn, expires_at,
                      (SELECT coalesce(sum(bytes), 0) FROM snapshot_segment WHERE snapshot = snapshot.uid)
               FROM snapshot
               WHERE status = ?1 AND (?2 IS NULL OR name IN (SELECT value FROM json_each(?2))) ORDER BY name""",
            (AVAILABLE, _listed(names)),
        ).fetchall()
    held = _held(site, None if names is None else _listed([row[0] for row in rows]))
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
    ]


def copy_grants(site: Site, names: Collection[str] | None = None) -> list[CopyGrantDescription]:
    """All copy grants that are complete, or those of these names, ordered by name."""
    with site.keyring.read() as ring:
        if ring is None:
            return []
        rows = ring.execute(
            "SELECT name, root_kind, root_arn, grant_id FROM copy_grant WHERE ready ORDER BY name"
        ).fetchall()
    copying = copying_through(site) if rows else {}
    return [
        CopyGrantDescription(
            name=name,
            arn=copy_grant_arn(site.region, site.account, name),
            root=Root(kind=RootKind(kind), key_arn=key_arn),
            grant_id=grant_id,
            copying=copying.get(name, ()),
        )
        for name, kind, key_arn, grant_id in rows
        if names is None or name in names
    ]


def copying_through(site: Site) -> dict[str, tuple[str, ...]]:
    """Of each copy grant here: ARNs of the clusters that copy through it, from the account's catalogues next door."""
    found: dict[str, list[str]] = defaultdict(list)
    with translated(site.siblings, "warehouses' folder"):
        regions = site.fs.listdir(site.siblings) if site.fs.exists(site.siblings) else []
    for region in regions:
        if region == site.region:
            continue
        with catalogue_in(site.siblings / region).read() as other:
            if other is not None:
                for grant, cluster in other.execute(
                    """SELECT s.grant_name, c.name FROM snapshot_copy s JOIN cluster c ON c.uid = s.cluster
                       WHERE s.region = ? AND s.grant_name IS NOT NULL ORDER BY c.name""",
                    (site.region,),
                ):
                    found[grant].append(cluster_arn(region, site.account, cluster))
    return {grant: tuple(clusters) for grant, clusters in found.items()}


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


def _listed(values: Collection[str] | None) -> str | None:
    """Values for ``json_each``: as many as there are, in one statement."""
    return None if values is None else json.dumps(list(values))


def _held(site: Site, holders: str | None) -> dict[str, Cek]:
    """The CEK of every holder, or of those listed."""
    with site.keyring.read() as ring:
        if ring is None:
            return {}
        pointers = ring.execute(
            "SELECT uid, cek FROM holder WHERE ?1 IS NULL OR uid IN (SELECT value FROM json_each(?1))", (holders,)
        ).fetchall()
        if holders is None:
            known = ceks(ring)
            return {holder: known[cek] for holder, cek in pointers}
        return {holder: found for holder, _ in pointers if (found := cek_of(ring, holder)) is not None}


def _root(cek: Cek | None) -> Root:
    if cek is None:
        return UNENCRYPTED
    return Root(kind=cek.root_kind, key_arn=cek.root_arn if cek.root_kind is RootKind.KMS else None)


def _tables(catalogue: sqlite3.Connection, clusters: str | None) -> dict[str, list[LoadedTable]]:
    """Tables of all clusters, or of those listed."""
    loads: dict[str, list[str]] = defaultdict(list)
    for table, digest in catalogue.execute(
        """SELECT l.data_table, l.digest FROM load l JOIN data_table t ON t.uid = l.data_table
           WHERE ?1 IS NULL OR t.cluster IN (SELECT value FROM json_each(?1)) ORDER BY l.data_table, l.ordinal""",
        (clusters,),
    ):
        loads[table].append(digest)
    found: dict[str, list[LoadedTable]] = defaultdict(list)
    for owner, uid, name, backup, rows, size in catalogue.execute(
        """SELECT t.cluster, t.uid, t.name, t.backup, coalesce(sum(s.rows), 0), coalesce(sum(s.bytes), 0)
           FROM data_table t LEFT JOIN segment s ON s.data_table = t.uid
           WHERE ?1 IS NULL OR t.cluster IN (SELECT value FROM json_each(?1)) GROUP BY t.uid ORDER BY t.name""",
        (clusters,),
    ):
        found[owner].append(LoadedTable(name=name, rows=rows, bytes=size, backup=bool(backup), loads=tuple(loads[uid])))
    return found


def _copies(catalogue: sqlite3.Connection) -> dict[str, CopyStatus]:
    rows = catalogue.execute("SELECT cluster, region, grant_name, retention_days FROM snapshot_copy")
    return {
        cluster: CopyStatus(region=region, grant_name=grant, retention_days=days)
        for cluster, region, grant, days in rows
    }
