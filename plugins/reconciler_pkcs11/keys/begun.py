"""A version of a ``Key`` from when its id is written down until it counts.

Whoever makes it and whoever clears up after a killed process may be there at once. So it is either settled or given
up, by one transaction each: what is given up never counts, and what counts is never removed.
"""

from __future__ import annotations

from contextlib import suppress

from reconciler.errors import ConflictException, DisabledException, HsmError
from reconciler_pkcs11 import rows
from reconciler_pkcs11.keys.finding import disabled, partition_of
from reconciler_pkcs11.names import DISABLED, version_label
from reconciler_pkcs11.requests import Asked
from reconciler_pkcs11.rows import KeyRow, VersionRow
from reconciler_pkcs11.site import Site
from reconciler_pkcs11.times import DAY


def settle_version(site: Site, row: KeyRow, version: VersionRow, proof: bytes, asking: Asked | None = None) -> None:
    """The version is there and was proved: new ciphertext is made under it from now on, by a key that ``row`` says was
    enabled. ConflictException when it was given up meanwhile, DisabledException when the key was disabled: the label of
    a version that nobody knew of was not changed then. Its object is removed again."""
    try:
        with site.write() as connection:
            now = rows.key_by_id(connection, version.key_id)
            if now is not None and (now.switching == DISABLED or (now.seen == DISABLED and row.seen != DISABLED)):
                raise disabled(site, row)
            done = connection.execute(
                "UPDATE key_version SET ready = 1, canary = ? WHERE object_id = ? AND NOT going",
                (proof, version.object_id),
            )
            if not done.rowcount:
                raise ConflictException(
                    "Another process took the making of this key for given up, and removed it; nothing is under it",
                    suggestion="Run the command again.",
                )
            period = None if row.rotation_days is None else site.now() + row.rotation_days * DAY
            connection.execute(
                "UPDATE key SET ready = 1, newest = ?, rotation_at = ? WHERE key_id = ?",
                (version.number, period, version.key_id),
            )
            if asking is not None:
                asking.record(connection)
    except (ConflictException, DisabledException):
        with suppress(HsmError):
            _destroy(site, row, version)
        raise


def give_up(site: Site, version: VersionRow) -> None:
    """Remove a version that was begun and does not count: its object, then its row, and its key's with the first.
    HsmError."""
    with site.write() as connection:
        found = rows.key_by_id(connection, version.key_id)
        begun = connection.execute(
            "UPDATE key_version SET going = 1 WHERE object_id = ? AND NOT ready", (version.object_id,)
        )
    if found is None or not begun.rowcount:
        return
    _destroy(site, found, version)
    with site.write() as connection:
        connection.execute("DELETE FROM key_version WHERE object_id = ? AND NOT ready", (version.object_id,))
        connection.execute("DELETE FROM key WHERE key_id = ? AND NOT ready", (version.key_id,))


def _destroy(site: Site, row: KeyRow, version: VersionRow) -> None:
    with site.connections.use(partition_of(site, row)) as opened:
        opened.destroy(version.object_id, version_label(version.key_id, version.number, enabled=True))
