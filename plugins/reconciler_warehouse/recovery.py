"""What is said of clusters whose root key is lost, and of what opens their data then: from the stores alone, no key is
asked (RE8, RE14)."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.errors import DamagedStore
from reconciler.providers.warehouse import Inaccessibility, RootKeyState
from reconciler_warehouse.escrow_rows import escrow_key
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import INACCESSIBLE
from reconciler_warehouse.stored_values import moment

WAIT: Final = timedelta(days=14)


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
