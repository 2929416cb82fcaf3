"""The one row of the table ``seal``: how the store key is wrapped, and the store key itself once it is open."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from reconciler.envelope.data_key import KEY_BYTES, DataKey
from reconciler.errors import InvalidCiphertextException
from reconciler.model.ports import Random

if TYPE_CHECKING:
    from reconciler_softkms.sealing.store_key import StoreKey

SEAL_ID_BYTES: Final = 16
PAYLOAD_BYTES: Final = 2 * KEY_BYTES


class SealRow(NamedTuple):
    """``seal_id`` names the seal, ``parameters`` (JSON, nothing secret) say how its wrapping key is found, ``wrapped``
    is the store key under that. ``generation`` is one more with every change. ``retired`` is the seal before, while its
    file may still be there."""

    seal_id: bytes
    kind: str
    parameters: str
    wrapped: bytes
    generation: int
    retired: bytes | None


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """What the store key is wrapped under, fresh from a seal."""

    kind: str
    seal_id: bytes
    parameters: str
    key: DataKey


class Seal(Protocol):
    """One kind of seal. No object of it asks for a secret before it must."""

    @property
    def kind(self) -> str:
        """As the row has it: ``file``, ``passphrase``, ``key``."""

    def make(self, *, beside: bool) -> WrappingKey:
        """A wrapping key, durable wherever it is to be durable. ``beside``: another one, while the one that counts
        stays as it is."""

    def wrapping_key(self, row: SealRow) -> DataKey:
        """The wrapping key of that row; whether it is the right one, its unwrapping shows. To be wiped by the caller.
        DamagedStore, HostError, UsageError, or what the other key service answers."""


def read_row(connection: sqlite3.Connection) -> SealRow | None:
    """The row, None before the store was sealed."""
    found = connection.execute("SELECT seal_id, kind, parameters, wrapped, generation, retired FROM seal").fetchone()
    return None if found is None else SealRow(*found)


def write_row(connection: sqlite3.Connection, row: SealRow) -> None:
    """Have it count from this transaction's commit on."""
    connection.execute(
        "INSERT OR REPLACE INTO seal (only, seal_id, kind, parameters, wrapped, generation, retired)"
        " VALUES (1, ?, ?, ?, ?, ?, ?)",
        row,
    )


def wrap(wrapping: WrappingKey, store_key: StoreKey, *, retired: bytes | None, random: Random) -> SealRow:
    """The row under which that store key is to be found."""
    from reconciler.envelope import seal

    row = SealRow(wrapping.seal_id, wrapping.kind, wrapping.parameters, b"", store_key.generation, retired)
    with DataKey(store_key.key.expose_key_bytes() + store_key.proofs.expose_key_bytes()) as payload:
        return row._replace(wrapped=seal.seal_key(wrapping.key, payload, _aad(row), random))


def unwrap(wrapping: DataKey, row: SealRow) -> StoreKey | None:
    """The store key of the row; None when that wrapping key does not open it, or the row was changed (I9)."""
    from reconciler.envelope import seal
    from reconciler_softkms.sealing.store_key import StoreKey

    try:
        with seal.open_key(wrapping, row.wrapped, _aad(row)) as payload:
            if len(payload) != PAYLOAD_BYTES:
                return None
            raw = memoryview(payload.expose_key_bytes())
            try:
                return StoreKey(row.generation, DataKey(raw[:KEY_BYTES]), DataKey(raw[KEY_BYTES:]))
            finally:
                raw.release()
    except InvalidCiphertextException:
        return None


def parameters_of(row: SealRow) -> dict[str, Any]:
    """The parameters as a mapping; an empty one when they are none."""
    try:
        found = json.loads(row.parameters)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _aad(row: SealRow) -> bytes:
    from reconciler.envelope import canonical

    return canonical.encode("softkms store key", 1, row.kind, row.seal_id, row.parameters, row.generation)
