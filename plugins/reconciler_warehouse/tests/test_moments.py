"""A snapshot has what there was at its moment, whatever becomes of the segments, and nothing is kept without need."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from reconciler_warehouse.backups.snapshots import next_moment
from reconciler_warehouse.catalogue import SCHEMA
from reconciler_warehouse.rows import segment_now

TABLES = ("t0", "t1", "t2")
STEP = st.tuples(
    st.sampled_from(["add", "change", "move", "remove", "drop table", "take", "forget", "renumber"]),
    st.integers(0, 40),
)


class Catalogue:
    """A catalogue beside what it should hold: segments by uid, and what each snapshot was taken of."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.count = 0
        self.live: dict[str, tuple[Any, ...]] = {}
        self.taken: dict[str, dict[str, tuple[Any, ...]]] = {}
        db.execute(
            """INSERT INTO cluster (uid, name, token, status, node_type, nodes, database, created_at)
               VALUES ('c', 'c', 'c', 'available', 'ra3', 1, 'dev', '2026')"""
        )
        for table in TABLES:
            db.execute("INSERT INTO data_table VALUES (?, 'c', ?, ?)", (table, table, table != "t2"))

    def number(self) -> int:
        self.count += 1
        return self.count

    def key_table(self) -> int:
        added = self.db.execute("INSERT INTO key_table (segment, generation, body) VALUES ('s', 1, x'00')")
        return int(added.lastrowid or 0)

    def chosen(self, at: int) -> str | None:
        return sorted(self.live)[at % len(self.live)] if self.live else None

    def add(self, at: int) -> None:
        uid, table = f"s{self.number()}", TABLES[at % len(TABLES)]
        if self.db.execute("SELECT 1 FROM data_table WHERE uid = ?", (table,)).fetchone() is None:
            return
        row = (table, self.count, f"{uid}.1", self.key_table())
        self.db.execute(
            """INSERT INTO segment (uid, data_table, ordinal, file, key_table, rows, bytes, next_generation)
               VALUES (?,?,?,?,?,1,1,2)""",
            (uid, *row),
        )
        self.live[uid] = row

    def change(self, at: int) -> None:
        """Another key table, as by a rotation."""
        uid = self.chosen(at)
        if uid is not None:
            table, ordinal, file, _ = self.live[uid]
            self.live[uid] = (table, ordinal, file, self.key_table())
            self.db.execute("UPDATE segment SET key_table = ? WHERE uid = ?", (self.live[uid][3], uid))

    def move(self, at: int) -> None:
        """Another file too, as by an encryption, with the counter of names."""
        uid = self.chosen(at)
        if uid is not None:
            table, ordinal, *_ = self.live[uid]
            self.live[uid] = (table, ordinal, f"{uid}.{self.number()}", self.key_table())
            self.db.execute("UPDATE segment SET next_generation = next_generation + 1 WHERE uid = ?", (uid,))
            self.db.execute("UPDATE segment SET file = ?, key_table = ? WHERE uid = ?", (*self.live[uid][2:], uid))

    def renumber(self, at: int) -> None:
        """All of a table in one statement."""
        table = TABLES[at % len(TABLES)]
        self.db.execute("UPDATE segment SET ordinal = ordinal + 100 WHERE data_table = ?", (table,))
        self.live = {
            uid: (row[0], row[1] + 100, *row[2:]) if row[0] == table else row for uid, row in self.live.items()
        }

    def remove(self, at: int) -> None:
        uid = self.chosen(at)
        if uid is not None:
            self.db.execute("DELETE FROM segment WHERE uid = ?", (uid,))
            del self.live[uid]

    def drop_table(self, at: int) -> None:
        table = TABLES[at % len(TABLES)]
        self.db.execute("DELETE FROM data_table WHERE uid = ?", (table,))
        self.live = {uid: row for uid, row in self.live.items() if row[0] != table}

    def take(self, at: int) -> None:
        uid = f"p{self.number()}"
        self.db.execute(
            """INSERT INTO snapshot (uid, name, token, status, kind, cluster, cluster_uid, created_at,
                                     cluster_created_at, origin) VALUES (?1,?1,?1,'available','m','c','c','','','c')""",
            (uid,),
        )
        self.db.execute(
            "INSERT INTO snapshot_table SELECT ?, uid, name FROM data_table WHERE cluster = 'c' AND backup", (uid,)
        )
        self.db.execute("UPDATE snapshot SET moment = ? WHERE uid = ?", (next_moment(self.db), uid))
        self.taken[uid] = {segment: row for segment, row in self.live.items() if row[0] != "t2"}

    def forget(self, at: int) -> None:
        if self.taken:
            uid = sorted(self.taken)[at % len(self.taken)]
            del self.taken[uid]
            self.db.execute("DELETE FROM snapshot WHERE uid = ?", (uid,))

    def check(self) -> None:
        found: dict[str, dict[str, tuple[Any, ...]]] = {uid: {} for uid in self.taken}
        for snapshot, uid, *row in self.db.execute(
            "SELECT snapshot, uid, data_table, ordinal, file, key_table FROM snapshot_segment"
        ):
            assert uid not in found[snapshot], "twice"
            found[snapshot][uid] = tuple(row)
        assert found == self.taken
        for snapshot, segments in self.taken.items():
            for uid in {*segments, *self.live}:
                now = segment_now(self.db, "snapshot", snapshot, uid)
                assert (None if now is None else (now.table, now.ordinal, now.file, now.key_table)) == segments.get(uid)
        needed = {(uid, *row) for segments in self.taken.values() for uid, row in segments.items()}
        needed -= {(uid, *row) for uid, row in self.live.items()}
        past = self.db.execute("SELECT uid, data_table, ordinal, file, key_table FROM past_segment").fetchall()
        assert sorted(past) == sorted(needed), "kept without need, or twice, or not at all"


@given(st.lists(STEP, max_size=40))
@example([("add", 0), ("take", 0), ("take", 0), ("change", 0), ("forget", 1)])
@example([("add", 0), ("take", 0), ("take", 0), ("change", 0), ("forget", 0)])
@example([("add", 0), ("take", 0), ("change", 0), ("take", 0), ("remove", 0), ("forget", 0)])
@example([("add", 1), ("take", 0), ("drop table", 1)])
def test_a_snapshot_has_what_there_was(steps: list[tuple[str, int]]) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.executescript("PRAGMA foreign_keys=ON;" + SCHEMA)
        made = Catalogue(db)
        for what, at in steps:
            getattr(made, what.replace(" ", "_"))(at)
        made.check()


def test_a_moment_is_never_given_twice() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.executescript(SCHEMA)
        made = Catalogue(db)
        made.add(0)
        made.take(0)
        made.change(0)
        made.forget(0)
        made.change(0)
        made.take(0)
        made.check()
        assert db.execute("SELECT moment FROM snapshot").fetchall() == [(2,)]
