"""How often each client may be wrong: a token that counts refused PINs must not be locked by one client (PKCS11.md 2).

An attempt is durable before the token hears of it and is taken back when the token could not be asked, so that an agent
killed in the middle, again and again, has counted each one. Only an accepted PIN of the same client, or the operator
(``hsm-agent forgive``), clears it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reconciler.errors import HsmError, HsmFault
from reconciler.host.store import Store
from reconciler_pkcs11.certificates import Certificate

FORMAT: Final = 1
APPLICATION_ID: Final = 0x524B4803  # "RKH", 3
_SCHEMA: Final = """
CREATE TABLE client (fingerprint TEXT PRIMARY KEY, refused INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE place (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
"""


class Attempts:
    """Refused logins of each client. ``most`` may be refused, then no PIN of that client is tried any more."""

    def __init__(self, folder: Path, most: int) -> None:
        self._most = most
        self._store = Store(
            folder / "logins.db",
            what="list of refused logins",
            schema=_SCHEMA,
            format_number=FORMAT,
            application_id=APPLICATION_ID,
        )

    def begin(self, client: Certificate, place: str) -> None:
        """Count one. HsmError (REFUSED) when there were too many; then nothing may be tried."""
        with self._store.write() as connection:
            connection.execute("INSERT OR IGNORE INTO place VALUES (?)", (place,))
            found = connection.execute("SELECT refused FROM client WHERE fingerprint = ?", (client.fingerprint,))
            row = found.fetchone()
            if row is not None and row[0] >= self._most:
                raise HsmError(
                    f"The HSM agent tries no PIN of this client any more: {row[0]} were refused",
                    fault=HsmFault.REFUSED,  # not the PIN, which nobody looked at
                    detail="Tokens count refused PINs, and some lock for good after a few; so one client may not use "
                    "up all of them.",
                    suggestion="Put the PIN right, then let the HSM's operator say: reconciler hsm-agent forgive "
                    f"FOLDER --client {client.fingerprint[:16]}",
                )
            connection.execute(
                "INSERT INTO client VALUES (?, 1) ON CONFLICT (fingerprint) DO UPDATE SET refused = refused + 1",
                (client.fingerprint,),
            )

    def take_back(self, client: Certificate) -> None:
        """The token was not asked after all."""
        with self._store.write() as connection:
            connection.execute(
                "UPDATE client SET refused = refused - 1 WHERE fingerprint = ? AND refused > 0", (client.fingerprint,)
            )

    def clear(self, client: Certificate) -> None:
        """A PIN of that client was accepted."""
        with self._store.read() as connection:
            found = connection and connection.execute(
                "SELECT 1 FROM client WHERE fingerprint = ?", (client.fingerprint,)
            )
            is_counted = bool(found and found.fetchone())
        if is_counted:
            with self._store.write() as connection:
                connection.execute("DELETE FROM client WHERE fingerprint = ?", (client.fingerprint,))

    def places(self) -> list[str]:
        """Every partition that was served from this folder."""
        with self._store.read() as connection:
            return [] if connection is None else [name for (name,) in connection.execute("SELECT name FROM place")]

    def forgive(self, beginning: str) -> int:
        """Clear every client whose fingerprint begins so; how many."""
        with self._store.read() as connection:
            if connection is None:
                return 0
        with self._store.write() as connection:
            found = connection.execute(
                "DELETE FROM client WHERE substr(fingerprint, 1, ?) = ? AND refused > 0", (len(beginning), beginning)
            )
            return found.rowcount

    def close(self) -> None:
        """Give the store back."""
        self._store.close()
