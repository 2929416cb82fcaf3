"""A warehouse as an attacker has it who can write its files: every stored byte at hand, and every older one.

The two stores lie in memory, so that an attack is a savepoint and its end a rollback; what reads them is the product's
own code, from the catalogue's rows to the answer.
"""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from reconciler.errors import ReconcilerError
from reconciler_warehouse import manifest
from reconciler_warehouse.blocks import delete_vectors, key_tables, parquet_segments, segment_files
from reconciler_warehouse.blocks.delete_vectors import VectorRow
from reconciler_warehouse.blocks.key_tables import open_table
from reconciler_warehouse.keys.hierarchy import OpenDeks, opened
from reconciler_warehouse.queries.dataset import Readable, Reading
from reconciler_warehouse.queries.live_rows import LiveRows
from reconciler_warehouse.queries.locked_engine import answered
from reconciler_warehouse.queries.table_state import Moved, look, tables_of
from reconciler_warehouse.rows import (
    SegmentRow,
    cluster_named,
    segments_of_cluster,
    segments_of_snapshot,
    snapshot_where,
)
from reconciler_warehouse.segment_store.local_files import LocalFiles
from reconciler_warehouse.segment_store.segments import Segments
from reconciler_warehouse.site import Site
from reconciler_warehouse.tests.statement_worlds import run, site_of
from reconciler_warehouse.tests.worlds import World, silent

BLOCK = 2048  # small, so that there are many
CLUSTERS = ("sales", "other")
Answers = dict[str, list[tuple[Any, ...]]]


class Seen:
    """A store as the attacker left it, in one connection."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        with closing(sqlite3.connect(path)) as stored:
            stored.backup(self.connection)
        self.connection.execute("PRAGMA foreign_keys = OFF")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """What is there now."""
        yield self.connection

    @contextmanager
    def attacked(self) -> Iterator[sqlite3.Connection]:
        """Undone at the end."""
        self.connection.execute("SAVEPOINT attack")
        try:
            yield self.connection
        finally:
            self.connection.execute("ROLLBACK TO attack")
            self.connection.execute("RELEASE attack")


@dataclass
class Victim:
    """``older`` are rows of each store's tables from before a rotation, by table."""

    world: World
    site: Site
    catalogue: Seen
    ring: Seen
    deks: Mapping[str, OpenDeks]
    older: Mapping[str, list[tuple[Any, ...]]]
    truth: Answers = field(default_factory=dict)

    def answers(self) -> Answers:
        """Every row of every cluster and snapshot, with keys that are in memory already."""
        found: Answers = {}
        for name in CLUSTERS:
            found |= self.rows_of_cluster(name, self.deks[name])
        return found | self.rows_of_snapshot()

    def rows_of_cluster(self, name: str, deks: OpenDeks) -> Answers:
        """As a SELECT reads them."""
        cluster = cluster_named(self.site, name)
        states = look(self.site, cluster, tables_of(self.site, cluster), deks)
        with closing(Reading(self.site.segments)) as reading:
            there = {f"{name}.{one.name}": one.dataset(reading, deks) for one in states.values() if one.segments}
            return answered(reading, lambda: {table: _rows(dataset) for table, dataset in there.items()})

    def rows_of_snapshot(self) -> Answers:
        """As a copy or a restore reads them."""
        connection = self.catalogue.connection
        snapshot = snapshot_where(connection, "name = ?", "snap")
        if snapshot is None:
            return {}
        deks = self.deks["snap"]
        manifest.check(connection, "snapshot", snapshot.uid, snapshot.name, deks)
        names = dict(connection.execute("SELECT uid, name FROM snapshot_table WHERE snapshot = ?", (snapshot.uid,)))
        found: Answers = {}
        with closing(Reading(self.site.segments)) as reading:
            vectors = delete_vectors.of_snapshot(connection, snapshot.uid)
            for row in segments_of_snapshot(connection, snapshot.uid):
                live = _live(reading, row, vectors.get(row.uid), snapshot.origin, deks)
                found.setdefault(f"snap.{names[row.table]}", []).extend(answered(reading, partial(_rows, live)))
        return {name: sorted(rows) for name, rows in found.items()}

    def without_effect(self) -> bool:
        """Whether all answers are the right ones. False: refused by an error of ours. AssertionError: a wrong answer,
        or an error of any other kind."""
        try:
            found = self.answers()
        except (ReconcilerError, Moved):  # who Moved looks again, and says then what is gone
            return False
        assert found == {name: self.truth[name] for name in found}, "a wrong answer"
        return True


