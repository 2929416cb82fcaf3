"""Intents and outcomes: what was begun, and how it ended (I10). Rows are only added.

Works inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.model.address import Address
from reconciler.model.recorded import Intent
from reconciler.state.rows import from_json, to_json

_INTENT = "SELECT i.number, i.address, i.uid, i.provider, i.step, i.verb, i.token, i.facts FROM pending p JOIN intent i"


class Closed(NamedTuple):
    """How an intent ended: ``result`` is done or abandoned, ``serial`` the state's after it."""

    result: str
    serial: int


def open_intents(connection: sqlite3.Connection) -> list[Intent]:
    """All without an outcome, oldest first."""
    rows = connection.execute(_INTENT + " ON i.number = p.number ORDER BY i.number")
    return [_intent(row) for row in rows]


def open_intent(connection: sqlite3.Connection, address: Address, step: str) -> Intent | None:
    """The one without an outcome for that step of that resource."""
    row = connection.execute(
        _INTENT + " ON i.number = p.number WHERE p.address = ? AND p.step = ?", (address, step)
    ).fetchone()
    return None if row is None else _intent(row)


def add(
    connection: sqlite3.Connection,
    *,
    address: Address,
    uid: str,
    provider: str,
    step: str,
    verb: str,
    token: str,
    facts: Mapping[str, Any],
    fence: int,
    now: float,
) -> Intent:
    """A new intent."""
    text = to_json(facts)
    number = connection.execute(
        "INSERT INTO intent (address, uid, provider, step, verb, token, facts, fence, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (address, uid, provider, step, verb, token, text, fence, now),
    ).lastrowid
    connection.execute("INSERT INTO pending VALUES (?, ?, ?)", (address, step, number))
    return _intent((number, address, uid, provider, step, verb, token, text))


def closed(connection: sqlite3.Connection, intent: Intent) -> Closed | None:
    """The outcome, None while it is open."""
    row = connection.execute("SELECT result, serial FROM outcome WHERE number = ?", (intent.number,)).fetchone()
    return None if row is None else Closed(*row)


def close(
    connection: sqlite3.Connection,
    intent: Intent,
    result: str,
    *,
    reason: str | None,
    serial: int,
    fence: int,
    now: float,
) -> None:
    """Add the outcome of an open intent."""
    connection.execute(
        "INSERT INTO outcome VALUES (?, ?, ?, ?, ?, ?, NULL)", (intent.number, result, reason, serial, fence, now)
    )
    connection.execute("DELETE FROM pending WHERE address = ? AND step = ?", (intent.address, intent.step))


def _intent(row: tuple[Any, ...]) -> Intent:
    number, address, uid, provider, step, verb, token, facts = row
    return Intent(
        number=number,
        address=Address(address),
        uid=uid,
        provider=provider,
        step=step,
        verb=verb,
        token=token,
        facts=from_json(facts, f"intent {number} of {address}"),
    )
