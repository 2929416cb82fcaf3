"""A backup of a key store as one file (README, "Backups").

    magic "RKBACKUP" 8 | format 2 | length of the manifest 4 (big-endian) | manifest | MAC 32 | seal file
    | identity policies | store

The store is a whole SQLite file, sealed as the live one: the wrapped store key is in it, what unwraps it is not, unless
the seal file was asked for. The identity policies (JSON: principal, name, document) are the whole account's, which
every Region has in common. The manifest (JSON) says how long the parts are and their SHA-256, and is proved, with all
before it, under a key of the store itself: whoever changes a byte is noticed when the store is opened, and whoever cut
it off at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import DamagedStore, NewerFormat, UsageError
from reconciler.host import durable
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Fs
from reconciler.providers.key_store import BackupDescription
from reconciler_softkms.rows import microseconds, moment

MAGIC: Final = b"RKBACKUP"
FORMAT: Final = 1
WHAT: Final = "backup"
_MAC_BYTES: Final = 32
_HEAD_BYTES: Final = 8 + 2 + 4
_MOST_MANIFEST: Final = 1 << 16
_CHUNK: Final = 1 << 20
_PURPOSE: Final = "softkms backup"
_ANOTHER: Final = "Use another backup. Nothing was changed."


@dataclass(frozen=True, slots=True)
class Backup:
    """An opened backup: all of it is there. Whether it is what was written, ``is_proved`` says."""

    fs: Fs
    path: Path
    description: BackupDescription
    seal_file: bytes
    identities: bytes
    proved: bytes  # magic to manifest
    mac: bytes
    _begins: int
    _length: int

    def is_proved(self, proofs: DataKey) -> bool:
        """Whether a store with that key wrote it."""
        return HmacSha256(proofs).verify(_PURPOSE, self.proved, self.mac)

    def store(self) -> Iterator[bytes]:
        """The store's file, in pieces. OSError."""
        return _pieces(self.fs, self.path, self._begins, self._length)


class Beside(NamedTuple):
    """What is in a backup beside the store."""

    seal_file: bytes
    identities: bytes


def write_backup(
    fs: Fs, target: Path, copy: Path, description: BackupDescription, *, beside: Beside, proofs: DataKey
) -> None:
    """Write a backup of the store file ``copy`` to a new file. UsageError when there is something at ``target``."""
    try:
        size = fs.size(copy)
        digest = hashlib.sha256(beside.seal_file + beside.identities)
        for piece in _pieces(fs, copy, 0, size):
            digest.update(piece)
        manifest = json.dumps(
            {
                "account": description.account,
                "generation": description.generation,
                "identityBytes": len(beside.identities),
                "identityPolicies": description.identity_policies,
                "keys": description.keys,
                "madeAt": microseconds(description.made_at),
                "position": description.position,
                "region": description.region,
                "seal": description.seal,
                "sealFileBytes": len(beside.seal_file),
                "sha256": digest.hexdigest(),
                "storeBytes": size,
            },
            sort_keys=True,
        ).encode()
    except OSError as error:
        raise explain_os_error(error, copy, WHAT) from error
    head = MAGIC + FORMAT.to_bytes(2, "big") + len(manifest).to_bytes(4, "big") + manifest
    mac = HmacSha256(proofs).tag(_PURPOSE, head)

    def pieces() -> Iterator[bytes]:
        yield head + mac + beside.seal_file + beside.identities
        yield from _pieces(fs, copy, 0, size)

    try:
        durable.write_new(fs, target, pieces())
    except FileExistsError:
        raise UsageError(
            f"There is something at {target} already",
            suggestion="Name a new file: a backup replaces nothing. If an interrupted backup left it, `keystore check` "
            "says so, and it can be removed.",
        ) from None
    except OSError as error:
        raise explain_os_error(error, target, WHAT) from error


