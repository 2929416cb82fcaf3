"""Recorded resources under other addresses: the objects, their uids and attributes stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from reconciler.model.address import Address
from reconciler.model.recorded import Recorded

MARK: Final = "renamed_from"
"""The attribute of a row that moved, until its change is settled: the name that it had."""

Moves = Mapping[Address, Address]
"""Old address → new address."""


def readdressed(rows: Iterable[Recorded], moves: Moves) -> list[Recorded]:
    """The rows, those that moved under their new address, marked and unsettled; references of all others follow."""
    return [_moved(row, moves) for row in rows]


def _moved(row: Recorded, moves: Moves) -> Recorded:
    references = tuple(moves.get(target, target) for target in row.references)
    new = moves.get(row.address)
    if new is None and references == row.references:
        return row
    followed = replace(row, references=references, links=_followed(row.links, moves))
    if new is None:
        return followed
    return replace(followed, address=new, attributes={**row.attributes, MARK: row.address.name}, settled=False)


def _followed(links: str, moves: Moves) -> str:
    lines = (line.partition("=") for line in links.split("\n"))
    return "\n".join(f"{moves.get(Address(address), address)}{equals}{identity}" for address, equals, identity in lines)
