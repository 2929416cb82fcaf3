"""What was begun, and how it ended (I10), as a chain: each entry's tag covers the tag of the one before (I9).

Entries are only added at the end; closed ones may go at the start. Works inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from reconciler.model.address import Address
from reconciler.model.recorded import Intent
from reconciler.state.doubt import not_authentic, truncated
from reconciler.state.ledger import Ledger
from reconciler.state.meta import Meta
from reconciler.state.proofs import Proofs, fits, tag
from reconciler.state.rows import from_json, to_json
from reconciler.state.store import Entry, What

_COLUMNS: Final = "j.seq, j.number, j.what, j.address, j.step, j.verb, j.body, j.serial, j.fence, j.at, j.tag"
_ENTRIES: Final = f"SELECT {_COLUMNS} FROM journal j"  # noqa: S608  # constants
_PENDING: Final = (
    f"SELECT p.address, p.step, b.seq, b.tag, {_COLUMNS} FROM pending p LEFT JOIN journal j ON j.seq = p.number"  # noqa: S608
    " LEFT JOIN journal b ON b.seq = p.number - 1 ORDER BY p.number"
)
_INSERT: Final = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

Row = tuple[Any, ...]


class Closed(NamedTuple):
    """How an intent ended: ``result`` is done or abandoned, ``serial`` the state's after it."""

    result: str
    serial: int


class Chain(NamedTuple):
    """An entry as it lies there, and its proof."""

    row: Row
    proof: bytes


