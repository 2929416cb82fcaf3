"""The internal root key: the outer layer around what an HSM made of a DEK (HS3).

Random, made once with the first cluster under an HSM, in a file of its own (0600): apart from the clusters' data and
from the key ring, so that neither a copy of those nor the token alone opens a DEK. The key ring remembers which key it
is by a check value that says nothing of it; another file in its place, or none, is damage and is never made good by a
new key. It never changes, so any backup of the file fits any backup of the key ring.
"""

from __future__ import annotations

from typing import Final

from reconciler.envelope.data_key import KEY_BYTES, DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import DamagedStore
from reconciler.host import durable
from reconciler.host.sqlite import explain_os_error
from reconciler_warehouse.site import Site

_MAGIC: Final = b"reconciler internal root key 1\n"
_BYTES: Final = len(_MAGIC) + KEY_BYTES


def opened(site: Site) -> DataKey:
    """The key, to be wiped by the caller. DamagedStore when its file is not there, or is not the one that was made."""
    with site.keyring.read() as ring:
        row = None if ring is None else ring.execute("SELECT id FROM internal_root").fetchone()
    key = _read(site)
    if key is None:
        raise DamagedStore(
            f"The internal root key at {site.internal_root} is not there, and database keys under an HSM open with it "
            "only",
            suggestion="Nothing was changed, and no other key is made in its place. Put the file back from a backup.",
        )
    if row is None or row[0] != _check_value(key):
        key.wipe()
        raise DamagedStore(
            f"The internal root key at {site.internal_root} is not the one that the key ring at {site.keyring.path} "
            "was written with",
            suggestion="Nothing was changed. Put back the file that belongs to this key ring, or both from one backup.",
        )
    return key


def ensure(site: Site) -> None:
    """Make the key if there never was one, durable and read back before anything rests on it (I2).

    A file without a mention in the key ring is what a killed call left, or belongs to a key ring that was set back:
    either way it is the key to go on with.
    """
    with site.keyring.read() as ring:
        if ring is not None and ring.execute("SELECT 1 FROM internal_root").fetchone():
            return
    try:
        durable.make_folder(site.fs, site.internal_root.parent)
        with site.keyring.write() as ring:  # the lock under which one process makes it, and no other a second
            if ring.execute("SELECT 1 FROM internal_root").fetchone():
                return
            if not site.fs.exists(site.internal_root):
                _make(site)
            key = _read(site)
            if key is None:
                raise DamagedStore(f"The internal root key at {site.internal_root} went as soon as it was written")
            with key:
                ring.execute("INSERT INTO internal_root (id) VALUES (?)", (_check_value(key),))
    except OSError as error:
        raise explain_os_error(error, site.internal_root, "internal root key") from error


def _make(site: Site) -> None:
    with DataKey.generate(site.random) as key:
        durable.replace(site.fs, site.internal_root, _MAGIC + bytes(key.expose_key_bytes()), site.random)
        with _read(site) or DataKey(b"") as back:
            if back != key:
                raise DamagedStore(f"The internal root key at {site.internal_root} is not what was just written")


def _read(site: Site) -> DataKey | None:
    try:
        content = durable.read(site.fs, site.internal_root)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explain_os_error(error, site.internal_root, "internal root key") from error
    if len(content) != _BYTES or not content.startswith(_MAGIC):
        raise DamagedStore(
            f"What is at {site.internal_root} is no internal root key",
            suggestion="Nothing was changed. Put the file back from a backup.",
        )
    return DataKey(content[len(_MAGIC) :])


def _check_value(key: DataKey) -> str:
    return HmacSha256(key).tag("reconciler/internal-root-id/v1", b"").hex()[:32]
