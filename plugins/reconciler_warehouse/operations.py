"""The journal of long changes: a row before the first effect, finished after the last (I10, I11).

Each change of a cluster's keys or form has one. The same token again finds its row: finished means nothing more to do,
unfinished means go on. A change that another call finds unfinished is taken up first, whoever began it; so the row of
an encrypted cluster's change carries a MAC keyed from the cluster's DEK, and one that was put there by anybody else is
refused (I9: CVE-2021-4122 was a forged "decryption in progress"). An encryption has none: there is no key yet, and it
only ever seals. Nor has a move to a partition to which the keys were replicated (HS6): the one that opened them may be
gone, and it seals nothing.
"""

from __future__ import annotations

import hmac
import json
import sqlite3
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import ConflictException, DamagedStore
from reconciler.providers.warehouse import EventSeverity
from reconciler_warehouse import events
from reconciler_warehouse.escrow_rows import escrow_key
from reconciler_warehouse.keyring import cek_of
from reconciler_warehouse.keys.hierarchy import OpenDeks, key_named, opened
from reconciler_warehouse.rows import ClusterRow, cluster_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE
from reconciler_warehouse.stored_values import mapping

ENCRYPT: Final = "encrypt"
DECRYPT: Final = "decrypt"
REENCRYPT: Final = "re-encrypt"
ROTATE: Final = "rotate"
SWITCH: Final = "switch-key"
RENAME: Final = "rename"
RESTORE_TABLE: Final = "restore-table"
ESCROW: Final = "escrow"
_WORDS: Final = {
    ENCRYPT: "Its encryption",
    DECRYPT: "Its decryption",
    REENCRYPT: "Its re-encryption",
    ROTATE: "The rotation of its keys",
    SWITCH: "Its move to another root key",
    RENAME: "Its renaming",
    RESTORE_TABLE: "The restoring of a table",
    ESCROW: "The change of its escrow key",
}
ADOPTED: Final = "adopted"  # a fact of a switch to a partition whose replicated keys are taken as they are (HS6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One change. ``facts`` are what it was begun with (uids, the new root)."""

    token: str
    verb: str
    cluster: str
    facts: Mapping[str, Any]
    finished: bool
    proof: bytes | None = None


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
        f"SELECT {_COLUMNS} FROM operation WHERE cluster = ? AND NOT finished ORDER BY rowid",  # noqa: S608  # a constant
        (cluster,),
    )
    return [_operation(row) for row in rows]


def begin(
    site: Site,
    cluster: ClusterRow,
    token: str,
    verb: str,
    facts: Mapping[str, Any],
    *,
    status: str,
    is_vouched_for: bool = True,
) -> Operation:
    """The change's row, new or as it was begun, and with it the cluster's ``status``. ConflictException for a token
    that was used for something else, and while another process changes the cluster. Not ``is_vouched_for``: a change
    that must be possible when nothing opens the cluster's key any more, and that seals nothing under another."""
    proof = None
    if cluster.dek is not None and is_vouched_for:
        with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks:
            proof = _proof(key_named(deks, cluster.dek), token, verb, cluster.uid, facts)
    with site.catalogue.write() as catalogue:
        known = _find(catalogue, token)
        if known is not None:
            if (known.verb, known.cluster) != (verb, cluster.uid):
                raise ConflictException(f"The token of this {verb} was used for another request ({known.verb})")
            return known
        row = catalogue.execute("SELECT dek FROM cluster WHERE uid = ?", (cluster.uid,)).fetchone()
        if row is None or row[0] != cluster.dek or unfinished_in(catalogue, cluster.uid):
            raise _overtaken()
        begin_in(catalogue, cluster.uid, token, verb, facts, status=status, proof=proof)
        _note(catalogue, cluster.uid, f"{_WORDS.get(verb, verb)} began", site.now())
    return Operation(token=token, verb=verb, cluster=cluster.uid, facts=dict(facts), finished=False, proof=proof)


def begin_in(
    catalogue: sqlite3.Connection,
    cluster: str,
    token: str,
    verb: str,
    facts: Mapping[str, Any],
    *,
    status: str,
    proof: bytes | None,
) -> None:
    """Inside a transaction that saw that no other change of the cluster is open: the row of a new one."""
    catalogue.execute(
        "INSERT INTO operation (token, verb, cluster, facts, finished, proof) VALUES (?,?,?,?,0,?)",
        (token, verb, cluster, json.dumps(dict(facts), sort_keys=True), proof),
    )
    catalogue.execute("UPDATE cluster SET status = ? WHERE uid = ?", (status, cluster))


def note_done(catalogue: sqlite3.Connection, cluster: str, token: str, verb: str, facts: Mapping[str, Any]) -> None:
    """In the one commit of a short change: the same token finds that it is done."""
    catalogue.execute(
        "INSERT INTO operation (token, verb, cluster, facts, finished) VALUES (?,?,?,?,1)",
        (token, verb, cluster, json.dumps(dict(facts), sort_keys=True)),
    )


