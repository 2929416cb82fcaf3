"""What a warehouse says of itself: from the two stores alone, without a key, without an engine, without writing."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.host.sqlite import translated
from reconciler.providers.data import (
    ClusterDescription,
    CopyGrantDescription,
    CopyStatus,
    LoadedTable,
    ManifestMark,
    Root,
    RootKind,
    SnapshotDescription,
)
from reconciler.providers.warehouse import SnapshotSchedule
from reconciler_warehouse.catalogue import catalogue as catalogue_in
from reconciler_warehouse.keyring import Cek, cek_of, ceks, unneeded
from reconciler_warehouse.keys.roots import root_at
from reconciler_warehouse.lost_roots import recovery
from reconciler_warehouse.names import cluster_arn, copy_grant_arn, snapshot_arn
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, CREATING, FAILED, RESIZING, UNAVAILABLE
from reconciler_warehouse.stored_values import moment, root_kind

UNENCRYPTED = Root(kind=RootKind.NONE)
LOST = Root(kind=RootKind.LOST)
_AMONG: Final = "{} IN (SELECT value FROM json_each(?))"
_AWAITS: Final = (
    "EXISTS (SELECT 1 FROM operation o WHERE o.cluster = cluster.uid AND o.verb = 'encrypt' AND NOT o.finished)"
)
# Catalogue and key ring are two files: what another process removes in between is gone from both at the next look.
_LOOKS: Final = 3


def clusters(site: Site, names: Collection[str] | None = None, *, token: str | None = None) -> list[ClusterDescription]:
    """All clusters that were finished, or those of these names or that token, ordered by name; also those that their
    HSM did not let be made (HS5). One that is encrypted
    and whose keys are not in the key ring is never called unencrypted (I18) nor left out: its root is LOST, and the
    others are described all the same."""
    condition, values = "status != ?", [CREATING]
    if names is not None:
        condition, values = f"{condition} AND {_AMONG.format('name')}", [*values, _listed(names)]
    if token is not None:
        condition, values = f"{condition} AND token = ?", [*values, token]
    is_narrowed = names is not None or token is not None
    rows: list[Any] = []
    held: dict[str, Cek] = {}
    tables: dict[str, list[LoadedTable]] = {}
    copies: dict[str, CopyStatus] = {}
    for _ in range(_LOOKS):
        with site.catalogue.read() as catalogue:
            if catalogue is None:
                return []
            rows = catalogue.execute(
                f"""SELECT uid, name, status, node_type, nodes, database, created_at, dek, rotated_at,
                           snapshot_every, snapshot_retention, {_AWAITS}, manifest_version, manifest_tag FROM cluster
                    WHERE {condition} ORDER BY name""",  # noqa: S608  # constants
                values,
            ).fetchall()
            narrowed = _listed([row[0] for row in rows]) if is_narrowed else None
            tables = _tables(catalogue, narrowed)
            copies = _copies(catalogue, narrowed)
        held = _held(site, narrowed)
        if all(row[7] is None or row[0] in held for row in rows):
            break
    found = [_cluster(site, row, held.get(row[0]), tables.get(row[0], []), copies.get(row[0])) for row in rows]
    recoveries = recovery.told(site, [one.uid for one in found if one.encrypted])
    return [
        replace(one, escrow_arn=lost.escrow_arn, inaccessible=lost.inaccessible)
        if (lost := recoveries.get(one.uid)) is not None
        else one
        for one in found
    ]


def _cluster(
    site: Site, row: Any, cek: Cek | None, tables: list[LoadedTable], copy: CopyStatus | None
) -> ClusterDescription:
    is_sealed = row[7] is not None and cek is not None
    is_lost = row[7] is not None and cek is None
    return ClusterDescription(
        name=row[1],
        arn=cluster_arn(site.region, site.account, row[1]),
        uid=row[0],
        status=UNAVAILABLE if is_lost else row[2],
        node_type=row[3],
        nodes=row[4],
        database=row[5],
        created_at=moment(row[6]),
        # While data move between plain and sealed, nobody is told that they are sealed.
        root=LOST if is_lost else _root(cek) if is_sealed and row[2] != RESIZING else UNENCRYPTED,
        cek_id=cek.material if is_sealed and cek is not None else None,
        dek_id=row[7],
        grant_id=cek.grant_id if is_sealed and cek is not None else None,
        rotated_at=None if row[8] is None else moment(row[8]),
        tables=tuple(tables),
        copy=copy,
        keys_verified=cek is None or cek.verified,
        schedule=schedule_in(row[9], row[10]),
        awaits_snapshot=is_sealed and row[2] != RESIZING and bool(row[11]),
        manifest=None if row[13] is None else ManifestMark(version=row[12], tag=bytes(row[13]).hex()),
    )


def schedule_in(every: int | None, retention: int | None) -> SnapshotSchedule | None:
    """The schedule that stands in a cluster's row, in seconds."""
    if every is None or retention is None:
        return None
    return SnapshotSchedule(every=timedelta(seconds=every), retention=timedelta(seconds=retention))


