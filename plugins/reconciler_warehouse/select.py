"""A SELECT answered from ciphertext: DuckDB in memory, locked down, over datasets that decrypt while they are read.

Needs duckdb, pyarrow and sqlglot; imported at the first statement. Plaintext stays in memory: DuckDB may reach no file,
and may not spill (DATAPLANE 1b).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import duckdb

from reconciler.errors import DamagedStore, ReconcilerError, ValidationException
from reconciler.providers.data import QueryResult
from reconciler_warehouse import manifest, pins
from reconciler_warehouse.dataset import Readable, Reading
from reconciler_warehouse.hierarchy import OpenDeks, opened
from reconciler_warehouse.key_tables import open_table
from reconciler_warehouse.rows import ClusterRow, SegmentRow, cluster_named, segments_of_table
from reconciler_warehouse.site import Site
from reconciler_warehouse.statements import Statement, classify

LOCK_DOWN: Final = (
    "SET TimeZone = 'UTC'",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET max_temp_directory_size = '0KB'",
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
_ATTEMPTS: Final = 5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZONED: Final = "TIMESTAMP WITH TIME ZONE"


class Moved(Exception):  # not an error: a reason to look again
    """Files or keys went on between reading the catalogue and using it."""


def select(site: Site, name: str, statement: str) -> QueryResult:
    """The statement's answer. A change that goes on at the same time (a rotation, a migration) makes it look again,
    not fail."""
    for attempt in range(_ATTEMPTS):
        try:
            return _select(site, name, statement)
        except Moved as moved:
            if attempt == _ATTEMPTS - 1:
                raise DamagedStore(
                    f"Cluster {name} cannot be read: {moved}",
                    suggestion="Restore the warehouse's folder from a backup, or the cluster from a snapshot.",
                ) from None
    raise AssertionError("unreachable")


def _select(site: Site, name: str, statement: str) -> QueryResult:
    cluster = cluster_named(site, name)
    with site.catalogue.read() as catalogue:
        tables: dict[str, str] = {}
        if catalogue is not None:
            tables = dict(catalogue.execute("SELECT name, uid FROM data_table WHERE cluster = ?", (cluster.uid,)))
    classified = classify(statement, tables, name)
    with opened(site, cluster.uid, f"Cluster {name}") as deks, pins.held(site):
        segments = consistent(site, cluster, {one: tables[one] for one in classified.tables}, deks)
        with closing(Reading(site.segments)) as reading:
            datasets = {
                table: reading.dataset({one.uid: readable(site, cluster, one, deks) for one in rows})
                for table, rows in segments.items()
            }
            refused: Exception | None = None
            try:
                answer = _run(classified, datasets)
            except (duckdb.Error, OSError) as error:
                refused = explained(reading.failure, error)
            # Outside of the handler: DuckDB's exception would live on in ours, and the engine with it.
            if refused is None and reading.failure is not None:
                refused = explained(reading.failure, reading.failure)
            if refused is not None:
                raise refused
            return answer


def consistent(
    site: Site, cluster: ClusterRow, tables: Mapping[str, str], deks: OpenDeks
) -> dict[str, list[SegmentRow]]:
    """The tables' segments, of one commit, under the manifest of that commit."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            raise Moved("the catalogue is gone")
        needed = {row[0] for row in catalogue.execute(_DEKS, (cluster.uid, cluster.uid)) if row[0] is not None}
        if not needed <= set(deks):
            raise Moved("the key ring lacks one of its database keys")
        manifest.check_tables(catalogue, cluster.uid, cluster.name, deks, set(tables.values()))
        found = {name: segments_of_table(catalogue, uid) for name, uid in tables.items()}
    for name, rows in found.items():
        if not rows:
            raise ValidationException(
                f"Table {name} has no rows and no columns yet", suggestion="Load a file into it first."
            )
    return found


_DEKS: Final = """SELECT dek FROM cluster WHERE uid = ? UNION SELECT k.dek FROM segment s
    JOIN data_table t ON t.uid = s.data_table JOIN key_table k ON k.id = s.key_table WHERE t.cluster = ?"""


def readable(site: Site, cluster: ClusterRow, row: SegmentRow, deks: OpenDeks) -> Readable:
    """One segment with its key table opened. DamagedStore."""
    identity = row.identity(cluster.uid)
    table = open_table(row.body, identity, row.generation, dek=row.dek, key=deks.get(row.dek or ""))
    return Readable(name=row.file, table=table, origin=identity.blocks())


def _run(statement: Statement, datasets: Mapping[str, Any]) -> QueryResult:
    with closing(duckdb.connect(":memory:")) as engine:
        for name, dataset in datasets.items():
            engine.register(name, dataset)
        for setting in LOCK_DOWN:
            engine.execute(setting)
        described = engine.execute(f"DESCRIBE {statement.text}").fetchall()
        columns, types = [str(row[0]) for row in described], [str(row[1]) for row in described]
        rows = engine.execute(_without_zones(statement.text, types)).fetchall()
    zoned = [index for index, kind in enumerate(types) if kind == _ZONED]
    return QueryResult(columns=tuple(columns), rows=[_with_zones(row, zoned) for row in rows] if zoned else rows)


def _without_zones(text: str, types: list[str]) -> str:
    """The statement with zoned times as microseconds: DuckDB needs a package of its own to hand them to Python."""
    if _ZONED not in types:
        return text
    names = [f"c{index}" for index in range(len(types))]
    shown = [f"epoch_us({name})" if kind == _ZONED else name for name, kind in zip(names, types, strict=True)]
    return f"SELECT {', '.join(shown)} FROM ({text}) AS answer({', '.join(names)})"  # noqa: S608  # classified above


def _with_zones(row: tuple[Any, ...], zoned: list[int]) -> tuple[Any, ...]:
    out = list(row)
    for index in zoned:
        if out[index] is not None:
            out[index] = _EPOCH + timedelta(microseconds=out[index])
    return tuple(out)


def explained(failure: Exception | None, error: BaseException) -> Exception:
    """Our own error where there is one behind the engine's, else the engine's in one line."""
    if isinstance(failure, FileNotFoundError):
        return Moved(f"segment {failure.filename} is not there")
    if isinstance(failure, ReconcilerError):
        return failure
    if failure is not None:
        return failure
    text = str(error).strip().partition("\n")[0]
    if isinstance(error, duckdb.OutOfMemoryException):
        return ValidationException(
            f"The statement needs more memory than there is: {text}",
            suggestion="Select fewer columns or rows; plaintext is never spilled to the disk.",
        )
    return ValidationException(f"The statement cannot be answered: {text}")
