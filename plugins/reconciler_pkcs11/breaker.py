"""A PIN that a token refused is never sent to it again, by whichever process (PKCS11.md 0.6).

Its digest is durable before anybody hears of the refusal, and stands until another PIN was accepted: tokens count
refusals, and some lock for good after three. The digest is an HMAC under a random key beside it; a PIN that was
accepted leaves no trace. ``place`` says which partition it is, however it is reached.

The store is one of its own, without fencing: what a token has seen holds for everybody, overtaken or not.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.errors import HsmError, HsmFault
from reconciler.host import durable
from reconciler.host.exclusive import alone_in
from reconciler.host.sqlite import explain_os_error
from reconciler.host.store import Store
from reconciler.model.ports import Fs, Random

FORMAT: Final = 1
APPLICATION_ID: Final = 0x524B4802  # "RKH", 2
_SCHEMA: Final = """
CREATE TABLE refused (place TEXT NOT NULL, salt BLOB NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (place, digest))
    STRICT, WITHOUT ROWID;
"""


class Digest(NamedTuple):
    """A PIN, as it is remembered if it is refused."""

    salt: bytes
    digest: bytes


class Breaker:
    """The refused PINs of the partitions that one folder knows. ``folder`` is made when it is first needed."""

    def __init__(self, folder: Path, fs: Fs, random: Random) -> None:
        self._folder, self._fs, self._random = folder, fs, random
        self._store = Store(
            folder / "refused-pins.db",
            what="list of refused PINs",
            schema=_SCHEMA,
            format_number=FORMAT,
            application_id=APPLICATION_ID,
        )

    @contextmanager
    def alone_at(self, place: str) -> Iterator[None]:
        """One process and thread at a time tries a PIN at that place: of many that begin together with a wrong one,
        the first is refused by the token and the others here. HostError."""
        folder = self._folder / "logins" / sha256(place.encode()).hexdigest()[:32]
        try:
            durable.make_folder(self._fs, folder)
        except OSError as error:
            raise explain_os_error(error, folder, "folder of logins") from error
        with alone_in(folder):
            yield

    def check(self, place: str, pin: bytes | bytearray) -> Digest:
        """How to remember the PIN, should it be refused. HsmError (PIN_REFUSED) for one that was refused there: it must
        not be sent."""
        with self._store.read() as connection:
            known = connection and connection.execute("SELECT salt, digest FROM refused WHERE place = ?", (place,))
            if any(hmac.compare_digest(_digest(salt, place, pin), digest) for salt, digest in known or ()):
                raise refused(place, again=True)
        salt = self._random.bytes(32)
        return Digest(salt, _digest(salt, place, pin))

    def remember(self, place: str, digest: Digest) -> None:
        """The PIN of that digest was refused there; durable when this returns."""
        with self._store.write() as connection:
            connection.execute("INSERT OR IGNORE INTO refused VALUES (?, ?, ?)", (place, *digest))

    def forget(self, place: str) -> None:
        """Another PIN was accepted there: what was refused before may be right by now."""
        with self._store.read() as connection:
            found = connection and connection.execute("SELECT 1 FROM refused WHERE place = ?", (place,)).fetchone()
        if found:
            with self._store.write() as connection:
                connection.execute("DELETE FROM refused WHERE place = ?", (place,))

    def close(self) -> None:
        """Give the store back."""
        self._store.close()


def refused(place: str, *, again: bool) -> HsmError:
    """The one error for a refused PIN; nothing of the PIN is in it."""
    how = "was refused before, and is not sent again" if again else "was refused"
    return HsmError(
        f"The PIN of the HSM partition {place} {how}",
        fault=HsmFault.PIN_REFUSED,
        detail="Tokens count refused PINs, and some lock for good after a few.",
        suggestion="Let the PIN's source (pinFrom) give the right PIN: a changed PIN is tried at once. If the token is "
        "locked, its security officer has to set a new one.",
    )


def _digest(salt: bytes, place: str, pin: bytes | bytearray) -> bytes:
    name = place.encode()
    return hmac.digest(salt, len(name).to_bytes(4, "big") + name + bytes(pin), "sha256")