def _live(reading: Reading, row: SegmentRow, vector: VectorRow | None, origin: str, deks: OpenDeks) -> Any:
    identity = row.identity(origin)
    table = open_table(row.body, identity, row.generation, dek=row.dek, key=deks.get(row.dek or ""))
    readable = {row.uid: Readable(name=row.file, table=table, origin=identity.blocks())}
    if vector is None:
        return reading.dataset(readable)
    return LiveRows(reading, readable, {row.uid: vector.opened(identity, deks, row.rows)})


def _rows(dataset: Any) -> list[tuple[Any, ...]]:
    table = dataset.scanner(use_threads=False).to_table()
    return sorted(zip(*(column.to_pylist() for column in table.columns), strict=True))


@contextmanager
def attacked_warehouse(world: World) -> Iterator[Victim]:
    """Two clusters under one root, a snapshot, tables of several segments in files and in the catalogue, with deleted
    rows; once rotated."""
    with ExitStack() as stack:
        for module in (key_tables, parquet_segments, segment_files):
            if hasattr(module, "BLOCK_BYTES"):
                stack.enter_context(patch.object(module, "BLOCK_BYTES", BLOCK))
        root = world.key("k1")
        for name in CLUSTERS:
            world.create(root, name=name, call=name)
            for part in range(2):
                world.load(world.file(f"{name}{part}.csv", _csv(name, part)), name=name)
            world.load(world.file(f"{name}-tiny.csv", "id,tail\n1,a\n2,b\n"), name=name, table="tiny")
        run(world, "INSERT INTO flights VALUES (900000, 'inline', 1.5), (900001, 'inline', 2.5)")
        run(world, "DELETE FROM flights WHERE id = 7 OR id = 900001")
        world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="snap")
        older = _kept(world)
        run(world, "DELETE FROM flights WHERE id = 8")
        world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate")
        site = site_of(world)
        deks: dict[str, OpenDeks] = {}
        with site.catalogue.read() as catalogue:
            assert catalogue is not None
            holders = dict(catalogue.execute("SELECT name, uid FROM cluster UNION SELECT name, uid FROM snapshot"))
        for name, uid in holders.items():
            deks[name] = stack.enter_context(opened(site, uid, name))
        world_site = site
        files = LocalFiles(world.fs, world.folder() / "data", world.folder() / "catalogue.db")
        catalogue_seen, ring_seen = Seen(site.catalogue.path), Seen(site.keyring.path)
        site = copy.copy(world_site)
        site.catalogue, site.keyring = catalogue_seen, ring_seen  # type: ignore[assignment]  # what is read of a Store
        site.segments = Segments(catalogue_seen, files)  # type: ignore[arg-type]  # the same
        victim = Victim(world=world, site=site, catalogue=catalogue_seen, ring=ring_seen, deks=deks, older=older)
        victim.truth = victim.answers()
        assert {name: len(rows) for name, rows in victim.truth.items()} == {
            "sales.flights": 399,
            "sales.tiny": 2,
            "other.flights": 400,
            "other.tiny": 2,
            "snap.flights": 400,
            "snap.tiny": 2,
        }
        yield victim
        catalogue_seen.connection.close()
        ring_seen.connection.close()


def _csv(name: str, part: int) -> str:
    rows = "".join(
        f"{n},{name}-{n * 2654435761 % 2**32:08x}{n * 40503 % 2**32:08x},{n % 97}.5\n"
        for n in range(part * 200, part * 200 + 200)
    )
    return "id,tail,delay\n" + rows


def _kept(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of both stores as they are now."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for store in (site_of(world).catalogue, site_of(world).keyring):
        with store.read() as connection:
            assert connection is not None
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                found[table] = connection.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608  # its own schema
    return found


def stored_segments(victim: Victim) -> list[tuple[SegmentRow, str]]:
    """Each segment of the clusters, with its cluster's name."""
    connection = victim.catalogue.connection
    return [
        (row, name)
        for name in CLUSTERS
        for row in segments_of_cluster(connection, cluster_named(victim.site, name).uid)
    ]
