"""The journal of long changes: a row before the first effect, finished after the last (I10, I11).

Each change of a cluster's keys or form has one. The same token again finds its row: finished means nothing more to do,
unfinished means go on. A change that another call finds unfinished is taken up first, whoever began it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.errors import ConflictException
from reconciler_warehouse.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One change. ``facts`` are what it was begun with (uids, the new root)."""

    token: str
    verb: str
    cluster: str
    facts: Mapping[str, Any]
    finished: bool


def find(site: Site, token: str) -> Operation | None:
    """The change of that token."""
    with site.catalogue.read() as catalogue:
        return None if catalogue is None else _find(catalogue, token)


def unfinished(site: Site, cluster: str) -> list[Operation]:
    """Changes of the cluster that were begun and not finished, oldest first."""
    with site.catalogue.read() as catalogue:
        return [] if catalogue is None else unfinished_in(catalogue, cluster)


def unfinished_in(catalogue: sqlite3.Connection, cluster: str) -> list[Operation]:
    """The same, inside a transaction."""
    rows = catalogue.execute(
        "SELECT token, verb, cluster, facts, finished FROM operation WHERE cluster = ? AND NOT finished ORDER BY rowid",
        (cluster,),
    )
    return [_operation(row) for row in rows]


def begin(catalogue: sqlite3.Connection, token: str, verb: str, cluster: str, facts: Mapping[str, Any]) -> Operation:
    """The change's row, new or as it was begun. ConflictException for a token that was used for something else."""
    known = _find(catalogue, token)
    if known is None:
        catalogue.execute(
            "INSERT INTO operation (token, verb, cluster, facts, finished) VALUES (?,?,?,?,0)",
            (token, verb, cluster, json.dumps(dict(facts), sort_keys=True)),
        )
        return Operation(token=token, verb=verb, cluster=cluster, facts=dict(facts), finished=False)
    if (known.verb, known.cluster) != (verb, cluster):
        raise ConflictException(f"The token of this {verb} was used for another request ({known.verb})")
    return known


def finish(catalogue: sqlite3.Connection, token: str) -> None:
    """Everything that the change does is durable."""
    catalogue.execute("UPDATE operation SET finished = 1 WHERE token = ?", (token,))


def _find(catalogue: sqlite3.Connection, token: str) -> Operation | None:
    row = catalogue.execute(
        "SELECT token, verb, cluster, facts, finished FROM operation WHERE token = ?", (token,)
    ).fetchone()
    return None if row is None else _operation(row)


def _operation(row: tuple[str, str, str, str, int]) -> Operation:
    token, verb, cluster, facts, finished = row
    return Operation(token=token, verb=verb, cluster=cluster, facts=json.loads(facts), finished=bool(finished))
