"""What a change of encryption would move, and how far one is: from what is stored, without a key, writing nothing."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Final

from reconciler.providers.warehouse import ChangeEstimate, ChangeProgress
from reconciler_warehouse.site import Site
from reconciler_warehouse.stored_values import moment

# What was measured tells of so many times as much; from _TELLING on, of any amount: the time of a smaller change is
# mostly what each takes, whatever its size.
_FURTHER: Final = 16
_TELLING: Final = 16 << 20
_OPEN: Final = """
    SELECT o.token, o.verb, p.begun_at, p.segments_done, p.bytes_done, p.busy, c.uid,
           CASE o.verb WHEN 'decrypt' THEN NULL WHEN 're-encrypt' THEN o.facts ->> 'dek' ELSE c.dek END,
           o.verb = 'encrypt' AND c.dek IS NULL
    FROM cluster c JOIN operation o ON o.cluster = c.uid AND NOT o.finished
    JOIN change_progress p ON p.operation = o.token WHERE c.name = ? AND o.verb IN ('encrypt', 'decrypt', 're-encrypt')
"""
# ?4: it is to be encrypted, and no table marked BACKUP NO is carried through (RE10).
_LEFT: Final = """
    SELECT count(*), coalesce(sum(s.bytes), 0) FROM data_table t JOIN segment s ON s.data_table = t.uid
    JOIN key_table k ON k.id = s.key_table WHERE t.cluster = ?1 AND (?3 OR k.dek IS NOT ?2)
    AND (t.backup OR NOT ?4)
"""


def estimate_change(site: Site, name: str) -> ChangeEstimate | None:
    """See ``EstimatesChanges.estimate_change``."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return None
        row = catalogue.execute("SELECT uid, nodes, dek IS NULL FROM cluster WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        segments, size = catalogue.execute(_LEFT, (row[0], None, 1, row[2])).fetchone()
        done, busy = catalogue.execute(
            "SELECT coalesce(sum(bytes_done), 0), coalesce(sum(busy), 0) FROM change_progress"
        ).fetchone()
    rate = _rate(site, (done, busy), size, site.pace.workers_of(row[1]))
    return ChangeEstimate(bytes=size, segments=segments, seconds=None if rate is None else size / rate)


def change_progress(site: Site, name: str) -> ChangeProgress | None:
    """See ``EstimatesChanges.change_progress``."""
    with site.catalogue.read() as catalogue:
        row = None if catalogue is None else catalogue.execute(_OPEN, (name,)).fetchone()
        if catalogue is None or row is None:
            return None
        token, verb, begun_at, segments, done, busy, cluster, dek, is_before = row
        more_segments, more = catalogue.execute(_LEFT, (cluster, dek, is_before, is_before)).fetchone()
        workers = _workers(catalogue, token, site.now())
    rate = _rate(site, (done, busy), more, workers)
    return ChangeProgress(
        verb=verb,
        token=token,
        begun_at=moment(begun_at),
        bytes_done=done,
        bytes_total=done + more,
        segments_done=segments,
        segments_total=segments + more_segments,
        bytes_per_second=rate,
        seconds_left=None if rate is None else more / rate,
    )


def _workers(catalogue: sqlite3.Connection, operation: str, now: datetime) -> int:
    """How many work on it now; one when nobody does, for whoever goes on with it."""
    (count,) = catalogue.execute(
        "SELECT count(DISTINCT worker) FROM lease WHERE operation = ? AND until > ?", (operation, now.isoformat())
    ).fetchone()
    return max(1, int(count))


def _rate(site: Site, measured: tuple[int, float], left: int, workers: int) -> float | None:
    """Bytes a second of so many workers over the bytes that are left, by what one of them did in its busy seconds, and
    no more than they may move (``throttle``); None before so much was measured that it tells of them."""
    done, busy = measured
    if not done or (done < _TELLING and left > done * _FURTHER):
        return None
    rates = [done / busy * workers] if busy else []
    if site.pace.bytes_per_second is not None:
        rates.append(float(site.pace.bytes_per_second))
    return min(rates, default=None)
