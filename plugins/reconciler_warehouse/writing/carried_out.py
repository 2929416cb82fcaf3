"""Statements that were carried out: a row in the same commit as what they did, so that the same call again, after a
kill at any point, does it once (I11).

A row carries a MAC over the statement's text, keyed from the DEK of its time: a token that is used for another
statement is noticed, and the text itself stands nowhere. When that DEK is gone the token alone counts. Of a plain
cluster's statements it is a digest, for as long as the cluster is plain.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from dataclasses import dataclass
from typing import Final

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import ConflictException
from reconciler.providers.warehouse import StatementResult
from reconciler_warehouse.keys.hierarchy import OpenDeks, key_named

KEPT: Final = 10_000  # of each cluster: a call is repeated soon or never


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call for a statement. ``dek`` is the key of new rows at that time."""

    token: str
    cluster: str
    text: str
    dek: str | None


def find(catalogue: sqlite3.Connection, call: Call, deks: OpenDeks) -> StatementResult | None:
    """What the call did before; None when it did nothing yet. ConflictException for a token of another statement."""
    row = catalogue.execute(
        "SELECT cluster, verb, rows, dek, proof FROM statement WHERE token = ?", (call.token,)
    ).fetchone()
    if row is None:
        return None
    cluster, verb, rows, dek, proof = row
    is_known = bool(proof) and (dek is None or dek in deks)
    if cluster != call.cluster or (is_known and not hmac.compare_digest(proof, _proof(call, dek, deks))):
        raise ConflictException("The token of this statement was used for another one", suggestion="Use a new token.")
    return StatementResult(verb=verb, rows_changed=rows)


def note(catalogue: sqlite3.Connection, call: Call, result: StatementResult, deks: OpenDeks) -> None:
    """Remember the call with its commit. The oldest of more than ``KEPT`` goes."""
    catalogue.execute(
        "INSERT INTO statement (token, cluster, verb, rows, dek, proof) VALUES (?,?,?,?,?,?)",
        (call.token, call.cluster, result.verb, result.rows_changed, call.dek, _proof(call, call.dek, deks)),
    )
    catalogue.execute(
        """DELETE FROM statement WHERE cluster = ?1 AND rowid <=
           (SELECT rowid FROM statement WHERE cluster = ?1 ORDER BY rowid DESC LIMIT 1 OFFSET ?2)""",
        (call.cluster, KEPT),
    )


def forget_texts(catalogue: sqlite3.Connection, cluster: str) -> None:
    """For the commit that has a cluster encrypted: a digest without a key, of a text that may hold a row's value, says
    too much of it (I18). From then on the tokens alone count."""
    catalogue.execute("UPDATE statement SET proof = x'' WHERE cluster = ? AND dek IS NULL", (cluster,))


def forget_older(catalogue: sqlite3.Connection, cluster: str, dek: str) -> None:
    """The same for the commit from which on a cluster that is encrypted again is under ``dek``: who has the key that is
    given up could try texts against the MACs from it."""
    catalogue.execute("UPDATE statement SET proof = x'' WHERE cluster = ? AND dek IS NOT ?", (cluster, dek))


def _proof(call: Call, dek: str | None, deks: OpenDeks) -> bytes:
    message = encode("reconciler/statement/v1", call.token, call.cluster, call.text)
    if dek is None:
        return hashlib.sha256(message).digest()
    with DataKey(HmacSha256(key_named(deks, dek)).tag("reconciler/statement-key/v1", b"")) as key:
        return HmacSha256(key).tag("reconciler/statement/v1", message)
