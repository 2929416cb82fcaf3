"""What one query reads: tables of its cluster, and those that other clusters share with it (RE8), each cluster's at one
commit of it and under its own keys.

Needs duckdb and pyarrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from reconciler_warehouse import shares
from reconciler_warehouse.keys.hierarchy import OpenDeks, opened
from reconciler_warehouse.lost_roots import inaccessible
from reconciler_warehouse.queries.dataset import Reading
from reconciler_warehouse.queries.statements import Statement, registered
from reconciler_warehouse.queries.table_state import TableState, look, require_columns
from reconciler_warehouse.rows import ClusterRow, cluster_at
from reconciler_warehouse.shares import SharedTable
from reconciler_warehouse.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Tables of one cluster, by the name that the engine knows them under, and its keys."""

    states: Mapping[str, TableState]
    deks: OpenDeks


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReads:
    """The tables of one query; its own cluster's come first."""

    sources: tuple[Source, ...]

    @property
    def states(self) -> list[TableState]:
        """All of them."""
        return [state for source in self.sources for state in source.states.values()]

    def datasets(self, reading: Reading) -> dict[str, Sequence[Any]]:
        """Each table's live rows, for ``locked_engine``."""
        return {
            name: state.datasets(reading, source.deks)
            for source in self.sources
            for name, state in source.states.items()
        }


def table_reads(
    site: Site,
    cluster: ClusterRow,
    statement: Statement,
    *,
    tables: Mapping[str, str],
    shared: Mapping[str, SharedTable],
    deks: OpenDeks,
    opened_too: ExitStack,
) -> TableReads:
    """What the statement names. The keys of clusters that share with this one are open for as long as ``opened_too``.
    ValidationException for a table without columns; what opening a producer's keys raises."""
    own = look(site, cluster, {one: tables[one] for one in statement.tables}, deks)
    require_columns(own)
    foreign = [
        _of_producer(site, producer, [shared[key] for key in keys], opened_too)
        for producer, keys in _by_producer(shared, statement.shared).items()
    ]
    return TableReads(sources=(Source(states=own, deks=deks), *foreign))


def _by_producer(shared: Mapping[str, SharedTable], keys: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(shared[key].producer, []).append(key)
    return found


def _of_producer(site: Site, uid: str, wanted: list[SharedTable], opened_too: ExitStack) -> Source:
    """Tables that another cluster shares, at one commit of it, and its keys: lost with the producer (RE8)."""
    opened_too.enter_context(inaccessible.noticing_at(site, uid))
    producer = cluster_at(site, uid)
    deks = opened_too.enter_context(opened(site, uid, f"Cluster {producer.name}, which shares {wanted[0].key},"))
    shares.require_vouched(wanted, deks if producer.dek is not None else {})
    found = look(site, producer, {one.key: one.table for one in wanted}, deks)
    require_columns(found)
    return Source(states={registered(key): state for key, state in found.items()}, deks=deks)
