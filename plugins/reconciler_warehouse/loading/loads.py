"""Loading files into tables: each digest once per table, all rows of a file or none (CONTRACT 1, I11)."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.access.caller import Caller
from reconciler.errors import ConflictException, ResourceNotFoundException
from reconciler.providers.data import Progress
from reconciler_warehouse import manifest
from reconciler_warehouse.foreign.keys import unwrapping
from reconciler_warehouse.foreign.process import Unwrap
from reconciler_warehouse.keys.hierarchy import OpenDeks, opened
from reconciler_warehouse.loading.column_limits import fitting, unlimited
from reconciler_warehouse.loading.new_segments import Destination, NewSegment, append, take_out, write_segment
from reconciler_warehouse.loading.sources import digest, form
from reconciler_warehouse.loading.table_names import check_table_name
from reconciler_warehouse.loading.tabular import infer, row_groups
from reconciler_warehouse.online import mode
from reconciler_warehouse.queries.table_state import Moved, columns_in
from reconciler_warehouse.rows import ClusterRow, cluster_named
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep.drafts import Drafts, drafts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Where a file's rows go: one version of a cluster, one of its tables, the keys in clear."""

    site: Site
    cluster: ClusterRow
    table: str
    deks: OpenDeks
    progress: Progress
    unwrap: Unwrap

    def destination(self, made: Drafts) -> Destination:
        """The same, for rows."""
        return Destination(
            site=self.site,
            cluster=self.cluster.uid,
            table=self.table,
            dek=self.cluster.dek,
            deks=self.deks,
            made=made,
        )


def load(
    site: Site,
    caller: Caller,
    name: str,
    table: str,
    files: Sequence[Path],
    *,
    digests: Sequence[str],
    backup: bool,
    progress: Progress,
) -> None:
    """Make the table if absent and append what was not loaded into it yet, file by file. ConflictException for a file
    that is not the one of ``digests``. Encrypted Parquet files open on the caller's behalf."""
    planned = _planned(files, digests)
    check_table_name(table)
    for path in files:
        form(path)
    cluster, unwrap = mode.for_writing(site, cluster_named(site, name)), unwrapping(site, caller)
    with opened(site, cluster.uid, f"Cluster {name}") as deks:
        with site.catalogue.read() as catalogue:
            if catalogue is not None:
                manifest.check(catalogue, "cluster", cluster.uid, name, deks)
        uid = _table(site, cluster, table, backup, deks)
        for number, path in enumerate(files):
            if number:
                site.checkpoint()  # the file before is in
            progress(f"loading {path.name} into {table}", number, len(files))
            if planned.get(path) in _loaded(site, uid):
                continue  # done, whatever became of the file since
            found = _as_planned(site, path, planned)
            if found not in _loaded(site, uid):
                now = mode.for_writing(site, cluster_named(site, name))
                target = _Target(site=site, cluster=now, table=uid, deks=deks, progress=progress, unwrap=unwrap)
                _load_file(target, path, found)


def replace(
    site: Site,
    caller: Caller,
    name: str,
    table: str,
    files: Sequence[Path],
    *,
    digests: Sequence[str],
    progress: Progress,
) -> None:
    """The table holds these files and nothing else, in one commit; types are inferred anew. No-op when it does.

    ResourceNotFoundException when there is no such table; ConflictException for a file that is not the one of
    ``digests``, before anything is replaced.
    """
    planned = _planned(files, digests)
    cluster, unwrap = mode.for_writing(site, cluster_named(site, name)), unwrapping(site, caller)
    with site.catalogue.read() as catalogue:
        row = None
        if catalogue is not None:
            row = catalogue.execute(
                "SELECT uid FROM data_table WHERE cluster = ? AND name = ?", (cluster.uid, table)
            ).fetchone()
    if row is None:
        raise ResourceNotFoundException(f"Cluster {name} has no table {table}")
    if planned and _loaded(site, row[0]) == set(planned.values()):
        return
    by_digest = {_as_planned(site, path, planned): path for path in files}
    if _loaded(site, row[0]) == set(by_digest):
        return
    with opened(site, cluster.uid, f"Cluster {name}") as deks:
        target = _Target(site=site, cluster=cluster, table=row[0], deks=deks, progress=progress, unwrap=unwrap)
        schema = infer(site.fs, files[0], unwrap) if files else None
        with drafts(site) as made:
            written = {found: _write_file(target, path, found, schema, made) for found, path in by_digest.items()}
            with site.catalogue.write() as catalogue, manifest.changing(catalogue, cluster.uid, deks) as change:
                change.require_live(cluster.dek)
                made.commit(catalogue)
                take_out(catalogue, change, row[0])
                catalogue.execute("DELETE FROM load WHERE data_table = ?", (row[0],))
                for found, segments in written.items():
                    _append(catalogue, target, segments, found, change)
            made.done()