def snapshots(site: Site, names: Collection[str] | None = None) -> list[SnapshotDescription]:
    """All snapshots and copies that are complete, or those of these names, ordered by name. LOST as above."""
    condition, values = "status = ?", [AVAILABLE]
    if names is not None:
        condition, values = f"{condition} AND {_AMONG.format('name')}", [*values, _listed(names)]
    rows: list[Any] = []
    held: dict[str, Cek] = {}
    for _ in range(_LOOKS):
        with site.catalogue.read() as catalogue:
            if catalogue is None:
                return []
            rows = catalogue.execute(
                f"""SELECT uid, name, cluster, cluster_uid, kind, status, created_at, source_region, source_arn,
                           expires_at,
                           bytes, dek
                    FROM snapshot WHERE {condition} ORDER BY name""",  # noqa: S608  # constants
                values,
            ).fetchall()
        held = _held(site, None if names is None else _listed([row[0] for row in rows]))
        if all(row[11] is None or row[0] in held for row in rows):
            break
    return [_snapshot(site, row, held.get(row[0])) for row in rows]


def _snapshot(site: Site, row: Any, cek: Cek | None) -> SnapshotDescription:
    is_lost = row[11] is not None and cek is None
    return SnapshotDescription(
        name=row[1],
        arn=snapshot_arn(site.region, site.account, row[2], row[1]),
        uid=row[0],
        cluster=row[2],
        cluster_uid=row[3],
        kind=row[4],
        status=FAILED if is_lost else row[5],
        created_at=moment(row[6]),
        root=LOST if is_lost else _root(cek),
        bytes=row[10],
        source_region=row[7],
        source_arn=row[8],
        expires_at=None if row[9] is None else moment(row[9]),
    )


def expired(site: Site, *, at: datetime | None = None) -> dict[str, datetime]:
    """Names of the snapshots and copies whose retention is over, ordered, and since when; by then (None: by now)."""
    now = at or site.now()
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return {}
        rows = catalogue.execute("SELECT name, expires_at FROM snapshot WHERE expires_at IS NOT NULL ORDER BY name")
        return {name: moment(expires) for name, expires in rows if moment(expires) <= now}


def has_expired(site: Site) -> bool:
    """Whether a snapshot's retention is over, or a grant or a cluster key in a partition waits to be retired."""
    if expired(site):
        return True
    with site.keyring.read() as ring:
        return ring is not None and (
            ring.execute("SELECT 1 FROM retiring").fetchone() is not None or bool(unneeded(ring))
        )


def copy_grants(site: Site, names: Collection[str] | None = None) -> list[CopyGrantDescription]:
    """All copy grants that are complete, or those of these names, ordered by name."""
    with site.keyring.read() as ring:
        if ring is None:
            return []
        among = "" if names is None else f"AND {_AMONG.format('name')}"
        rows = ring.execute(
            f"SELECT name, root_kind, root_arn, grant_id FROM copy_grant WHERE ready {among} ORDER BY name",  # noqa: S608
            () if names is None else (_listed(names),),
        ).fetchall()
    copying = copying_through(site, [row[0] for row in rows]) if rows else {}
    return [
        CopyGrantDescription(
            name=name,
            arn=copy_grant_arn(site.region, site.account, name),
            root=Root(kind=root_kind(kind), key_arn=key_arn),
            grant_id=grant_id,
            copying=copying.get(name, ()),
        )
        for name, kind, key_arn, grant_id in rows
    ]


