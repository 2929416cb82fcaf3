"""Rows of the catalogue as they are read: clusters, tables, segments, snapshots."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from reconciler.errors import InvalidClusterStateFault, ResourceNotFoundException
from reconciler_warehouse.blocks.key_tables import SegmentId
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import CREATING, INCOMPATIBLE
from reconciler_warehouse.stored_values import moment


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRow:
    """A cluster as the catalogue has it. ``dek`` names the key of new writes, None when they are plain."""

    uid: str
    name: str
    token: str
    status: str
    created_at: datetime
    dek: str | None
    manifest_version: int


def segment_identity(origin: str, table: str, segment: str, made_as: str | None) -> SegmentId:
    """The uids that stand in a segment's AADs: those that it was written with, if it came here by a restore."""
    if made_as is not None:
        origin, table, segment = made_as.split("/")
    return SegmentId(origin=origin, table=table, segment=segment)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRow:
    """A segment: which file, which key table. ``generation`` and ``dek`` are those of the key table."""

    uid: str
    table: str
    ordinal: int
    file: str
    key_table: int
    generation: int
    dek: str | None
    body: bytes
    rows: int
    bytes: int
    made_as: str | None = None

    def identity(self, origin: str) -> SegmentId:
        """Its uids, as they stand in the AADs: those that it was written with, if it came here by a restore."""
        return segment_identity(origin, self.table, self.uid, self.made_as)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRow:
    """A snapshot as the catalogue has it. ``origin`` is the cluster uid in its AADs, ``dek`` names its key."""

    uid: str
    name: str
    token: str
    status: str
    cluster: str
    cluster_uid: str
    created_at: str
    cluster_created_at: str
    dek: str | None
    source_region: str | None
    source_arn: str | None
    origin: str


_SNAPSHOT = """SELECT uid, name, token, status, cluster, cluster_uid, created_at, cluster_created_at, dek,
    source_region, source_arn, origin FROM snapshot WHERE """
_CLUSTER = "SELECT uid, name, token, status, created_at, dek, manifest_version FROM cluster WHERE "
SEGMENT_COLUMNS = (
    "s.uid, s.data_table, s.ordinal, s.file, s.key_table, k.generation, k.dek, k.body, s.rows, s.bytes, s.identity"
)


def cluster_named(site: Site, name: str) -> ClusterRow:
    """The cluster of that name; ResourceNotFoundException when there is none, or it was never finished,
    InvalidClusterStateFault when its HSM did not let it be made."""
    row = find_cluster(site, name)
    if row is None or row.status == CREATING:
        raise ResourceNotFoundException(f"There is no cluster {name} in {site.region}")
    if row.status == INCOMPATIBLE:
        raise InvalidClusterStateFault(
            f"Cluster {name} is {INCOMPATIBLE}: its HSM was not fit when it was to be made, and there is nothing of it",
            suggestion="Delete it and make it again (HS5): `reconciler plan` does both.",
        )
    return row


def cluster_at(site: Site, uid: str) -> ClusterRow:
    """The cluster of that uid, whatever it is called by now; ResourceNotFoundException."""
    with site.catalogue.read() as catalogue:
        row = None if catalogue is None else cluster_where(catalogue, "uid = ?", uid)
    if row is None:
        raise ResourceNotFoundException(f"The cluster is gone from {site.region} meanwhile")
    return row


def find_cluster(site: Site, name: str) -> ClusterRow | None:
    """The cluster of that name, finished or not."""
    with site.catalogue.read() as catalogue:
        return None if catalogue is None else cluster_where(catalogue, "name = ?", name)


def cluster_where(catalogue: sqlite3.Connection, condition: str, value: str) -> ClusterRow | None:
    """The cluster that fits ``name = ?``, ``uid = ?`` or ``token = ?``."""
    row = catalogue.execute(_CLUSTER + condition, (value,)).fetchone()
    if row is None:
        return None
    return ClusterRow(
        uid=row[0],
        name=row[1],
        token=row[2],
        status=row[3],
        created_at=moment(row[4]),
        dek=row[5],
        manifest_version=row[6],
    )


def snapshot_where(catalogue: sqlite3.Connection, condition: str, value: str) -> SnapshotRow | None:
    """The snapshot that fits ``name = ?``, ``uid = ?``, ``token = ?`` or ``source_arn = ?``."""
    row = catalogue.execute(_SNAPSHOT + condition, (value,)).fetchone()
    return None if row is None else SnapshotRow(**dict(zip(SnapshotRow.__slots__, row, strict=True)))


def segments_of_cluster(catalogue: sqlite3.Connection, cluster: str) -> list[SegmentRow]:
    """Every segment of the cluster with its key table, in order."""
    return _segments(
        catalogue,
        f"""SELECT {SEGMENT_COLUMNS} FROM segment s JOIN data_table t ON t.uid = s.data_table
            JOIN key_table k ON k.id = s.key_table WHERE t.cluster = ? ORDER BY s.data_table, s.ordinal""",  # noqa: S608
        cluster,
    )


