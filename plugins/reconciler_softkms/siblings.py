"""Key services beside this one under the same home: other Regions of the account, other accounts of the Region.

**Other accounts (KM7).** A key of another account is used at its own store: found, decided, used and recorded behind
that store's door (``holding``).

**Other Regions (KM1).** Each Region keeps a multi-Region key whole, sealed under its own seal. What the Regions share
is changed in the primary's Region, which is also the journal: one transaction there changes it, counts it
(``shared_serial``) and sets ``unsettled``; ``settle`` then brings every other Region up to it, each in one transaction,
and takes the mark away. Whoever is killed in between left nothing half done in any Region, and the next request that
uses or changes the key settles it. No transaction is open while another store's begins, so no two wait for each other.

New material is in every Region before the first seals under it. A replica becomes usable in the transaction that
makes it. Every transaction asks who writes (I13).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.errors import HostError, InvalidCiphertextException
from reconciler.host.sqlite import translated
from reconciler_softkms import blob, rows, sharing
from reconciler_softkms.deletion import when_destroyed
from reconciler_softkms.material_rows import materials_of
from reconciler_softkms.rows import KeyRow, microseconds
from reconciler_softkms.schema import WHAT
from reconciler_softkms.states import is_gone

if TYPE_CHECKING:
    from reconciler_softkms.door import Door

_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):(\d{12}):")
_REGION = re.compile(r"([a-z]+-){2,3}[0-9]+")
_MOST_ROUNDS: Final = 8


class Siblings:
    """Opens the other stores under the home when they are asked for, and keeps them until ``close``."""

    def __init__(self, make: Callable[[str, str], Door]) -> None:
        self._make = make
        self._doors: dict[tuple[str, str], Door] = {}

    def at(self, account: str, region: str) -> Door:
        """The door of that account and Region; nothing is made by asking for it."""
        found = self._doors.get((account, region))
        if found is None:
            found = self._doors[account, region] = self._make(account, region)
        return found

    def close(self) -> None:
        """Close what was opened."""
        for door in self._doors.values():
            door.close()
        self._doors.clear()

    def raise_fence(self, door: Door) -> None:
        """Tell every store that could be written to from here who writes now (I13)."""
        for account, region in self._existing(door):
            if door.names.account == account or door.names.region == region:
                self.at(account, region).store.raise_fence()

    def holding(self, door: Door, key_id: str) -> Door:
        """The door behind which the key of that name is: another account's for its ARN, else ``door``."""
        if not key_id.startswith("arn:"):
            return door
        arn = _ARN.match(key_id)
        if arn is None or arn[1] != door.names.region or arn[2] == door.names.account:
            return door
        return self.of_account(door, arn[2])

    def of_account(self, door: Door, account: str) -> Door:
        """The door of that account in this Region; ``door`` when it has none."""
        if account == door.names.account:
            return door
        other = self.at(account, door.names.region)
        return other if other.store.exists else door

    def of_other_accounts(self, door: Door) -> list[Door]:
        """The doors of all other accounts in this Region."""
        return [self.at(account, region) for account, region in self._existing(door) if region == door.names.region]

    def holding_ciphertext(self, door: Door, ciphertext: bytes) -> Door:
        """The door behind which the key of a ciphertext is; ``door`` when none has it."""
        try:
            key_id = blob.parse(ciphertext)[0].key_id
        except InvalidCiphertextException:
            return door
        if _knows(door, key_id):
            return door
        for account, region in self._existing(door):
            if region == door.names.region and _knows(self.at(account, region), key_id):
                return self.at(account, region)
        return door

    def replicas(self, door: Door, row: KeyRow) -> list[str]:
        """The Regions of the key's replicas that are not gone."""
        return [region for region in rows.replica_regions(row) if self.row(door, region, row.key_id) is not None]

    def has_replica(self, door: Door, region: str, key_id: str) -> bool:
        """Whether the key is there in that Region, and not gone."""
        return self.row(door, region, key_id) is not None

    def has_material(self, door: Door, region: str, key_id: str, material_id: str) -> bool:
        """Whether that imported material is there in that Region."""
        other = self.at(door.names.account, region)
        with other.store.lock, translated(other.store.path, WHAT):
            connection = other.store.reading()
            kept = [] if connection is None else materials_of(connection, key_id)
        return any(one.material_id == material_id and one.is_there for one in kept)

    def row(self, door: Door, region: str, key_id: str) -> KeyRow | None:
        """The key in that Region of the account, None when it is not there or gone."""
        other = self.at(door.names.account, region)
        with other.store.lock, translated(other.store.path, WHAT):
            connection = other.store.reading()
            row = None if connection is None else rows.key_by_id(connection, key_id)
        return None if row is None or is_gone(row, microseconds(other.clock.now())) else row

    def settle(self, door: Door, key_id: str) -> None:
        """Bring the other Regions up to what this one says of the key, and this one up to what became of them. No
        transaction is open. Any error of another Region's store; the key stays unsettled."""
        with door.store.lock, translated(door.store.path, WHAT):
            for _ in range(_MOST_ROUNDS):
                row = rows.key_by_id(door.store.writing(), key_id)
                if row is None or not row.unsettled:
                    return
                door.store.seal()
                others = {*rows.replica_regions(row), row.primary_region or door.names.region} - {door.names.region}
                there = {
                    region: sharing.push(door, row, self.at(door.names.account, region)) for region in sorted(others)
                }
                gone = [region for region, is_there in there.items() if not is_there]
                if sharing.conclude(door, row, gone):
                    return

    def tell_gone(self, door: Door) -> None:
        """Tell the primaries which of their replicas were destroyed here."""
        with door.store.lock, translated(door.store.path, WHAT):
            for key_id, region in _untold(door.store.writing()):
                primary = self.at(door.names.account, region)
                if primary.store.exists:
                    with primary.store.transaction() as connection:
                        connection.execute("UPDATE keys SET unsettled = 1 WHERE key_id = ?", (key_id,))
                    primary.siblings.settle(primary, key_id)
                with door.store.transaction() as connection:
                    connection.execute("UPDATE destroyed SET untold = NULL WHERE key_id = ?", (key_id,))

    def _existing(self, door: Door) -> Iterator[tuple[str, str]]:
        """Account and Region of every other store under the home."""
        home = door.store.path.parent.parent.parent
        for account in _folders(door, home):
            for region in filter(_REGION.fullmatch, _folders(door, home / account)):
                if (account, region) != (door.names.account, door.names.region) and self.at(
                    account, region
                ).store.exists:
                    yield account, region


def _folders(door: Door, folder: Path) -> list[str]:
    with suppress(HostError, OSError):
        return sorted(door.store.fs.listdir(folder))
    return []


def _knows(door: Door, key_id: str) -> bool:
    with door.store.lock:
        connection = door.store.reading()
        return connection is not None and (
            rows.key_by_id(connection, key_id) is not None or when_destroyed(connection, key_id) is not None
        )


def _untold(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT key_id, untold FROM destroyed WHERE untold > ''").fetchall()