def begin(
    connection: sqlite3.Connection,
    ledger: Ledger,
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
    body = to_json({"facts": facts, "provider": provider, "token": token, "uid": uid})
    number = ledger.last[0] + 1
    entry = (number, number, What.BEGUN.value, str(address), str(step), str(verb), body, ledger.serial, fence, now)
    proof = _append(connection, ledger, entry)
    connection.execute("INSERT INTO pending VALUES (?, ?, ?)", (address, step, number))
    intent = intent_of(entry)
    ledger.put_open(intent, proof)
    return intent


def close(
    connection: sqlite3.Connection, ledger: Ledger, intent: Intent, what: What, *, reason: str, fence: int, now: float
) -> None:
    """The outcome of an open intent, as of the ledger's serial."""
    body = to_json({"reason": reason} if reason else {})
    names = (str(intent.address), intent.step, intent.verb)
    number = ledger.last[0] + 1
    _append(connection, ledger, (number, intent.number, what.value, *names, body, ledger.serial, fence, now))
    connection.execute("DELETE FROM pending WHERE address = ? AND step = ?", (intent.address, intent.step))
    ledger.take_open(intent)


def note(
    connection: sqlite3.Connection,
    ledger: Ledger,
    what: What,
    body: Mapping[str, Any],
    *,
    fence: int,
    now: float,
    address: str = "",
    verb: str = "",
) -> None:
    """An entry that is no step: the lock was taken, something was renamed, forgotten or sealed anew."""
    number = ledger.last[0] + 1
    entry = (number, number, what.value, str(address), "", verb, to_json(body), ledger.serial, fence, now)
    _append(connection, ledger, entry)


def closed(connection: sqlite3.Connection, intent: Intent) -> Closed | None:
    """The outcome of an intent that is not open, None when the journal no longer holds it."""
    row = connection.execute(
        "SELECT what, serial FROM journal WHERE number = ? AND seq > number", (intent.number,)
    ).fetchone()
    return None if row is None else Closed(*row)


def read_open(
    connection: sqlite3.Connection, proofs: Proofs, meta: Meta
) -> dict[tuple[str, str], tuple[Intent, bytes]]:
    """The intents without an outcome, oldest first, each with its proof. NotAuthentic when one is not what was written;
    whether it is all of them is for the caller to prove."""
    found = {}
    for address, step, before, kept, *row in connection.execute(_PENDING):
        before_tag = meta.dropped_tag if before is None else kept
        proof = None if row[0] is None or not isinstance(before_tag, bytes) else _prove(proofs, before_tag, tuple(row))
        if proof is None or (row[2], row[3], row[4]) != (What.BEGUN.value, address, step):
            raise not_authentic(f"the open step {step} of {address} was changed in the journal", address=str(address))
        found[address, step] = (intent_of(tuple(row)), proof)
    return found


def check_end(connection: sqlite3.Connection, meta: Meta) -> None:
    """JournalTruncated or NotAuthentic unless the newest entry is the newest that was written."""
    row = connection.execute("SELECT seq, tag FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
    found = (meta.dropped, meta.dropped_tag) if row is None else tuple(row)
    if found == (meta.last, meta.last_tag):
        return
    if found[0] < meta.last:
        raise truncated(found[0], meta.last)
    raise not_authentic(f"entry {found[0]} of its journal was changed or added")


def chain(connection: sqlite3.Connection, proofs: Proofs, meta: Meta, *, until: int | None = None) -> Iterator[Chain]:
    """The kept entries up to ``until``, or all of them, oldest first, each proved to follow the one before.
    NotAuthentic, JournalTruncated."""
    number, before = meta.dropped, meta.dropped_tag
    last, bound = (meta.last, "") if until is None else (until, f" WHERE j.seq <= {int(until)}")
    for row in connection.execute(f"{_ENTRIES}{bound} ORDER BY j.seq"):
        number += 1
        if row[0] > number:
            raise not_authentic(f"entry {number} of its journal is gone")
        proof = _prove(proofs, before, row)
        if row[0] < number or proof is None:
            raise not_authentic(f"entry {row[0]} of its journal was changed or added")
        before = tag(proof)
        yield Chain(row, proof)
    if number < last:
        raise truncated(number, last)
    if until is None and (number, before) != (meta.last, meta.last_tag):
        raise not_authentic(f"entry {number} of its journal was changed or added")


def compact(connection: sqlite3.Connection, ledger: Ledger, *, keeps: int) -> int:
    """Let the oldest entries go until ``keeps`` are left; how many went. What is not closed stays, and all that came
    after it. What goes is proved once more, so that a change of it does not go unnoticed with it."""
    oldest_open = min((intent.number for intent, _ in ledger.open.values()), default=ledger.last[0] + 1)
    until = min(ledger.last[0] - keeps, oldest_open - 1)
    if until <= ledger.dropped[0]:
        return 0
    count = until - ledger.dropped[0]
    kept = b""
    for proved in chain(connection, ledger.proofs, ledger.found.meta, until=until):
        kept = tag(proved.proof)
    connection.execute("DELETE FROM journal WHERE seq <= ?", (until,))
    ledger.dropped = (until, kept)
    return count


def entries(connection: sqlite3.Connection, address: Address | None) -> list[Entry]:
    """The entries as they lie there, oldest first: all, or those about one resource. DamagedStore."""
    where, given = ("", ()) if address is None else (" WHERE j.address = ?", (str(address),))
    return [_entry(row) for row in connection.execute(f"{_ENTRIES}{where} ORDER BY j.seq", given)]


def _entry(row: Row) -> Entry:
    """An entry for people."""
    seq, number, what, address, step, verb, body, serial, fence, at = row[:10]
    told = from_json(body, f"entry {seq} of the journal")
    if what not in set(What):
        raise not_authentic(f"entry {seq} of its journal was changed or added")
    return Entry(
        seq=seq,
        number=number,
        what=What(what),
        address=Address(address) if address else None,
        step=step,
        verb=verb,
        serial=serial,
        token=fence,
        at=at,
        text=str(told.get("reason") or told.get("text") or ""),
    )


def _append(connection: sqlite3.Connection, ledger: Ledger, columns: Row) -> bytes:
    proof = ledger.proofs.entry(ledger.last[1], columns)
    connection.execute(_INSERT, (*columns, tag(proof)))
    ledger.add_entry(columns[0], proof)
    return proof


def _prove(proofs: Proofs, before: bytes, row: Row) -> bytes | None:
    """The proof of a row as it lies there, None when its tag is not that one's."""
    proof = proofs.entry(before, row[:10])
    return proof if fits(proof, row[10]) else None


def intent_of(row: Row) -> Intent:
    """The intent that a proved entry tells of."""
    seq, _, _, address, step, verb, body = row[:7]
    told = from_json(body, f"intent {seq} of {address}")
    return Intent(
        number=seq,
        address=Address(address),
        uid=told["uid"],
        provider=told["provider"],
        step=step,
        verb=verb,
        token=told["token"],
        facts=told["facts"],
    )
