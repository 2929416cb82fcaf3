"""One statement at work: what it sees, and what it would change.

Nothing here writes to the catalogue: an ``Edit`` is what ``commit`` makes so, if what it was worked out from still
holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from sqlglot import exp

from reconciler.errors import ValidationException
from reconciler.model.ports import StopRequested
from reconciler_warehouse import manifest
from reconciler_warehouse.blocks.delete_vectors import DeleteVector
from reconciler_warehouse.foreign.process import Unwrap, no_keys
from reconciler_warehouse.keys.hierarchy import OpenDeks
from reconciler_warehouse.loading.new_segments import Destination, NewSegment
from reconciler_warehouse.queries.dataset import Reading
from reconciler_warehouse.queries.statements import Statement, translated
from reconciler_warehouse.queries.table_reads import TableReads, table_reads
from reconciler_warehouse.queries.table_state import Moved, TableState, columns_in, look, require_columns
from reconciler_warehouse.rows import ClusterRow
from reconciler_warehouse.shares import SharedTable
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep.drafts import Drafts


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTable:
    """A table that the edit makes. Its rows, or its columns alone, are in ``Edit.added``."""

    uid: str
    name: str
    backup: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What a statement changes in one table.

    ``seen`` are tables whose rows it depends on: none of them may have others when it is committed. ``marked`` are new
    delete vectors by segment, ``removed`` segments that go whole. ``drops`` the table itself. ``schema`` is what the
    table's columns must still be, None where it does not matter.
    """

    table: str
    rows: int | None
    seen: Sequence[TableState] = ()
    added: Sequence[NewSegment] = ()
    marked: Mapping[str, DeleteVector] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    makes: NewTable | None = None
    drops: bool = False
    schema: Any = None


def require_not_stopped(site: Site) -> None:
    """StopRequested once a stop was asked for: nothing of the statement is committed from then on."""
    if site.interruptible.is_asked():
        raise StopRequested


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a statement is worked out with: the cluster with the key of new rows, its keys in clear, its tables' uids by
    name, the segments that are being read and made."""

    site: Site
    cluster: ClusterRow
    deks: OpenDeks
    tables: Mapping[str, str]
    reading: Reading
    made: Drafts
    shared: Mapping[str, SharedTable]
    opened_too: ExitStack
    unwrap: Unwrap = no_keys

    def translated(self, query: exp.Expr, besides: Collection[str] = ()) -> Statement:
        """A query over the cluster's tables, and such that this code names itself, as DuckDB gets it."""
        return translated(query, [*self.tables, *besides], self.cluster.name, self.shared)

    def reads(self, statement: Statement, besides: Collection[str] = ()) -> TableReads:
        """What a translated query reads, but for what this code names itself. ValidationException for a table without
        columns; whatever opening the keys of a cluster that shares one raises."""
        own = tuple(one for one in statement.tables if one not in besides)
        return table_reads(
            self.site,
            self.cluster,
            replace(statement, tables=own),
            tables=self.tables,
            shared=self.shared,
            deks=self.deks,
            opened_too=self.opened_too,
        )

    def states(self, names: Collection[str]) -> dict[str, TableState]:
        """These tables at one commit. ValidationException for one that is not there, or has no columns yet."""
        found = look(self.site, self.cluster, {name: self.uid_of(name) for name in names}, self.deks)
        require_columns(found)
        return found

    def uid_of(self, name: str) -> str:
        """A table's uid. ValidationException when there is none of that name."""
        if name not in self.tables:
            listed = ", ".join(sorted(self.tables)) or "none"
            raise ValidationException(
                f"Cluster {self.cluster.name} has no table {name}", suggestion=f"Its tables: {listed}."
            )
        return self.tables[name]

    def columns(self, name: str) -> Any:
        """A table's Arrow schema, None while no load has brought it any. The rest of the table is not looked at."""
        uid = self.uid_of(name)
        with self.site.catalogue.read() as catalogue:
            if catalogue is None:
                raise Moved("the catalogue is gone")
            manifest.check_root(catalogue, "cluster", self.cluster.uid, self.cluster.name, self.deks)
            return columns_in(catalogue, self.cluster.uid, uid, self.deks)

    def destination(self, table: str) -> Destination:
        """Where rows of this statement go. ``table`` is the uid."""
        return Destination(
            site=self.site,
            cluster=self.cluster.uid,
            table=table,
            dek=self.cluster.dek,
            deks=self.deks,
            made=self.made,
        )