def _planned(files: Sequence[Path], digests: Sequence[str]) -> dict[Path, str]:
    return dict(zip(files, digests, strict=True)) if digests else {}


def _as_planned(site: Site, path: Path, planned: Mapping[Path, str]) -> str:
    """The file's digest. What was reviewed is what is loaded: a file that was changed, or exchanged by a link anywhere
    in its path, since it was planned is refused before a row of it is kept (CONTRACT 1)."""
    found = digest(site.fs, path)
    if planned and found != planned[path]:
        raise ConflictException(
            f"{path.name} is not the file that was planned: it was changed since",
            suggestion="Plan again; a changed file needs `mode: append` or `mode: replace`.",
        )
    return found


def _load_file(target: _Target, path: Path, found: str) -> None:
    site = target.site
    schema = _pinned(target)
    if schema is None:
        schema = infer(site.fs, path, target.unwrap)
    with drafts(site) as made:
        written = _write_file(target, path, found, schema, made)
        with (
            site.catalogue.write() as catalogue,
            manifest.changing(catalogue, target.cluster.uid, target.deks) as change,
        ):
            change.require_live(target.cluster.dek)
            _require_columns(catalogue, target, schema)
            made.commit(catalogue)
            _append(catalogue, target, written, found, change)
        made.done()


def _write_file(target: _Target, path: Path, found: str, schema: Any, made: Drafts) -> list[NewSegment]:
    """A file's rows as segments, on disk and not yet in the catalogue."""
    written: list[NewSegment] = []
    to = target.destination(made)
    tables = fitting(row_groups(target.site.fs, path, unlimited(schema), target.unwrap), schema)
    for first in tables:
        written.append(write_segment(to, schema, itertools.chain([first], tables)))
        target.progress(f"{sum(one.rows for one in written)} rows of {path.name} written", None, None)
    if digest(target.site.fs, path) != found:
        raise ConflictException(
            f"{path.name} was changed while it was loaded; nothing of it was kept",
            suggestion="Run the command again when the file stands still.",
        )
    return written


def _append(
    catalogue: sqlite3.Connection,
    target: _Target,
    written: Sequence[NewSegment],
    found: str,
    change: manifest.Change,
) -> None:
    loaded = (target.table, found)
    if catalogue.execute("SELECT 1 FROM load WHERE data_table = ? AND digest = ?", loaded).fetchone():
        raise ConflictException(
            "Another process loaded the same file at the same time; nothing of this step was committed",
            suggestion="Run the command again.",
        )
    append(catalogue, change, target.table, written)
    catalogue.execute(
        "INSERT INTO load (data_table, digest, ordinal) SELECT ?1, ?2, count(*) FROM load WHERE data_table = ?1",
        (target.table, found),
    )


def _table(site: Site, cluster: ClusterRow, name: str, backup: bool, deks: OpenDeks) -> str:
    """The table's uid; made, or its BACKUP mark set, in a commit of its own."""
    with site.catalogue.write() as catalogue, manifest.changing(catalogue, cluster.uid, deks):
        row = catalogue.execute(
            "SELECT uid, backup FROM data_table WHERE cluster = ? AND name = ?", (cluster.uid, name)
        ).fetchone()
        if row is not None and bool(row[1]) == backup:
            return str(row[0])
        if row is None:
            uid = site.uid()
            catalogue.execute(
                "INSERT INTO data_table (uid, cluster, name, backup) VALUES (?,?,?,?)", (uid, cluster.uid, name, backup)
            )
        else:
            uid = str(row[0])
            catalogue.execute("UPDATE data_table SET backup = ? WHERE uid = ?", (backup, uid))
    return uid


def _pinned(target: _Target) -> Any:
    """The table's Arrow schema as its first segment has it; None before the first load."""
    with target.site.catalogue.read() as catalogue:
        if catalogue is None:
            return None
        try:
            return columns_in(catalogue, target.cluster.uid, target.table, target.deks)
        except Moved:
            raise _columns_changed() from None


def _require_columns(catalogue: sqlite3.Connection, target: _Target, schema: Any) -> None:
    """ConflictException unless the table is there and has no other columns than those that were loaded for: a statement
    may have dropped it, or made another of its name."""
    row = catalogue.execute("SELECT 1 FROM data_table WHERE uid = ?", (target.table,)).fetchone()
    now = None if row is None else columns_in(catalogue, target.cluster.uid, target.table, target.deks)
    if row is None or (now is not None and not now.equals(schema)):
        raise _columns_changed()


def _columns_changed() -> ConflictException:
    return ConflictException(
        "The table was changed by another process meanwhile; nothing of this step was committed",
        suggestion="Run the command again.",
    )


def _loaded(site: Site, table: str) -> set[str]:
    """Digests of the files that the table holds."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return set()
        return {row[0] for row in catalogue.execute("SELECT digest FROM load WHERE data_table = ?", (table,))}
