"""Keys that seal another store (``WrapsKeys``): what was wrapped for it is remembered, so that the key does not go
while that store still has it.

The core's census asks every Provider, declared or at home. This asks the files themselves, right before the end: a key
store that was put back from a backup while its key waited for deletion is found here, too.
"""

from __future__ import annotations

import re
from typing import Final

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.host import durable
from reconciler.host.sqlite import explain_os_error
from reconciler.providers.key_wrapping import WrappedKey
from reconciler.providers.keys import Context
from reconciler_pkcs11.keys.finding import id_of
from reconciler_pkcs11.keys.using import encrypt
from reconciler_pkcs11.site import Site

_STORE: Final = "reconciler:keyStore"  # whose key it is, in the encryption context: a place below the home
_PLACE: Final = re.compile(r"[a-z0-9_-]+/[0-9]{12}/[a-z0-9-]+")


def wrap_key(site: Site, caller: Caller, key_id: str, key: DataKey, context: Context) -> WrappedKey:
    """See ``WrapsKeys.wrap_key``."""
    made = encrypt(site, caller, key_id, key, context)
    place = context.get(_STORE, "")
    if _PLACE.fullmatch(place):
        with site.write() as connection:  # before it is answered: nobody has it yet
            connection.execute(
                "INSERT INTO key_store VALUES (?, ?, ?)", (made.wrapped, id_of(site, made.key_arn), place)
            )
    return made


def stores_under(site: Site, key_id: str) -> list[str]:
    """Places below the home whose files have what that key wrapped for them. HostError: they cannot be read."""
    with site.store.read() as connection:
        if connection is None:
            return []
        kept = connection.execute("SELECT place, wrapped FROM key_store WHERE key_id = ?", (key_id,)).fetchall()
    found: dict[str, bool] = {}
    for place in sorted({place for place, _ in kept}):
        needles = [wrapped for where, wrapped in kept if where == place]
        found[place] = _has_one(site, place, [*needles, *(each.hex().encode() for each in needles)])
    return [place for place, has_one in found.items() if has_one]


def _has_one(site: Site, place: str, needles: list[bytes]) -> bool:
    folder = site.home / place
    try:
        names = site.fs.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        for name in names:
            if name.endswith((".db", "-wal")):
                content = durable.read(site.fs, folder / name)
                if any(needle in content for needle in needles):
                    return True
    except OSError as error:
        raise explain_os_error(error, folder, "key store") from error
    return False