def check(site: Site, cluster: ClusterRow, operation: Operation, deks: OpenDeks | None = None) -> None:
    """DamagedStore unless the change, found unfinished, is one that was begun here (I9). ``deks``: the cluster's, where
    they are open already."""
    if operation.verb == ENCRYPT or cluster.dek is None or ADOPTED in operation.facts:
        return
    if operation.verb in {ROTATE, REENCRYPT} and operation.facts.get("dek") == cluster.dek:
        return  # past the switch: its proof went with the old key, and what is left goes on under the live one
    with nullcontext(deks) if deks is not None else opened(site, cluster.uid, f"Cluster {cluster.name}") as found:
        for key in found.values():
            proof = _proof(key, operation.token, operation.verb, operation.cluster, operation.facts)
            if operation.proof is not None and hmac.compare_digest(proof, operation.proof):
                return
    raise DamagedStore(
        f'The catalogue says that a change of cluster {cluster.name} was begun ("{operation.verb}"), but this '
        "warehouse never began it: the catalogue was changed outside",
        suggestion="Nothing of it was carried out. Restore the warehouse's folder from a backup.",
    )


def is_open(catalogue: sqlite3.Connection, token: str) -> bool:
    """Whether the change still is to be finished: another process may have done that, and gone on to the next."""
    found = _find(catalogue, token)
    return found is not None and not found.finished


def require_open(catalogue: sqlite3.Connection, token: str) -> None:
    """For every commit of a change: ConflictException when it is no longer to be finished."""
    if not is_open(catalogue, token):
        raise _overtaken()


def give_up(site: Site, operation: Operation) -> bool:
    """Take back a change that has changed nothing yet, so that a key that is out of reach for good does not stand in
    the way of everything else: a switch, a rotation or a rename before the keys were switched, an encryption before the
    cluster has a key, another escrow key before anything is under it.
    False for any other. Its row goes, so that the same token begins it anew; what it staged goes by the sweep."""
    if operation.verb not in {SWITCH, ROTATE, RENAME, ENCRYPT, REENCRYPT, ESCROW}:
        return False
    with site.keyring.read() as ring:
        cek = None if ring is None else cek_of(ring, operation.cluster)
        escrow = None if ring is None else escrow_key(ring, operation.cluster)
    if operation.verb == ESCROW and operation.facts["key"] in {"", escrow}:
        return False
    if operation.verb not in {ENCRYPT, ESCROW} and cek is not None and cek.operation == operation.token:
        return False
    with site.catalogue.write() as catalogue:
        require_open(catalogue, operation.token)
        cluster = cluster_where(catalogue, "uid = ?", operation.cluster)
        if operation.verb == ENCRYPT:
            if cluster is None or cluster.dek is not None:
                return False
            catalogue.execute("INSERT OR IGNORE INTO gone (holder) VALUES (?)", (operation.cluster,))
        catalogue.execute("DELETE FROM operation WHERE token = ?", (operation.token,))
        catalogue.execute("UPDATE cluster SET status = ? WHERE uid = ?", (AVAILABLE, operation.cluster))
        given_up = (
            f"{_WORDS.get(operation.verb, operation.verb)} was given up: its key refused, and nothing was changed"
        )
        _note(catalogue, operation.cluster, given_up, site.now(), events.ERROR)
    return True


def finish(catalogue: sqlite3.Connection, token: str, *, at: datetime | None = None) -> None:
    """Everything that the change does is durable. With ``at`` (now) its end is told as an event."""
    row = catalogue.execute(
        "UPDATE operation SET finished = 1 WHERE token = ? AND NOT finished RETURNING verb, cluster", (token,)
    ).fetchone()
    if row is not None and at is not None:
        _note(catalogue, row[1], f"{_WORDS.get(row[0], row[0])} is complete", at)


def _note(
    catalogue: sqlite3.Connection,
    cluster: str,
    message: str,
    at: datetime,
    severity: EventSeverity = events.INFO,
) -> None:
    row = catalogue.execute("SELECT name FROM cluster WHERE uid = ?", (cluster,)).fetchone()
    if row is not None:
        events.note(catalogue, cluster, row[0], events.MANAGEMENT, severity, message, at=at)


def _find(catalogue: sqlite3.Connection, token: str) -> Operation | None:
    row = catalogue.execute(
        f"SELECT {_COLUMNS} FROM operation WHERE token = ?",  # noqa: S608  # a constant
        (token,),
    ).fetchone()
    return None if row is None else _operation(row)


_COLUMNS: Final = "token, verb, cluster, facts, finished, proof"


def _operation(row: tuple[str, str, str, str, int, bytes | None]) -> Operation:
    token, verb, cluster, facts, finished, proof = row
    return Operation(
        token=token, verb=verb, cluster=cluster, facts=mapping(facts), finished=bool(finished), proof=proof
    )


def _proof(key: DataKey, token: str, verb: str, cluster: str, facts: Mapping[str, Any]) -> bytes:
    with DataKey(HmacSha256(key).tag("reconciler/operation-key/v1", b"")) as derived:
        message = encode(token, verb, cluster, json.dumps(dict(facts), sort_keys=True))
        return HmacSha256(derived).tag("reconciler/operation/v1", message)


def _overtaken() -> ConflictException:
    return ConflictException(
        "Another process changes or changed the cluster at the same time; nothing of this step was committed",
        suggestion="Run the command again.",
    )
