"""What is said of clusters whose root key is lost, and of what opens their data then: from the stores alone, no key is
asked (RE8, RE14)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from reconciler.errors import DamagedStore
from reconciler.providers.warehouse import Inaccessibility, RootKeyState
from reconciler_warehouse.escrow_rows import escrow_key
from reconciler_warehouse.keyring import cek_of, holdings
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, INACCESSIBLE
from reconciler_warehouse.stored_values import moment

WAIT: Final = timedelta(days=14)
SECOND_LOOK: Final = timedelta(hours=1)


class Stage(StrEnum):
    """What a look at a cluster finds whose root key is still lost."""

    WAITS = "waits"
    OVER = "over"
    """Its time is over, and that is found for the first time: noted, and nothing else (I13)."""
    NOTED = "noted"
    """It is over, and the second look is yet to come."""
    RELEASED = "released"
    """It was over at an earlier look, too."""


def stage(since: datetime, overdue: datetime | None, now: datetime) -> Stage:
    """How far a cluster is that waits since then. ``overdue``: when its time was found to be over."""
    if now < since + WAIT:
        return Stage.WAITS
    if overdue is None or now < overdue:
        return Stage.OVER
    return Stage.NOTED if now < overdue + SECOND_LOOK else Stage.RELEASED


def is_whole(site: Site, catalogue: sqlite3.Connection, cluster: str, backup: str | None) -> bool:
    """Whether the backup (a snapshot's uid) is there, refers to all that the cluster (its uid) has, under its manifest,
    and holds all its keys."""
    missing = catalogue.execute(
        """SELECT 1 FROM data_table t JOIN segment s ON s.data_table = t.uid
           LEFT JOIN snapshot_segment b ON b.snapshot = ?2 AND b.uid = s.uid AND b.file = s.file
               AND b.key_table = s.key_table AND b.delete_vector IS s.delete_vector
           WHERE t.cluster = ?1 AND b.uid IS NULL
           UNION ALL
           SELECT 1 FROM cluster c LEFT JOIN snapshot n ON n.uid = ?2 WHERE c.uid = ?1 AND
               (n.uid IS NULL OR n.manifest_tag IS NOT c.manifest_tag OR n.manifest_version != c.manifest_version
                OR n.status != ?3)
           LIMIT 1""",
        (cluster, backup, AVAILABLE),
    ).fetchone()
    with site.keyring.read() as ring:
        if ring is None or backup is None or missing is not None:
            return False
        mine, kept = cek_of(ring, cluster), cek_of(ring, backup)
        if mine is None or kept is None:
            return False
        needed = {one.dek for one in holdings(ring, cluster, mine.uid)}
        return needed <= {one.dek for one in holdings(ring, backup, kept.uid)}


def day(moment: datetime) -> str:
    """To the minute, for people."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """``escrow_arn`` opens all that the cluster holds; ``inaccessible`` while its root key is lost."""

    escrow_arn: str | None = None
    inaccessible: Inaccessibility | None = None


def told(site: Site, clusters: Collection[str]) -> dict[str, Recovery]:
    """Of each of these clusters (uids), as far as there is anything to tell."""
    with site.catalogue.read() as catalogue:
        rows = []
        if catalogue is not None:
            rows = catalogue.execute(
                """SELECT c.uid, c.escrow_arn, c.status, c.inaccessible_since, c.inaccessible_cause, n.uid, n.name
                   FROM cluster c LEFT JOIN snapshot n ON n.uid = c.inaccessible_backup
                   WHERE c.uid IN (SELECT value FROM json_each(?))
                   AND (c.escrow_arn IS NOT NULL OR c.inaccessible_since IS NOT NULL)""",
                (json.dumps(list(clusters)),),
            ).fetchall()
    if not rows:
        return {}
    with site.keyring.read() as ring:
        openers = {uid: None if ring is None else escrow_key(ring, uid) for row in rows for uid in (row[0], row[5])}
    found = {}
    for uid, declared, status, since, cause, backup, name in rows:
        lost = None
        if status == INACCESSIBLE and since is not None:
            begun, why = _read(site, since, cause)
            lost = Inaccessibility(
                since=begun, deadline=begun + WAIT, cause=why, backup=name, escrow_arn=openers[backup]
            )
        # What is declared and does not open everything (yet) is not told as if it did.
        escrow = declared if declared is not None and openers[uid] == declared else None
        found[uid] = Recovery(escrow_arn=escrow, inaccessible=lost)
    return found


def _read(site: Site, since: str, cause: str) -> tuple[datetime, RootKeyState]:
    try:
        begun, why = moment(since), RootKeyState(cause)
    except ValueError:
        begun, why = None, RootKeyState.USABLE
    if begun is None or begun.tzinfo is None or why is RootKeyState.USABLE:
        raise DamagedStore(
            f"The catalogue at {site.catalogue.path} says of a lost root key what nothing here writes",
            suggestion="Nothing was touched. Restore the warehouse's folder from a backup.",
        )
    return begun, why