def open_backup(fs: Fs, path: Path) -> Backup:
    """The backup at ``path``, its length and digest checked. DamagedStore, NewerFormat, HostError."""
    try:
        size = fs.size(path)
        return _opened(fs, path, size)
    except OSError as error:
        raise explain_os_error(error, path, WHAT) from error


def _opened(fs: Fs, path: Path, size: int) -> Backup:
    head = b"".join(_pieces(fs, path, 0, min(size, _HEAD_BYTES)))
    if head[:8] != MAGIC:
        raise DamagedStore(f"The file {path} is not a backup of a key store", suggestion=_ANOTHER)
    found = int.from_bytes(head[8:10], "big")
    if found > FORMAT:
        raise NewerFormat(
            f"The backup {path} has format {found}; this version of reconciler knows up to {FORMAT}",
            suggestion="Use the version of reconciler that wrote it, or a newer one.",
        )
    length = int.from_bytes(head[10:14], "big")
    begins = _HEAD_BYTES + length
    if len(head) < _HEAD_BYTES or length > _MOST_MANIFEST or size < begins + _MAC_BYTES:
        raise _cut_off(path)
    manifest = b"".join(_pieces(fs, path, _HEAD_BYTES, length))
    mac = b"".join(_pieces(fs, path, begins, _MAC_BYTES))
    said = _manifest(manifest, path)
    begins += _MAC_BYTES
    if size != begins + said["sealFileBytes"] + said["identityBytes"] + said["storeBytes"]:
        raise _cut_off(path)
    digest = hashlib.sha256()
    for piece in _pieces(fs, path, begins, size - begins):
        digest.update(piece)
    if digest.hexdigest() != said["sha256"]:
        raise DamagedStore(f"The backup {path} is damaged: it is not what was written", suggestion=_ANOTHER)
    identities = begins + said["sealFileBytes"]
    return Backup(
        fs,
        path,
        BackupDescription(
            account=said["account"],
            region=said["region"],
            made_at=moment(said["madeAt"]),
            seal=said["seal"],
            generation=said["generation"],
            position=said["position"],
            keys=said["keys"],
            has_seal_key=bool(said["sealFileBytes"]),
            size=size,
            identity_policies=said["identityPolicies"],
        ),
        b"".join(_pieces(fs, path, begins, said["sealFileBytes"])),
        b"".join(_pieces(fs, path, identities, said["identityBytes"])),
        head + manifest,
        mac,
        identities + said["identityBytes"],
        said["storeBytes"],
    )


_FIELDS: Final[dict[str, type]] = {
    **dict.fromkeys(("account", "region", "seal", "sha256"), str),
    **dict.fromkeys(("generation", "identityBytes", "identityPolicies", "keys", "madeAt"), int),
    **dict.fromkeys(("position", "sealFileBytes", "storeBytes"), int),
}


def _manifest(raw: bytes, path: Path) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        said = json.loads(raw)
        if isinstance(said, dict) and said.keys() == _FIELDS.keys():
            is_typed = all(type(said[name]) is kind for name, kind in _FIELDS.items())
            if is_typed and all(0 <= said[name] < 1 << 53 for name, kind in _FIELDS.items() if kind is int):
                return said
    raise DamagedStore(f"The backup {path} is damaged: what it says of itself cannot be read", suggestion=_ANOTHER)


def _cut_off(path: Path) -> DamagedStore:
    return DamagedStore(
        f"The backup {path} is not whole: an interrupted backup left it, or it was cut off", suggestion=_ANOTHER
    )


def _pieces(fs: Fs, path: Path, begins: int, length: int) -> Iterator[bytes]:
    """That part of a file. OSError; a file that ends before it gives less."""
    handle = fs.open(path)
    try:
        while length > 0:
            buffer = bytearray(min(_CHUNK, length))
            count = fs.read_into(handle, memoryview(buffer), begins)
            yield bytes(buffer[:count])
            if count < len(buffer):
                return
            begins += count
            length -= count
    finally:
        fs.close(handle)
