"""Tables marked BACKUP NO, which an encryption does not carry through (RE10): their rows go, their columns stay."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler_warehouse import manifest
from reconciler_warehouse.blocks import delete_vectors
from reconciler_warehouse.keys.hierarchy import OpenDeks
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep.drafts import Drafts, let_go_of

if TYPE_CHECKING:
    from reconciler_warehouse.loading.new_segments import NewSegment

_MARKED = "SELECT uid, name FROM data_table WHERE cluster = ? AND NOT backup ORDER BY name"


@dataclass(frozen=True, slots=True)
class Kept:
    """What such tables keep: by the table's uid its columns (Arrow), None before there are any, and the segment without
    rows that has them."""

    columns: Mapping[str, Any]
    segments: Mapping[str, NewSegment]

    def is_still_so(self, catalogue: sqlite3.Connection, cluster: str, deks: OpenDeks) -> bool:
        """Whether the same tables are marked, and have the same columns: else somebody made, filled, marked or dropped
        one meanwhile, and it would lose its columns for good."""
        return _columns(catalogue, cluster, deks) == self.columns


def columns_kept(site: Site, cluster: str, dek: str, deks: OpenDeks, made: Drafts) -> Kept:
    """A segment without rows, under the new key, for each such table that has columns."""
    with site.catalogue.read() as catalogue:
        columns = {} if catalogue is None else _columns(catalogue, cluster, deks)
    segments: dict[str, NewSegment] = {}
    for table, schema in columns.items():
        if schema is not None:
            from reconciler_warehouse.loading.new_segments import (  # loaded already, with the columns
                Destination,
                write_empty,
            )

            to = Destination(site=site, cluster=cluster, table=table, dek=dek, deks=deks, made=made)
            segments[table] = write_empty(to, schema)
    return Kept(columns, segments)


def leave(
    catalogue: sqlite3.Connection, change: manifest.Change, cluster: str, kept: Mapping[str, NewSegment]
) -> list[str]:
    """In the commit that has the cluster encrypted: such tables have what is in ``kept`` and nothing else. Their
    names."""
    marked = _marked(catalogue, cluster)
    for table, _ in marked:
        change.touch_table(table)
        rows = catalogue.execute(
            "SELECT file, key_table, delete_vector FROM segment WHERE data_table = ?", (table,)
        ).fetchall()
        catalogue.execute("DELETE FROM segment WHERE data_table = ?", (table,))
        catalogue.execute("DELETE FROM load WHERE data_table = ?", (table,))
        let_go_of(catalogue, [row[0] for row in rows], [row[1] for row in rows])
        delete_vectors.let_go(catalogue, [row[2] for row in rows if row[2] is not None])
        if table in kept:
            from reconciler_warehouse.loading.new_segments import append  # loaded already, by whoever wrote it

            append(catalogue, change, table, [kept[table]])
    return [name for _, name in marked]


def _marked(catalogue: sqlite3.Connection, cluster: str) -> list[tuple[str, str]]:
    return catalogue.execute(_MARKED, (cluster,)).fetchall()


def _columns(catalogue: sqlite3.Connection, cluster: str, deks: OpenDeks) -> dict[str, Any]:
    marked = _marked(catalogue, cluster)
    if not marked:
        return {}
    from reconciler_warehouse.queries.table_state import columns_in  # pyarrow is loaded when first needed

    return {table: columns_in(catalogue, cluster, table, deks) for table, _ in marked}
