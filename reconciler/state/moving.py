"""A row under another address, and every row that refers to it (``state mv``). Inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

from reconciler.errors import UsageError
from reconciler.model.address import Address
from reconciler.model.article import a
from reconciler.model.readdress import readdressed
from reconciler.state.ledger import Ledger
from reconciler.state.rows import read_all, remove_row, write_row


def rename(connection: sqlite3.Connection, ledger: Ledger, source: Address, target: Address) -> Sequence[Address]:
    """See ``StateStore.rename``."""
    refuse(source, target, ledger.rows.keys(), {address for address, _ in ledger.open})
    rows = [row for row, _ in read_all(connection, ledger.proofs)]
    remove_row(connection, ledger, source)
    serial = ledger.next_serial()
    followed = []
    for row, told in zip(rows, readdressed(rows, {source: target}), strict=True):
        if told is not row:
            write_row(connection, ledger, told, serial)
            if row.address != source:
                followed.append(row.address)
    return followed


def refuse(source: Address, target: Address, recorded: Collection[Address], begun: Collection[str]) -> None:
    """UsageError when ``source`` cannot become ``target``."""
    if source.kind != target.kind:
        raise UsageError(
            f"{source} cannot become {target}: {a(source.kind)} is no {target.kind}",
            suggestion=f"Name a target of the same kind: {source.kind}/{target.name}",
        )
    if source not in recorded:
        raise UsageError(f"{source} is not in the state", suggestion="`reconciler state list` shows what is recorded.")
    if target in recorded:
        raise UsageError(
            f"{target} is in the state already, as another object",
            suggestion=f"Name another target, or forget that one first: reconciler state rm {target}",
        )
    for address in (source, target):
        if address in begun:
            raise UsageError(
                f"A step of {address} was begun and not finished",
                suggestion="Run apply first: it takes up what was interrupted.",
            )
