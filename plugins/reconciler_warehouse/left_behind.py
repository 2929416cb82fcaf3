"""Tables marked BACKUP NO, which an encryption does not carry through (RE10): their rows go, their columns stay."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING

from reconciler_warehouse import delete_vectors, manifest
from reconciler_warehouse.drafts import Drafts, let_go_of
from reconciler_warehouse.hierarchy import OpenDeks
from reconciler_warehouse.site import Site

if TYPE_CHECKING:
    from reconciler_warehouse.new_segments import NewSegment

_MARKED = "SELECT uid, name FROM data_table WHERE cluster = ? AND NOT backup ORDER BY name"


def columns_kept(site: Site, cluster: str, dek: str, deks: OpenDeks, made: Drafts) -> dict[str, NewSegment]:
    """A segment without rows, under the new key, for each such table that has columns: by the table's uid."""
    with site.catalogue.read() as catalogue:
        marked = [] if catalogue is None else catalogue.execute(_MARKED, (cluster,)).fetchall()
    if not marked:
        return {}
    from reconciler_warehouse.new_segments import Destination, write_empty  # pyarrow is loaded when first needed
    from reconciler_warehouse.table_state import columns_in

    kept: dict[str, NewSegment] = {}
    for table, _ in marked:
        with site.catalogue.read() as catalogue:
            schema = None if catalogue is None else columns_in(catalogue, cluster, table, deks)
        if schema is not None:
            to = Destination(site=site, cluster=cluster, table=table, dek=dek, deks=deks, made=made)
            kept[table] = write_empty(to, schema)
    return kept


def leave(
    catalogue: sqlite3.Connection, change: manifest.Change, cluster: str, kept: Mapping[str, NewSegment]
) -> list[str]:
    """In the commit that has the cluster encrypted: such tables have what is in ``kept`` and nothing else. Their
    names."""
    marked = catalogue.execute(_MARKED, (cluster,)).fetchall()
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
            from reconciler_warehouse.new_segments import append  # loaded already, by whoever wrote it

            append(catalogue, change, table, [kept[table]])
    return [name for _, name in marked]
