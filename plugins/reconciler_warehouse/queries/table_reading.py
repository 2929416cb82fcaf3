"""Whole tables as streams of Arrow batches, all as they were at one commit, decrypted while they are read.

Needs pyarrow; imported at the first export.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler.errors import ConflictException, ResourceNotFoundException
from reconciler_warehouse.keys.hierarchy import opened
from reconciler_warehouse.queries.dataset import Reading
from reconciler_warehouse.queries.locked_engine import explained
from reconciler_warehouse.queries.table_state import Moved, look, require_columns
from reconciler_warehouse.rows import cluster_named
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep import pins

BATCH_ROWS: Final = 1 << 16
_AHEAD: Final = 2  # batches, and files, that may wait in memory


class Table:
    """One table. ``batches`` may be asked once; an answer counts only when ``check`` after it raises nothing."""

    def __init__(self, name: str, reading: Reading, dataset: Any) -> None:
        self.name = name
        self._reading = reading
        self._dataset = dataset

    @property
    def schema(self) -> Any:
        """The Arrow schema."""
        return self._dataset.schema

    def batches(self) -> Iterator[Any]:
        """The rows, in the table's order."""
        scanner = self._dataset.scanner(batch_size=BATCH_ROWS, batch_readahead=_AHEAD, fragment_readahead=1)
        try:
            yield from scanner.to_batches()
        except (pa.ArrowException, OSError) as error:
            raise self._explained(error) from None
        self.check()

    def check(self) -> None:
        """DamagedStore and the like for what was noticed below Arrow."""
        if self._reading.failure is not None:
            raise self._explained(self._reading.failure)

    def _explained(self, error: BaseException) -> Exception:
        told = explained(self._reading.failure, error)
        if isinstance(told, Moved):
            return ConflictException(
                f"Table {self.name} was moved by another process while it was read", suggestion="Run the command again."
            )
        return told


@contextmanager
def reading_tables(site: Site, name: str, tables: Sequence[str]) -> Iterator[list[Table]]:
    """These tables of the cluster, ordered by name; none named: all that have columns. ResourceNotFoundException."""
    cluster = cluster_named(site, name)
    with site.catalogue.read() as catalogue:
        there: dict[str, str] = {}
        filled: set[str] = set()
        if catalogue is not None:
            there = dict(catalogue.execute("SELECT name, uid FROM data_table WHERE cluster = ?", (cluster.uid,)))
            filled = {
                one
                for (one,) in catalogue.execute(
                    """SELECT name FROM data_table t WHERE cluster = ?
                       AND EXISTS (SELECT 1 FROM segment s WHERE s.data_table = t.uid)""",
                    (cluster.uid,),
                )
            }
    for table in tables:
        if table not in there:
            raise ResourceNotFoundException(
                f"Cluster {name} has no table {table}", suggestion=f"It has {', '.join(sorted(there)) or 'none'}."
            )
    wanted = sorted(set(tables) or filled)
    try:
        with opened(site, cluster.uid, f"Cluster {name}") as deks, pins.held(site):
            states = look(site, cluster, {one: there[one] for one in wanted}, deks)
            require_columns(states)
            with closing(Reading(site.segments)) as reading:
                yield [Table(one, reading, state.dataset(reading, deks)) for one, state in states.items()]
    except Moved as moved:
        raise ConflictException(
            f"Cluster {name} was changed by another process meanwhile: {moved}", suggestion="Run the command again."
        ) from None
