"""Which segments are worth joining, from the stored rows alone: needs no key and no engine (RE2).

Segments are joined with others of about their size (``_TIERS``), when there are enough of them; so a row is written a
few times, however many short statements there are. One of which many rows are deleted is written again without them.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE

_TIERS: Final = (64 << 10, 1 << 20, 16 << 20, 128 << 20)  # bytes; larger segments are joined with none
FEWEST: Final = 16  # of one tier are joined
AT_ONCE: Final = _TIERS[1]  # and smaller: joined by the statement that makes them too many
_HOLES: Final = 3  # a segment of which one row in so many is deleted is written again


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A table with segments to join: which, by uid."""

    cluster_uid: str
    cluster: str
    table: str
    segments: frozenset[str]


def due(site: Site) -> list[Due]:
    """Tables of all clusters that have segments to join, from the stored rows alone."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        tables = catalogue.execute(
            """SELECT c.uid, c.name, t.name, t.uid FROM data_table t JOIN cluster c ON c.uid = t.cluster
               WHERE c.inaccessible_since IS NULL AND c.status = ? ORDER BY c.name, t.name""",
            (AVAILABLE,),
        ).fetchall()
        found = [
            Due(cluster_uid=owner, cluster=cluster, table=name, segments=to_join(catalogue, uid, fewest=FEWEST))
            for owner, cluster, name, uid in tables
        ]
    return [one for one in found if one.segments]


def to_join(catalogue: sqlite3.Connection, table: str, *, fewest: int, largest: int | None = None) -> frozenset[str]:
    """Uids of the table's segments that are worth joining now; none when they are not. With ``largest`` only of those
    of so many bytes at most, and only if they are many."""
    tiers: dict[int, list[str]] = {}
    holey: list[str] = []
    for uid, rows, size, deleted in catalogue.execute(
        """SELECT s.uid, s.rows, s.bytes, coalesce(v.rows, 0) FROM segment s
           LEFT JOIN delete_vector v ON v.id = s.delete_vector WHERE s.data_table = ?1 AND (?2 IS NULL OR s.bytes <= ?2)
           ORDER BY s.ordinal""",
        (table, largest),
    ):
        tier = next((number for number, most in enumerate(_TIERS) if size <= most), None)
        if tier is not None:
            tiers.setdefault(tier, []).append(uid)
        if largest is None and deleted * _HOLES > rows:
            holey.append(uid)
    for _, uids in sorted(tiers.items()):
        if len(uids) >= fewest:
            return frozenset(uids)
    return frozenset(holey[:fewest])
