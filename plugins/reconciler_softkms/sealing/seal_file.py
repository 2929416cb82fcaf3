"""The seal as a file of its own, 0600, that holds the wrapping key (DESIGN 5).

    magic "RKSEAL" 6 | format 2 (big-endian) | seal id 16 | key 32 | first 16 bytes of SHA-256 over all before

It is made once, durably, read back before anything is wrapped under it (I2), and never written again. Whatever is wrong
with it later is one error and never a new key: a new key could not open what the old one sealed. A new one is made
beside it, and takes its name once the store says that it counts.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.envelope.data_key import KEY_BYTES, DataKey
from reconciler.errors import DamagedStore, NewerFormat
from reconciler.host import durable
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Fs, Random
from reconciler_softkms.sealing.row import SEAL_ID_BYTES, SealRow, WrappingKey

KIND: Final = "file"
MAGIC: Final = b"RKSEAL"
FORMAT: Final = 1
FILE_BYTES: Final = 6 + 2 + SEAL_ID_BYTES + KEY_BYTES + 16
_PUT_BACK: Final = "Put back the file from a backup. It was not touched, and no new key was made."
_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class SealKey:
    """The content of a seal file."""

    seal_id: bytes
    key: DataKey


class SealFile:
    """The seal file at ``path``."""

    kind: Final = KIND

    def __init__(self, fs: Fs, path: Path, random: Random) -> None:
        self._fs = fs
        self._random = random
        self.path = path
        self.beside = path.with_name(f"{path.name}.new")

    def make(self, *, beside: bool) -> WrappingKey:
        """See ``Seal.make``. Without ``beside`` a file that is there already counts: a process left it that died before
        it bound the store."""
        if not beside and self._fs.exists(self.path):
            return _as_wrapping_key(read(self._fs, self.path))
        sweep(self._fs, self.path)
        if beside:
            self._unlink(self.beside)
        return _as_wrapping_key(make(self._fs, self.beside if beside else self.path, self._random))

    def wrapping_key(self, row: SealRow) -> DataKey:
        """See ``Seal.wrapping_key``."""
        for _ in range(_ATTEMPTS):  # while we look, another process may give the new file the old one's name
            found = read(self._fs, self.path) if self._fs.exists(self.path) else None
            if found is not None and found.seal_id == row.seal_id:
                return found.key
            if self._fs.exists(self.beside):
                with suppress(DamagedStore):
                    new = read(self._fs, self.beside)
                    if new.seal_id == row.seal_id:
                        return new.key
        if found is None:
            read(self._fs, self.path)  # says that it is missing
        raise another_store(self.path)

    def settle(self, row: SealRow) -> None:
        """After a change of seal was committed: the new file has the name, the retired one is gone. To be repeated
        until it was done to its end; what is neither of them is left alone. Under the store's write lock."""
        if row.kind == KIND:
            if self._holds(self.beside, row.seal_id):
                try:
                    self._fs.rename(self.beside, self.path)
                    self._fs.fsync_dir(self.path.parent)
                except OSError as error:
                    raise explain_os_error(error, self.path, "seal key") from error
        elif row.retired is not None and self._holds(self.path, row.retired):
            self._unlink(self.path)

    def _holds(self, path: Path, seal_id: bytes) -> bool:
        if not self._fs.exists(path):
            return False
        try:
            return read(self._fs, path).seal_id == seal_id
        except DamagedStore:
            return False

    def _unlink(self, path: Path) -> None:
        try:
            if self._fs.exists(path):
                self._fs.unlink(path)
                self._fs.fsync_dir(path.parent)
        except OSError as error:
            raise explain_os_error(error, path, "seal key") from error


def make(fs: Fs, path: Path, random: Random) -> SealKey:
    """A new seal key, durable and read back. The caller holds the store's write lock and has seen that there is no
    file: two processes that begin together make one key."""
    body = MAGIC + FORMAT.to_bytes(2, "big") + random.bytes(SEAL_ID_BYTES + KEY_BYTES)
    return put(fs, path, body + _check(body), random)


def put(fs: Fs, path: Path, content: bytes, random: Random) -> SealKey:
    """A seal file of that content, durable and read back."""
    try:
        durable.replace(fs, path, content, random)
    except OSError as error:
        raise explain_os_error(error, path, "seal key") from error
    made = read(fs, path)
    if made.seal_id != content[8:24]:
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
    return parse(content, path)


def parse(content: bytes, path: Path) -> SealKey:
    """What the content of a seal file says; ``path`` is for messages."""
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


def another_store(path: Path) -> DamagedStore:
    """The seal file is whole, and not this store's."""
    return DamagedStore(
        f"The seal key at {path} belongs to another key store",
        suggestion="Put back the seal key that was made with this store. Neither file was touched.",
    )


def _as_wrapping_key(found: SealKey) -> WrappingKey:
    return WrappingKey(KIND, found.seal_id, "{}", found.key)


def _check(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:16]
