"""Key tables from one DEK of a cluster to another, many in a commit; data files are not touched (RO1).

A sealed body is opened and sealed again as it is: nobody looks into it. So a rotation's cost grows with the number of
segments, not with the size of the data, and no block key is handled by itself.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from reconciler.envelope.seal import open_sealed, seal
from reconciler.errors import DamagedStore, InvalidCiphertextException
from reconciler.model.ports import Random
from reconciler.providers.data import Progress
from reconciler_warehouse import manifest, operations
from reconciler_warehouse.keys.hierarchy import OpenDeks, key_named
from reconciler_warehouse.operations import Operation
from reconciler_warehouse.rows import segment_identity
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep.drafts import let_go_of

BATCH: Final = 2 * manifest.PAGE_SEGMENTS  # in one commit: other writers wait for it
ROOM_KIB: Final = 32 << 10
USUAL_KIB: Final = 2000  # SQLite's own
Place = tuple[str, int]
START: Final[Place] = ("", -1)

# A table at a time, in the order of its index: sorted, each batch would look at all that are left.
BEHIND: Final = """
    SELECT s.number, s.uid, s.data_table, s.ordinal, s.identity, s.next_generation, k.id, k.generation, k.dek, k.body
    FROM segment s JOIN key_table k ON k.id = s.key_table
    WHERE s.data_table = ?1 AND s.ordinal > ?2 AND k.dek IS NOT NULL AND k.dek != ?3 ORDER BY s.ordinal LIMIT ?4"""
_TABLES: Final = "SELECT uid FROM data_table WHERE cluster = ? AND uid >= ? ORDER BY uid"

# The uid too: numbers are given again when the highest go, to a segment that has nothing to do with the one looked at.
_STILL: Final = (
    "SELECT number, uid, key_table, next_generation FROM segment WHERE number IN (SELECT value FROM json_each(?))"
)
_POINT: Final = "UPDATE segment SET key_table = ?, next_generation = ? WHERE number = ?"


@dataclass(frozen=True, slots=True)
class _Behind:
    number: int
    uid: str
    table: str
    ordinal: int
    made_as: str | None
    next_generation: int
    key_table: int
    generation: int
    dek: str
    body: bytes


def all_of(site: Site, cluster: str, operation: Operation, deks: OpenDeks, progress: Progress) -> None:
    """Every key table of the cluster that is under another DEK, under the one that the operation names; those too that
    others wrote meanwhile (I20): where the next batch begins is a hint, and the end is a look from the beginning that
    finds none.

    While one batch goes to the disk the next is sealed, so neither waits for the other.
    """
    dek, done = str(operation.facts["dek"]), 0
    with site.catalogue.read() as catalogue:
        found = [] if catalogue is None else _look(catalogue, cluster, dek, START)
    with _room(site), ThreadPoolExecutor(1) as beside:
        bodies = _resealed(found, cluster, dek, deks, site.random)
        while found:
            done += len(found)
            with site.catalogue.write() as catalogue:
                operations.require_open(catalogue, operation.token)
                with manifest.changing(catalogue, cluster, deks) as change:
                    for table in {one.table for one in found}:
                        change.touch(table, [one.ordinal for one in found if one.table == table])
                    _swap(catalogue, found, dek, bodies)
                at = (found[-1].table, found[-1].ordinal)
                found = _look(catalogue, cluster, dek, at) or _look(catalogue, cluster, dek, START)
                sealing = beside.submit(_resealed, found, cluster, dek, deks, site.random)
            progress("key tables sealed under the new database key", done, None)
            site.checkpoint()
            bodies = sealing.result()


@contextmanager
def _room(site: Site) -> Iterator[None]:
    """Memory for a whole batch: each of its pages is looked at several times, by the manifest too."""
    _remember(site, ROOM_KIB)
    try:
        yield
    finally:
        _remember(site, USUAL_KIB)


def _remember(site: Site, kib: int) -> None:
    with site.catalogue.read() as catalogue:
        if catalogue is not None:
            catalogue.execute(f"PRAGMA cache_size = -{kib}")


def _look(catalogue: sqlite3.Connection, cluster: str, dek: str, after: Place) -> list[_Behind]:
    found: list[_Behind] = []
    for (table,) in catalogue.execute(_TABLES, (cluster, after[0])):
        ordinal = after[1] if table == after[0] else -1
        found += [_Behind(*row) for row in catalogue.execute(BEHIND, (table, ordinal, dek, BATCH - len(found)))]
        if len(found) == BATCH:
            break
    return found


def _resealed(found: list[_Behind], cluster: str, dek: str, deks: OpenDeks, random: Random) -> list[bytes]:
    """Their bodies under ``dek``. DamagedStore for one that is not what was written."""
    bodies = []
    for one in found:
        identity = segment_identity(cluster, one.table, one.uid, one.made_as)
        try:
            body = open_sealed(key_named(deks, one.dek), one.body, identity.key_table(one.dek, one.generation))
        except InvalidCiphertextException:
            raise DamagedStore(
                f"The key table of segment {one.uid} is not what was written: it does not open",
                suggestion="Nothing was repaired by guessing. Restore the warehouse's folder from a backup.",
            ) from None
        bodies.append(seal(key_named(deks, dek), body, identity.key_table(dek, one.next_generation), random))
    return bodies


def _swap(catalogue: sqlite3.Connection, found: list[_Behind], dek: str, bodies: list[bytes]) -> None:
    """The new key tables in the place of those that were looked at; one whose segment has moved on since is left for
    the next look. The old ones go first, so that the new take their pages: half as much goes to the disk."""
    (highest,) = catalogue.execute("SELECT coalesce(max(id), 0) FROM key_table").fetchone()
    still = set(catalogue.execute(_STILL, (json.dumps([one.number for one in found]),)))
    moved = [
        (number, one, body)
        for number, one, body in zip(range(highest + 1, highest + 1 + len(found)), found, bodies, strict=True)
        if (one.number, one.uid, one.key_table, one.next_generation) in still
    ]
    catalogue.execute("PRAGMA defer_foreign_keys = ON")
    catalogue.executemany(_POINT, [(number, one.next_generation + 1, one.number) for number, one, _ in moved])
    let_go_of(catalogue, [], [one.key_table for _, one, _ in moved])
    catalogue.executemany(
        "INSERT INTO key_table (id, segment, generation, dek, body) VALUES (?,?,?,?,?)",
        [(number, one.uid, one.next_generation, dek, body) for number, one, body in moved],
    )
