"""A SELECT answered from ciphertext: DuckDB in memory, locked down, over datasets that decrypt while they are read.

Needs duckdb, pyarrow and sqlglot; imported at the first statement. Plaintext stays in memory: DuckDB may reach no file,
and may not spill (DATAPLANE 1b).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from reconciler.errors import DamagedStore
from reconciler.providers.data import QueryResult
from reconciler_warehouse import shares
from reconciler_warehouse.keys.hierarchy import opened
from reconciler_warehouse.queries.dataset import Reading
from reconciler_warehouse.queries.locked_engine import answered, locked_engine
from reconciler_warehouse.queries.statements import Statement, classify
from reconciler_warehouse.queries.table_reads import table_reads
from reconciler_warehouse.queries.table_state import Moved, tables_of
from reconciler_warehouse.rows import cluster_named
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep import pins

_ATTEMPTS: Final = 5
_AT_ONCE: Final = 10_000  # rows
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZONED: Final = "TIMESTAMP WITH TIME ZONE"


def select(site: Site, name: str, statement: str) -> QueryResult:
    """The statement's answer. A change that goes on at the same time (a rotation, a migration) makes it look again,
    not fail."""
    for attempt in range(_ATTEMPTS):
        try:
            return _select(site, name, statement)
        except Moved as moved:
            if attempt == _ATTEMPTS - 1:
                others = " or ".join(site.segments.others())
                raise DamagedStore(
                    f"Cluster {name} cannot be read: {moved}" + (f"; it may lie on {others}" if others else ""),
                    suggestion=f"Name it in the config of Provider {site.provider_name} again (`segments`)."
                    if others
                    else "Restore the warehouse's folder from a backup, or the cluster from a snapshot.",
                ) from None
    raise AssertionError("unreachable")


def _select(site: Site, name: str, statement: str) -> QueryResult:
    cluster = cluster_named(site, name)
    tables = tables_of(site, cluster)
    shared = shares.readable_by(site, cluster.uid)
    classified = classify(statement, tables, name, shared)
    with opened(site, cluster.uid, f"Cluster {name}") as deks, pins.held(site), ExitStack() as others:
        reads = table_reads(site, cluster, classified, tables=tables, shared=shared, deks=deks, opened_too=others)
        with closing(Reading(site.segments)) as reading:
            datasets = reads.datasets(reading)
            return answered(reading, lambda: _run(site, datasets, classified))


def _run(site: Site, datasets: Mapping[str, Sequence[Any]], statement: Statement) -> QueryResult:
    with locked_engine(datasets, site.interruptible) as engine:
        described = engine.execute(f"DESCRIBE {statement.text}").fetchall()
        columns, types = [str(row[0]) for row in described], [str(row[1]) for row in described]
        answer = engine.execute(_without_zones(statement.text, types))
        rows: list[tuple[Any, ...]] = []
        while some := answer.fetchmany(_AT_ONCE):  # a stop that is asked for gets its turn in between
            rows += some
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