def segments_not_under(catalogue: sqlite3.Connection, cluster: str, dek: str | None, limit: int) -> list[SegmentRow]:
    """Some of the cluster's segments whose key table is not sealed under ``dek`` (None: is sealed at all)."""
    query = f"""SELECT {SEGMENT_COLUMNS} FROM segment s JOIN data_table t ON t.uid = s.data_table
        JOIN key_table k ON k.id = s.key_table WHERE t.cluster = ?1 AND k.dek IS NOT ?2
        ORDER BY s.data_table, s.ordinal LIMIT ?3"""  # noqa: S608  # a constant
    return [segment_of(row) for row in catalogue.execute(query, (cluster, dek, limit))]


def segments_of_table(catalogue: sqlite3.Connection, table: str) -> list[SegmentRow]:
    """Every segment of one table, in order."""
    return _segments(
        catalogue,
        f"""SELECT {SEGMENT_COLUMNS} FROM segment s JOIN key_table k ON k.id = s.key_table
            WHERE s.data_table = ? ORDER BY s.ordinal""",  # noqa: S608  # a constant
        table,
    )


def segments_of_snapshot(catalogue: sqlite3.Connection, snapshot: str) -> list[SegmentRow]:
    """Every segment of the snapshot with its key table, in order."""
    return _segments(
        catalogue,
        f"""SELECT {SEGMENT_COLUMNS} FROM snapshot_segment s JOIN key_table k ON k.id = s.key_table
            WHERE s.snapshot = ? ORDER BY s.data_table, s.ordinal""",  # noqa: S608  # a constant
        snapshot,
    )


_ONE = {
    "cluster": f"""SELECT {SEGMENT_COLUMNS} FROM segment s JOIN data_table t ON t.uid = s.data_table
        JOIN key_table k ON k.id = s.key_table WHERE t.cluster = ?1 AND s.uid = ?2""",  # noqa: S608  # a constant
    # By the segment first: all of a snapshot's would be looked through for each.
    "snapshot": f"""SELECT {SEGMENT_COLUMNS} FROM (
            SELECT uid, data_table, ordinal, file, key_table, rows, bytes, identity, born, NULL AS died FROM segment
            WHERE uid = ?2
            UNION ALL
            SELECT uid, data_table, ordinal, file, key_table, rows, bytes, identity, born, died FROM past_segment
            WHERE uid = ?2
        ) s CROSS JOIN snapshot p ON p.uid = ?1 AND p.moment >= s.born AND (s.died IS NULL OR s.died > p.moment)
        CROSS JOIN snapshot_table t ON t.snapshot = p.uid AND t.uid = s.data_table
        CROSS JOIN key_table k ON k.id = s.key_table""",  # noqa: S608  # a constant
}


def segment_uids(catalogue: sqlite3.Connection, kind: str, holder: str) -> list[str]:
    """Uids of all segments of a cluster or snapshot (``kind``), in order, without what is heavy about them."""
    source = "segment s JOIN data_table t ON t.uid = s.data_table WHERE t.cluster = ?"
    if kind == "snapshot":
        source = "snapshot_segment s WHERE s.snapshot = ?"
    query = f"SELECT s.uid FROM {source} ORDER BY s.data_table, s.ordinal, s.uid"  # noqa: S608  # constants
    return [uid for (uid,) in catalogue.execute(query, (holder,))]


def segment_now(catalogue: sqlite3.Connection, kind: str, holder: str, uid: str) -> SegmentRow | None:
    """One segment of a cluster or snapshot as it is by now; None when it is gone."""
    row = catalogue.execute(_ONE[kind], (holder, uid)).fetchone()
    return None if row is None else segment_of(row)


def add_key_table(catalogue: sqlite3.Connection, segment: str, generation: int, dek: str | None, body: bytes) -> int:
    """A new key table's number."""
    added = catalogue.execute(
        "INSERT INTO key_table (segment, generation, dek, body) VALUES (?,?,?,?)", (segment, generation, dek, body)
    )
    return int(added.lastrowid or 0)


def _segments(catalogue: sqlite3.Connection, query: str, value: str) -> list[SegmentRow]:
    return [segment_of(row) for row in catalogue.execute(query, (value,))]


def segment_of(r: tuple[str, str, int, str, int, int, str | None, bytes, int, int, str | None]) -> SegmentRow:
    """A row of ``SEGMENT_COLUMNS``."""
    return SegmentRow(
        uid=r[0],
        table=r[1],
        ordinal=r[2],
        file=r[3],
        key_table=r[4],
        generation=r[5],
        dek=r[6],
        body=r[7],
        rows=r[8],
        bytes=r[9],
        made_as=r[10],
    )
