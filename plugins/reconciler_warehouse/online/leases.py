"""Who works on which segment: rows in the catalogue, and nothing else (DATAPLANE 3, step 2).

A worker takes segments that are not in their target form and that nobody has; it has them until its lease runs out, and
renews it while it works. One that died lets go at once where its process can be seen to be gone, and when its lease
runs out else. No safety rests on a lease or on a clock: two workers on one segment are one compare-and-swap that fails.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.host.process import Process, is_dead
from reconciler.model.ports import Random
from reconciler_warehouse.rows import SEGMENT_COLUMNS, SegmentRow, segment_of

LEASE: Final = timedelta(seconds=60)
START: Final = ("", -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What all of a cluster's segments shall be: sealed under ``dek``, or plain. ``operation``: the change's token."""

    operation: str
    cluster: str
    dek: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What one worker has: segments with the generation that each is to be written as. ``last``: table and ordinal of
    the last one, from where to look for more; ``START`` when there is none behind."""

    segments: tuple[tuple[SegmentRow, int], ...]
    last: tuple[str, int]

    @property
    def bytes(self) -> int:
        """Of all of them."""
        return sum(segment.bytes for segment, _ in self.segments)


def worker_name(random: Random) -> str:
    """A name that others can tell to be of a process that lives."""
    me = Process.current()
    return f"{me.host}|{me.boot_id}|{me.pid}|{me.started}|{random.bytes(4).hex()}"


def take(
    catalogue: sqlite3.Connection,
    target: Target,
    worker: str,
    now: datetime,
    after: tuple[str, int],
    *,
    most: int,
    most_bytes: int,
) -> Portion:
    """A portion of what is left behind ``after``, leased to ``worker``: at most ``most`` segments, and no more than
    ``most_bytes`` beside the first. Empty when nothing is, or others have it. Begun at ``START`` each time, all of a
    change would look at every segment as often as there are portions."""
    _release_the_dead(catalogue, target, now)
    rows = catalogue.execute(
        f"""SELECT {SEGMENT_COLUMNS} FROM segment s JOIN key_table k ON k.id = s.key_table
            LEFT JOIN lease l ON l.segment = s.uid AND l.operation = ?3 AND l.until > ?4
            WHERE s.data_table IN (SELECT uid FROM data_table WHERE cluster = ?1) AND k.dek IS NOT ?2
            AND l.segment IS NULL AND (s.data_table, s.ordinal) > (?5, ?6)
            ORDER BY s.data_table, s.ordinal LIMIT ?7""",  # noqa: S608  # a constant
        (target.cluster, target.dek, target.operation, now.isoformat(), *after, most),
    )
    chosen: list[tuple[SegmentRow, int]] = []
    size = 0
    for segment in map(segment_of, rows.fetchall()):
        size += segment.bytes
        if chosen and size > most_bytes:
            break
        chosen.append((segment, _leased(catalogue, target, segment.uid, worker, now)))
    last = (chosen[-1][0].table, chosen[-1][0].ordinal) if chosen else START
    return Portion(segments=tuple(chosen), last=last)


def _leased(catalogue: sqlite3.Connection, target: Target, segment: str, worker: str, now: datetime) -> int:
    """The segment is the worker's; the generation that it is to be written as."""
    catalogue.execute(
        """INSERT INTO lease (segment, operation, worker, until, attempt) VALUES (?,?,?,?,1)
           ON CONFLICT (segment) DO UPDATE SET worker = excluded.worker, until = excluded.until,
               attempt = CASE operation WHEN excluded.operation THEN attempt + 1 ELSE 1 END,
               operation = excluded.operation""",
        (segment, target.operation, worker, (now + LEASE).isoformat()),
    )
    (generation,) = catalogue.execute(
        "UPDATE segment SET next_generation = next_generation + 1 WHERE uid = ? RETURNING next_generation - 1",
        (segment,),
    ).fetchone()
    return int(generation)


def renew(catalogue: sqlite3.Connection, worker: str, now: datetime) -> None:
    """The worker goes on with what it has. What was taken from it stays with whoever has it."""
    catalogue.execute("UPDATE lease SET until = ? WHERE worker = ?", ((now + LEASE).isoformat(), worker))


def release(catalogue: sqlite3.Connection, worker: str) -> None:
    """The worker has nothing any more."""
    catalogue.execute("DELETE FROM lease WHERE worker = ?", (worker,))


def drop(catalogue: sqlite3.Connection, operation: str) -> None:
    """The change is over."""
    catalogue.execute("DELETE FROM lease WHERE operation = ?", (operation,))


def left(catalogue: sqlite3.Connection, target: Target) -> tuple[int, int]:
    """How many segments, and bytes of them, are not in their target form yet."""
    count, size = catalogue.execute(
        """SELECT count(*), coalesce(sum(s.bytes), 0) FROM segment s JOIN data_table t ON t.uid = s.data_table
           JOIN key_table k ON k.id = s.key_table WHERE t.cluster = ? AND k.dek IS NOT ?""",
        (target.cluster, target.dek),
    ).fetchone()
    return int(count), int(size)


def is_any_free(catalogue: sqlite3.Connection, target: Target, now: datetime) -> bool:
    """Whether there is a segment to be moved that nobody has."""
    row = catalogue.execute(
        """SELECT 1 FROM segment s JOIN data_table t ON t.uid = s.data_table JOIN key_table k ON k.id = s.key_table
           LEFT JOIN lease l ON l.segment = s.uid AND l.operation = ?3 AND l.until > ?4
           WHERE t.cluster = ?1 AND k.dek IS NOT ?2 AND l.segment IS NULL LIMIT 1""",
        (target.cluster, target.dek, target.operation, now.isoformat()),
    ).fetchone()
    return row is not None


def workers(catalogue: sqlite3.Connection, operation: str, now: datetime) -> Sequence[str]:
    """Who works on the change now."""
    rows = catalogue.execute(
        "SELECT DISTINCT worker FROM lease WHERE operation = ? AND until > ? ORDER BY worker",
        (operation, now.isoformat()),
    )
    return [worker for (worker,) in rows]


def _release_the_dead(catalogue: sqlite3.Connection, target: Target, now: datetime) -> None:
    """Leases of processes that are seen to be gone run out now; that they were tried stays."""
    me = Process.current()
    for worker in workers(catalogue, target.operation, now):
        host, boot_id, pid, started, _ = worker.split("|")
        if me.sees(host, boot_id) and is_dead(int(pid), int(started)):
            catalogue.execute("UPDATE lease SET until = ? WHERE worker = ?", (now.isoformat(), worker))
