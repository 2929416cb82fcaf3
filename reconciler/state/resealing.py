"""Proving a state anew that is not what was written: what of it still is, and writing the rest again (DESIGN 4)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import DamagedStore
from reconciler.host.sqlite import translated
from reconciler.model.address import Address
from reconciler.model.ports import Mac
from reconciler.model.recorded import Recorded
from reconciler.state import journal, meta, plans, rows
from reconciler.state.doubt import not_authentic
from reconciler.state.ledger import Ledger, total
from reconciler.state.meta import Found
from reconciler.state.proofs import Proofs
from reconciler.state.schema import WHAT, open_for_reading
from reconciler.state.store import Position, What
from reconciler.state.whereabouts import position


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """``sound`` rows are what was written. ``claimed`` are rows that lie there and are proved by nothing: changed, or
    perhaps older than what was written. ``illegible`` addresses have no row that could be read. ``doubts`` says, for
    people, all that does not fit. ``has_meta`` and ``has_journal`` are whether the row that stands for the whole state,
    and the whole journal, are what was written."""

    lineage: str
    position: Position
    has_meta: bool
    sound: Sequence[Recorded]
    claimed: Sequence[Recorded]
    illegible: Sequence[Address]
    has_journal: bool
    doubts: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resealing:
    """What ``state reseal`` would do: ``sound`` rows stay, ``believed`` ones are taken over since their provider
    confirms them, ``dropped`` ones are forgotten. ``beyond`` is the furthest that anybody remembers."""

    doubts: Sequence[str]
    sound: Sequence[Recorded]
    believed: Sequence[Recorded]
    dropped: Sequence[Address]
    keeps_journal: bool
    beyond: Position


def examine(path: Path, seal: Mac) -> Examined:
    """What of the state at ``path`` is what was written under ``seal``. Writes nothing. DamagedStore when there is no
    state to be read at all."""
    connection = open_for_reading(path)
    if connection is None:
        raise DamagedStore(f"There is no state at {path}", suggestion="Run reconciler init once; it makes one.")
    with closing(connection), translated(path, WHAT):
        connection.execute("BEGIN")
        return _examined(connection, seal)


def _examined(connection: sqlite3.Connection, seal: Mac) -> Examined:
    found = meta.read_any(connection)
    proofs = Proofs(seal, found.meta.lineage)
    doubts: list[str] = []
    has_meta = _holds(doubts, lambda: meta.check(found, seal, proofs))
    sound: list[Recorded] = []
    claimed: list[Recorded] = []
    illegible: list[Address] = []
    for address, row in list(rows.read_unproved(connection, proofs)):
        if row is not None:
            sound.append(row)
            continue
        doubts.append(f"the row of {address} is not what was written")
        lies_there = rows.read_claimed(connection, address)
        if lies_there is None:
            illegible.append(Address(address))
        else:
            claimed.append(lies_there)
    if not (has_meta and _is_whole(connection, proofs, found)):
        doubts.append("rows are missing from it, or older ones were put back: none is proved to be the newest")
        sound, claimed = [], sorted([*sound, *claimed], key=lambda row: row.address)
    has_journal = has_meta and _holds(doubts, lambda: _check_journal(connection, proofs, found))
    if has_journal:
        _holds(doubts, lambda: _check_index(connection, proofs, found))
    if has_meta:
        _holds(doubts, lambda: _check_plans(connection, proofs, found))
    if rows.count_unattached(connection):
        doubts.append("it holds parts of a row that it never recorded")
    return Examined(
        lineage=found.meta.lineage,
        position=position(found, proofs),
        has_meta=has_meta,
        sound=sound,
        claimed=claimed,
        illegible=illegible,
        has_journal=has_journal,
        doubts=doubts,
    )


def write_anew(
    connection: sqlite3.Connection,
    seal: Mac,
    proofs: Proofs,
    found: Found,
    kept: Sequence[Recorded],
    *,
    journal_too: bool,
) -> Ledger:
    """Replace all rows by ``kept`` and prove them, uses of saved plans and, with ``journal_too``, the journal as it
    stands (its open intents are read from it anew); without it journal and open intents are forgotten."""
    blank = meta.empty(seal, found.meta.lineage)
    ledger = Ledger(proofs, found._replace(meta=blank, tag=None))
    ledger.serial = found.meta.serial + 1
    connection.execute("DELETE FROM pending")
    if journal_too:
        ledger.dropped = (found.meta.dropped, found.meta.dropped_tag)
        ledger.last = (found.meta.last, found.meta.last_tag)
        _open_again(connection, ledger, found)
    else:
        (newest,) = connection.execute("SELECT max(seq) FROM journal").fetchone()
        connection.execute("DELETE FROM journal")
        # Numbers go on, so that no new step is taken for an old one.
        ledger.dropped = ledger.last = (max(newest or 0, found.meta.last), b"")
    connection.execute("DELETE FROM head")
    connection.execute("DELETE FROM resource")
    for row in kept:
        rows.write_row(connection, ledger, row, ledger.serial)
    used = connection.execute("SELECT plan_id, at FROM used_plan").fetchall()
    connection.execute("DELETE FROM used_plan")
    for plan_id, at in used:  # one that is said to be used stays used, whoever says so
        plans.add(connection, ledger, str(plan_id), float(at) if isinstance(at, int | float) else 0.0)
    return ledger


def _open_again(connection: sqlite3.Connection, ledger: Ledger, found: Found) -> None:
    begun = {}
    for proved in journal.chain(connection, ledger.proofs, found.meta):
        begun[proved.row[0]] = proved
        if proved.row[0] != proved.row[1]:
            begun.pop(proved.row[1], None)
            del begun[proved.row[0]]
    for proved in begun.values():
        if proved.row[2] == What.BEGUN:
            intent = journal.intent_of(proved.row)
            connection.execute("INSERT INTO pending VALUES (?, ?, ?)", (intent.address, intent.step, intent.number))
            ledger.put_open(intent, proved.proof)


def _is_whole(connection: sqlite3.Connection, proofs: Proofs, found: Found) -> bool:
    """Whether the narrow rows are what was written, all of them, and the newest: then of each wide row it is known
    whether it is the one that belongs there."""
    try:
        _, proved = rows.read_heads(connection, proofs)
    except DamagedStore:
        return False
    return proofs.sum(meta.ROWS, total(proved.values())) == found.meta.rows


def _check_journal(connection: sqlite3.Connection, proofs: Proofs, found: Found) -> None:
    for _ in journal.chain(connection, proofs, found.meta):
        pass


def _check_index(connection: sqlite3.Connection, proofs: Proofs, found: Found) -> None:
    both = journal.read_open(connection, proofs, found.meta)
    if proofs.sum(meta.OPEN, total(proof for _, proof in both.values())) != found.meta.open:
        raise not_authentic("what it says of steps that were begun and not finished was changed")


def _check_plans(connection: sqlite3.Connection, proofs: Proofs, found: Found) -> None:
    if proofs.sum(meta.PLANS, total(plans.read(connection, proofs).values())) != found.meta.plans:
        raise not_authentic("what it says of saved plans that were used was changed")


def _holds(doubts: list[str], check: Callable[[], None]) -> bool:
    try:
        check()
    except DamagedStore as error:
        doubts.append(error.summary.partition(": ")[2] or error.summary)
        return False
    return True
