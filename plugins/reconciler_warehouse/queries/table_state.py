"""Tables as they are at one commit: their segments and delete vectors, checked against the manifest of that commit.

Needs pyarrow.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler.errors import ValidationException
from reconciler_warehouse import manifest
from reconciler_warehouse.blocks import delete_vectors
from reconciler_warehouse.blocks.delete_vectors import DeleteVector, VectorRow
from reconciler_warehouse.blocks.key_tables import open_table
from reconciler_warehouse.keys.hierarchy import OpenDeks
from reconciler_warehouse.keys.mode_changed import StaleKeys
from reconciler_warehouse.queries.dataset import Readable, Reading
from reconciler_warehouse.queries.live_rows import LiveRows, Places
from reconciler_warehouse.rows import ClusterRow, SegmentRow, segment_now, segments_of_table
from reconciler_warehouse.site import Site


class Moved(Exception):  # not an error: a reason to look again
    """Files or keys went on between reading the catalogue and using it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """One table. ``vectors`` are those of its segments that have one, by the segment's uid."""

    name: str
    uid: str
    origin: str
    segments: tuple[SegmentRow, ...]
    vectors: Mapping[str, VectorRow]

    @property
    def content(self) -> frozenset[tuple[str, int]]:
        """What its rows are, whichever files and keys they lie under: two looks with the same content saw the same
        rows."""
        return frozenset((one.uid, _version(self.vectors.get(one.uid))) for one in self.segments)

    @property
    def rows(self) -> int:
        """Rows that are there."""
        return sum(one.rows for one in self.segments) - sum(one.rows for one in self.vectors.values())

    def readable(self, row: SegmentRow, deks: OpenDeks) -> Readable:
        """One segment with its key table opened. DamagedStore."""
        return readable(row, self.origin, deks)

    def vector(self, row: SegmentRow, deks: OpenDeks) -> DeleteVector | None:
        """One segment's delete vector, opened. DamagedStore."""
        found = self.vectors.get(row.uid)
        return None if found is None else found.opened(row.identity(self.origin), deks, row.rows)

    def schema(self, deks: OpenDeks) -> Any:
        """The Arrow schema."""
        return _schema(self.readable(self.segments[0], deks))

    def datasets(self, reading: Reading, deks: OpenDeks) -> list[Any]:
        """Its live rows, as one or two datasets: of segments with and without a delete vector."""
        found: list[Any] = []
        clean = {one.uid: self.readable(one, deks) for one in self.segments if one.uid not in self.vectors}
        if clean:
            found.append(reading.dataset(clean))
        dirty = [one for one in self.segments if one.uid in self.vectors]
        if dirty:
            found.append(self._live(reading, deks, dirty, None))
        return found

    def dataset(self, reading: Reading, deks: OpenDeks, places: Places | None = None) -> Any:
        """Its live rows as one dataset, with their places if asked for: the segment's number is that in
        ``segments``."""
        if places is None and not self.vectors:
            return reading.dataset({one.uid: self.readable(one, deks) for one in self.segments})
        return self._live(reading, deks, self.segments, places)

    def _live(
        self,
        reading: Reading,
        deks: OpenDeks,
        segments: list[SegmentRow] | tuple[SegmentRow, ...],
        places: Places | None,
    ) -> LiveRows:
        vectors = {one.uid: self.vector(one, deks) for one in segments}
        return LiveRows(
            reading,
            {one.uid: self.readable(one, deks) for one in segments},
            {uid: vector for uid, vector in vectors.items() if vector is not None},
            places,
        )


def tables_of(site: Site, cluster: ClusterRow) -> dict[str, str]:
    """Uids of the cluster's tables, by name."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return {}
        return dict(catalogue.execute("SELECT name, uid FROM data_table WHERE cluster = ?", (cluster.uid,)))


def look(site: Site, cluster: ClusterRow, tables: Mapping[str, str], deks: OpenDeks) -> dict[str, TableState]:
    """These tables (name → uid) at one commit, under the manifest of that commit. Moved when ``deks`` do not open all
    of it."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            raise Moved("the catalogue is gone")
        needed = {row[0] for row in catalogue.execute(_DEKS, (cluster.uid,)) if row[0] is not None}
        if not needed <= set(deks):
            raise Moved("the key ring lacks one of its database keys")
        try:
            manifest.check_tables(catalogue, cluster.uid, cluster.name, deks, set(tables.values()))
        except StaleKeys as stale:
            raise Moved(stale.summary) from None
        return {name: state_in(catalogue, cluster.uid, name, uid) for name, uid in tables.items()}


def state_in(catalogue: sqlite3.Connection, cluster: str, name: str, uid: str) -> TableState:
    """One table as this transaction sees it."""
    return TableState(
        name=name,
        uid=uid,
        origin=cluster,
        segments=tuple(segments_of_table(catalogue, uid)),
        vectors=delete_vectors.of_table(catalogue, uid),
    )


def content_in(catalogue: sqlite3.Connection, uid: str) -> frozenset[tuple[str, int]]:
    """``TableState.content`` as this transaction sees it, without what is heavy about it."""
    rows = catalogue.execute(
        """SELECT s.uid, coalesce(v.version, 0) FROM segment s LEFT JOIN delete_vector v ON v.id = s.delete_vector
           WHERE s.data_table = ?""",
        (uid,),
    )
    return frozenset((segment, version) for segment, version in rows)


def columns_in(catalogue: sqlite3.Connection, cluster: str, table: str, deks: OpenDeks) -> Any:
    """The table's Arrow schema, as its first segment has it; None while there is no segment. Moved when ``deks`` do not
    open it."""
    first = catalogue.execute(
        "SELECT uid FROM segment WHERE data_table = ? ORDER BY ordinal LIMIT 1", (table,)
    ).fetchone()
    row = None if first is None else segment_now(catalogue, "cluster", cluster, first[0])
    if row is None:
        return None
    if row.dek is not None and row.dek not in deks:
        raise Moved("the key ring lacks one of its database keys")
    return _schema(readable(row, cluster, deks))


def readable(row: SegmentRow, origin: str, deks: OpenDeks) -> Readable:
    """A segment with its key table opened. DamagedStore."""
    identity = row.identity(origin)
    table = open_table(row.body, identity, row.generation, dek=row.dek, key=deks.get(row.dek or ""))
    return Readable(name=row.file, table=table, origin=identity.blocks())


def _schema(segment: Readable) -> Any:
    return pa.ipc.read_schema(pa.py_buffer(segment.table.schema))


def require_columns(states: Mapping[str, TableState]) -> None:
    """ValidationException for a table that was made by a load which has not brought it any row yet."""
    for name, state in states.items():
        if not state.segments:
            raise ValidationException(
                f"Table {name} has no rows and no columns yet", suggestion="Load a file into it first."
            )


_DEKS: Final = """SELECT dek FROM cluster WHERE uid = ?1 UNION SELECT k.dek FROM segment s
    JOIN data_table t ON t.uid = s.data_table JOIN key_table k ON k.id = s.key_table WHERE t.cluster = ?1
    UNION SELECT v.dek FROM segment s JOIN data_table t ON t.uid = s.data_table
    JOIN delete_vector v ON v.id = s.delete_vector WHERE t.cluster = ?1"""


def _version(row: VectorRow | None) -> int:
    return 0 if row is None else row.version