def copying_through(site: Site, names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Of each of these copy grants: ARNs of clusters that copy through it, from the account's catalogues next door."""
    found: dict[str, list[str]] = defaultdict(list)
    with translated(site.siblings, "warehouses' folder"):
        regions = site.fs.listdir(site.siblings) if site.fs.exists(site.siblings) else []
    for region in regions:
        if region == site.region:
            continue
        with catalogue_in(site.siblings / region).read() as other:
            if other is not None:
                for grant, cluster in other.execute(
                    f"""SELECT s.grant_name, c.name FROM snapshot_copy s JOIN cluster c ON c.uid = s.cluster
                        WHERE s.region = ? AND {_AMONG.format("s.grant_name")} ORDER BY c.name""",  # noqa: S608
                    (site.region, _listed(names)),
                ):
                    found[grant].append(cluster_arn(region, site.account, cluster))
    return {grant: tuple(clusters) for grant, clusters in found.items()}


def manifest_tags(site: Site, versions: Mapping[str, int]) -> dict[str, str]:
    """See ``RemembersManifests.manifest_tags``."""
    query = "SELECT cluster, tag FROM manifest_past WHERE cluster = ? AND version = ?"
    with site.catalogue.read() as catalogue:
        rows = () if catalogue is None else [catalogue.execute(query, one).fetchone() for one in versions.items()]
    return {row[0]: bytes(row[1]).hex() for row in rows if row is not None}


def _listed(values: Collection[str]) -> str:
    """Values for ``json_each``: as many as there are, in one statement."""
    return json.dumps(list(values))


def _held(site: Site, holders: str | None) -> dict[str, Cek]:
    """The CEK of every holder, or of those listed."""
    with site.keyring.read() as ring:
        if ring is None:
            return {}
        if holders is not None:
            return {one: found for one in json.loads(holders) if (found := cek_of(ring, one)) is not None}
        known = ceks(ring)
        return {holder: known[cek] for holder, cek in ring.execute("SELECT uid, cek FROM holder")}


def _root(cek: Cek | None) -> Root:
    if cek is None:
        return UNENCRYPTED
    return root_at(cek.root_kind, cek.root_arn)


def _tables(catalogue: sqlite3.Connection, clusters: str | None) -> dict[str, list[LoadedTable]]:
    """Tables of all clusters, or of those listed."""
    of = "" if clusters is None else f"WHERE {_AMONG.format('t.cluster')}"
    values = () if clusters is None else (clusters,)
    loads: dict[str, list[str]] = defaultdict(list)
    for table, digest in catalogue.execute(
        f"""SELECT l.data_table, l.digest FROM data_table t JOIN load l ON l.data_table = t.uid {of}
            ORDER BY l.data_table, l.ordinal""",  # noqa: S608  # constants
        values,
    ):
        loads[table].append(digest)
    found: dict[str, list[LoadedTable]] = defaultdict(list)
    for owner, uid, name, backup, rows, size in catalogue.execute(
        f"""SELECT t.cluster, t.uid, t.name, t.backup, coalesce(sum(s.rows - coalesce(v.rows, 0)), 0),
                   coalesce(sum(s.bytes), 0)
            FROM data_table t LEFT JOIN segment s ON s.data_table = t.uid
            LEFT JOIN delete_vector v ON v.id = s.delete_vector {of}
            GROUP BY t.uid ORDER BY t.name""",  # noqa: S608  # constants
        values,
    ):
        found[owner].append(LoadedTable(name=name, rows=rows, bytes=size, backup=bool(backup), loads=tuple(loads[uid])))
    return found


def _copies(catalogue: sqlite3.Connection, clusters: str | None) -> dict[str, CopyStatus]:
    """How all clusters copy, or those listed."""
    of = "" if clusters is None else f"WHERE {_AMONG.format('cluster')}"
    rows = catalogue.execute(
        f"SELECT cluster, region, grant_name, retention_days FROM snapshot_copy {of}",  # noqa: S608  # constants
        () if clusters is None else (clusters,),
    )
    return {
        cluster: CopyStatus(region=region, grant_name=grant, retention_days=days)
        for cluster, region, grant, days in rows
    }
