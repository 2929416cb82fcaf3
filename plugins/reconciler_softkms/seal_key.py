"""The seal key: a file of its own, 0600, under which all key material of a store is sealed (DESIGN 5).

    magic "RKSEAL" 6 | format 2 (big-endian) | seal id 16 | key 32 | first 16 bytes of SHA-256 over all before

It is made once, durably, read back before anything is sealed under it (I2), and never written again. Whatever is wrong
with it later is one error and never a new key: a new key could not open what the old one sealed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.envelope.data_key import KEY_BYTES, DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import DamagedStore, NewerFormat
from reconciler.host import durable
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Fs, Random

MAGIC: Final = b"RKSEAL"
FORMAT: Final = 1
FILE_BYTES: Final = 6 + 2 + 16 + KEY_BYTES + 16
_PUT_BACK: Final = "Put back the file from a backup. It was not touched, and no new key was made."


@dataclass(frozen=True, slots=True)
class SealKey:
    """The seal key in memory. ``proof`` is what a store keeps to recognise it."""

    seal_id: bytes
    key: DataKey

    @property
    def proof(self) -> bytes:
        """A MAC that only this key makes."""
        return HmacSha256(self.key).tag("softkms seal", self.seal_id)


def make(fs: Fs, path: Path, random: Random) -> SealKey:
    """A new seal key, durable and read back. The caller holds the store's write lock and has seen that there is no
    file: two processes that begin together make one key."""
    body = MAGIC + FORMAT.to_bytes(2, "big") + random.bytes(16 + KEY_BYTES)
    try:
        durable.replace(fs, path, body + _check(body), random)
    except OSError as error:
        raise explain_os_error(error, path, "seal key") from error
    made = read(fs, path)
    if made.seal_id != body[8:24]:
        raise DamagedStore(f"The seal key at {path} does not read back as it was written", suggestion=_PUT_BACK)
    return made


def sweep(fs: Fs, path: Path) -> None:
    """Remove what a process left that died while it made a seal key: never a seal key of anything. Under the store's
    write lock, so nobody is making one now."""
    try:
        for name in fs.listdir(path.parent):
            if name.startswith(f".{path.name}."):
                fs.unlink(path.with_name(name))
    except OSError as error:
        raise explain_os_error(error, path, "seal key") from error


def read(fs: Fs, path: Path) -> SealKey:
    """The seal key of the file at ``path``. DamagedStore when it is missing or not what was written, NewerFormat."""
    try:
        content = durable.read(fs, path)
    except FileNotFoundError:
        raise DamagedStore(
            f"The seal key at {path} is missing; the keys of the store beside it cannot be opened without it",
            suggestion=_PUT_BACK.replace("It was not touched, and no", "No"),
        ) from None
    except OSError as error:
        raise explain_os_error(error, path, "seal key") from error
    if content[:6] != MAGIC:
        raise DamagedStore(f"The file {path} is not a seal key of reconciler", suggestion=_PUT_BACK)
    found = int.from_bytes(content[6:8], "big")
    if found > FORMAT:
        raise NewerFormat(
            f"The seal key at {path} has format {found}; this version of reconciler knows up to {FORMAT}",
            suggestion="Use the version of reconciler that wrote it, or a newer one. The file was not touched.",
        )
    body = content[: FILE_BYTES - 16]
    if len(content) != FILE_BYTES or content[FILE_BYTES - 16 :] != _check(body):
        raise DamagedStore(f"The seal key at {path} is damaged", suggestion=_PUT_BACK)
    return SealKey(body[8:24], DataKey(body[24:]))


def _check(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:16]
