"""Key material: made, sealed under the store key, read back, opened (I2, KM10). The only reader of ``sealed``.

Material never changes under its id, so what was opened once stays open in memory, per process. Whether a key may still
be used is never taken from there: its row is read at every request. All use is under the store's lock.
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from reconciler.envelope import canonical, seal
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import DamagedStore, InvalidCiphertextException
from reconciler.model.ports import Bytes, Random
from reconciler.providers.keys import Context
from reconciler_softkms import blob
from reconciler_softkms.rows import KeyRow, Names
from reconciler_softkms.specs import fresh_material
from reconciler_softkms.store import Store

if TYPE_CHECKING:
    from reconciler_softkms.key_pairs import PrivateKey

_MOST_OPEN: Final = 16_384


class Materials:
    """The material of one store's keys."""

    def __init__(self, store: Store, names: Names, random: Random) -> None:
        self._store = store
        self._names = names
        self._random = random
        self._open: dict[tuple[str, str], DataKey] = {}
        self._pairs: dict[tuple[str, str], PrivateKey] = {}
        self._sure: set[tuple[str, str]] = set()

    def add(
        self, connection: sqlite3.Connection, key_id: str, key_spec: str, *, kind: str, now: int, token: str | None
    ) -> str:
        """New material for a key whose row is there: sealed, written and opened again before anything is sealed under
        it. Answers its id. ``Store.seal`` was called before the transaction began."""
        material_id = self._random.bytes(32).hex()
        with fresh_material(key_spec, self._random) as material:
            self.put(connection, key_id, material_id, material, kind=kind, now=now, token=token)
        return material_id

    def put(
        self,
        connection: sqlite3.Connection,
        key_id: str,
        material_id: str,
        material: DataKey,
        *,
        kind: str,
        now: int,
        token: str | None = None,
    ) -> None:
        """Keep that material under that id, as ``add`` does."""
        aad = self._aad(key_id, material_id)
        sealed = seal.seal_key(self._store.seal().key, material, aad, self._random)
        connection.execute(
            "INSERT INTO materials (key_id, material_id, token, kind, created_at, sealed) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (key_id, material_id) DO UPDATE SET sealed = excluded.sealed",
            (key_id, material_id, token, kind, now, sealed),
        )
        with self._read(connection, key_id, material_id) or DataKey(b"") as read_back:
            if read_back != material:
                raise DamagedStore("New key material does not read back as it was written; nothing was made")

    def drop(self, connection: sqlite3.Connection, key_id: str, material_ids: Collection[str]) -> None:
        """Destroy imported material; its id and the proof of what it was stay."""
        connection.executemany(
            "UPDATE materials SET sealed = NULL, expires_at = NULL WHERE key_id = ? AND material_id = ?",
            [(key_id, material_id) for material_id in material_ids],
        )

    def prove(self, connection: sqlite3.Connection, key_id: str, material_id: str, material: DataKey) -> None:
        """Remember by what this material can be told from any other even after it is gone: a MAC of it."""
        connection.execute(
            "UPDATE materials SET proof = ? WHERE key_id = ? AND material_id = ?",
            (self._proof(key_id, material_id, material), key_id, material_id),
        )

    def proven(self, connection: sqlite3.Connection, key_id: str, material: DataKey) -> str | None:
        """The id under which this very material was imported into the key before, None if it never was."""
        for material_id, proof in connection.execute(
            "SELECT material_id, proof FROM materials WHERE key_id = ? AND proof IS NOT NULL", (key_id,)
        ).fetchall():
            if hmac.compare_digest(proof, self._proof(key_id, material_id, material)):
                return str(material_id)
        return None

    def keep_wrapping_key(
        self,
        connection: sqlite3.Connection,
        key_id: str,
        wrapping_id: bytes,
        private: DataKey,
        *,
        algorithm: str,
        valid_to: int,
    ) -> None:
        """Keep the private key that opens what is to be imported into a key, until ``valid_to``."""
        sealed = seal.seal_key(self._store.seal().key, private, self._wrapping_aad(key_id, wrapping_id), self._random)
        connection.execute(
            "INSERT INTO wrapping_keys VALUES (?, ?, ?, ?, ?)", (wrapping_id, key_id, algorithm, valid_to, sealed)
        )

    def wrapping_key(
        self, connection: sqlite3.Connection, key_id: str, wrapping_id: bytes
    ) -> tuple[DataKey, str] | None:
        """That private key and its algorithm; None when it is not there, or does not open."""
        found = connection.execute(
            "SELECT sealed, algorithm FROM wrapping_keys WHERE wrapping_id = ? AND key_id = ?", (wrapping_id, key_id)
        ).fetchone()
        if found is None:
            return None
        with suppress(InvalidCiphertextException):
            aad = self._wrapping_aad(key_id, wrapping_id)
            return seal.open_key(self._store.seal().key, found[0], aad), str(found[1])
        return None

    def encrypt(self, connection: sqlite3.Connection, row: KeyRow, plaintext: Bytes, context: Context) -> bytes:
        """A ciphertext blob under the key's newest material."""
        material = self.newest(connection, row)
        header = blob.Header(row.key_id, row.material_id).encode()
        return header + seal.seal(material, plaintext, blob.aad(header, context), self._random)

    def decrypt(
        self, connection: sqlite3.Connection, header: blob.Header, ciphertext: bytes, context: Context
    ) -> bytes:
        """What ``encrypt`` was given, under whichever material of the key. ``header`` is what ``blob.parse`` reads of
        the ciphertext. InvalidCiphertextException."""
        material = self.opened(connection, header.key_id, header.material_id)
        if material is None:
            raise InvalidCiphertextException("the ciphertext does not open")
        aad = blob.aad(ciphertext[: blob.HEADER_BYTES], context)
        return seal.open_sealed(material, ciphertext[blob.HEADER_BYTES :], aad)

    def newest(self, connection: sqlite3.Connection, row: KeyRow) -> DataKey:
        """The key's newest material, as it stays open here: not to be wiped by who asks."""
        material = self.opened(connection, row.key_id, row.material_id)
        if material is None:
            raise DamagedStore(f"The newest material of key {row.key_id} is not in {self._store.path}")
        return material

    def key_pair(self, connection: sqlite3.Connection, row: KeyRow) -> PrivateKey:
        """The key pair of an asymmetric key, parsed at first use. OpenSSL holds its numbers, and frees them when it is
        forgotten; the bytes that it was parsed from are wiped at once."""
        self._make_sure(connection, (row.key_id, row.material_id))
        known = self._pairs.get((row.key_id, row.material_id))
        if known is None:
            from reconciler_softkms import key_pairs

            material = self._read(connection, row.key_id, row.material_id)
            if material is None:
                raise DamagedStore(f"The material of key {row.key_id} is not in {self._store.path}")
            with material:
                known = key_pairs.load(material.expose_key_bytes())
            if len(self._pairs) >= _MOST_OPEN:
                self._pairs.pop(next(iter(self._pairs)))
            self._pairs[row.key_id, row.material_id] = known
        return known

    def opened(self, connection: sqlite3.Connection, key_id: str, material_id: str) -> DataKey | None:
        """That material, None where it is not (any more). It stays this object's: not to be wiped."""
        self._make_sure(connection, (key_id, material_id))
        found = self._open.get((key_id, material_id))
        if found is None:
            found = self._read(connection, key_id, material_id)
            if found is not None:
                if len(self._open) >= _MOST_OPEN:
                    self._open.pop(next(iter(self._open))).wipe()
                self._open[key_id, material_id] = found
        return found

    def doubt(self) -> None:
        """Somebody has changed the store: what is open here may be kept no more, deleted or undone by a restore. Each
        is looked for before it is next used."""
        self._sure.clear()

    def _make_sure(self, connection: sqlite3.Connection, known: tuple[str, str]) -> None:
        """Wipe that material here if the store does not keep it any more."""
        if known in self._sure:
            return
        kept = "SELECT 1 FROM materials WHERE key_id = ? AND material_id = ? AND sealed IS NOT NULL"
        if connection.execute(kept, known).fetchone() is not None:
            self._sure.add(known)
            return
        self._pairs.pop(known, None)
        if known in self._open:
            self._open.pop(known).wipe()

    def forget(self, key_ids: Collection[str]) -> None:
        """Wipe what is open of these keys."""
        for known in [known for known in self._open if known[0] in key_ids]:
            self._open.pop(known).wipe()
        for known in [known for known in self._pairs if known[0] in key_ids]:
            del self._pairs[known]

    def close(self) -> None:
        """Wipe what is open."""
        for material in self._open.values():
            material.wipe()
        self._open.clear()
        self._pairs.clear()

    def _read(self, connection: sqlite3.Connection, key_id: str, material_id: str) -> DataKey | None:
        found = connection.execute(
            "SELECT sealed FROM materials WHERE key_id = ? AND material_id = ?", (key_id, material_id)
        ).fetchone()
        if found is None or found[0] is None:
            return None
        try:
            return seal.open_key(self._store.seal().key, found[0], self._aad(key_id, material_id))
        except InvalidCiphertextException:
            if self._store.seal_is_another():  # another process sealed the store anew since its key was opened here
                return self._read(connection, key_id, material_id)
            raise self._damaged(key_id) from None

    def prove_open(self, connection: sqlite3.Connection, key_id: str, material_id: str) -> None:
        """Open that material as it stands in the store, and wipe it. DamagedStore."""
        found = self._read(connection, key_id, material_id)
        if found is not None:
            found.wipe()

    def _damaged(self, key_id: str) -> DamagedStore:
        return DamagedStore(
            f"The material of key {key_id} in {self._store.path} is damaged: it does not open under the store key",
            suggestion="Put back the key store from a backup. Nothing was changed.",
        )

    def _aad(self, key_id: str, material_id: str) -> bytes:
        return material_aad(self._names, key_id, material_id)

    def _wrapping_aad(self, key_id: str, wrapping_id: bytes) -> bytes:
        return wrapping_aad(self._names, key_id, wrapping_id)

    def _proof(self, key_id: str, material_id: str, material: DataKey) -> bytes:
        message = canonical.encode(key_id, material_id, bytes(material.expose_key_bytes()))
        return HmacSha256(self._store.seal().proofs).tag("softkms imported material", message)


def material_aad(names: Names, key_id: str, material_id: str) -> bytes:
    """What sealed material is bound to."""
    return canonical.encode("softkms material", 1, names.account, names.region, key_id, material_id)


def wrapping_aad(names: Names, key_id: str, wrapping_id: bytes) -> bytes:
    """What a sealed wrapping key is bound to."""
    return canonical.encode("softkms wrapping key", 1, names.account, names.region, key_id, wrapping_id)
