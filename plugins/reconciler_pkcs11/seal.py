"""The provider's seal: a file of its own, 0600, under whose key client certificates' private keys are sealed (HS4).

    magic "RKHSEAL" 7 | format 1 | seal id 16 | key 32 | first 16 bytes of SHA-256 over all before

It is made once, durably, read back before anything is sealed under it (I2), and never written again: whatever is wrong
with it later is one error and never a new key. The store names its seal by id. No PIN is sealed by it: a PIN is kept
nowhere.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from reconciler.envelope.data_key import KEY_BYTES, DataKey
from reconciler.errors import DamagedStore, NewerFormat
from reconciler.host import durable
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Fs, Random

MAGIC: Final = b"RKHSEAL"
FORMAT: Final = 1
ID_BYTES: Final = 16
FILE_BYTES: Final = 8 + ID_BYTES + KEY_BYTES + 16
_WHAT: Final = "seal of the HSM store"
_PUT_BACK: Final = "Put back the file from a backup. It was not touched, and no new one was made."


class Seal:
    """The seal file at ``path``, read when it is first needed."""

    def __init__(self, fs: Fs, path: Path, random: Random) -> None:
        self._fs, self._path, self._random = fs, path, random
        self._turn = threading.Lock()
        self._found: tuple[bytes, DataKey] | None = None

    def make(self) -> bytes:
        """The id of the seal, made when there is none: under the write lock of a store that names none yet, so that two
        processes which begin together make one. DamagedStore, HostError."""
        if not self._fs.exists(self._path):
            body = MAGIC + bytes([FORMAT]) + self._random.bytes(ID_BYTES + KEY_BYTES)
            try:
                self._sweep()
                durable.replace(self._fs, self._path, body + _check(body), self._random)
            except OSError as error:
                raise explain_os_error(error, self._path, _WHAT) from error
        return self._read()[0]

    def key(self, seal_id: bytes) -> DataKey:
        """The key, not to be wiped by the caller. DamagedStore when the file is missing, damaged or another store's."""
        with self._turn:
            if self._found is None:
                self._found = self._read()
            found, key = self._found
        if found != seal_id:
            raise DamagedStore(f"The seal at {self._path} belongs to another HSM store", suggestion=_PUT_BACK)
        return key

    def close(self) -> None:
        """Wipe the key."""
        with self._turn:
            if self._found is not None:
                self._found[1].wipe()
                self._found = None

    def _read(self) -> tuple[bytes, DataKey]:
        try:
            content = durable.read(self._fs, self._path)
        except FileNotFoundError:
            raise DamagedStore(
                f"The seal of the HSM store at {self._path} is missing",
                suggestion=_PUT_BACK.replace("It was not touched, and no", "No"),
            ) from None
        except OSError as error:
            raise explain_os_error(error, self._path, _WHAT) from error
        body = content[: FILE_BYTES - 16]
        if content[:7] == MAGIC and len(content) > 7 and content[7] > FORMAT:
            raise NewerFormat(
                f"The seal at {self._path} has format {content[7]}; this version of reconciler knows up to {FORMAT}",
                suggestion="Use the version of reconciler that wrote it, or a newer one. The file was not touched.",
            )
        if len(content) != FILE_BYTES or content[:7] != MAGIC or content[FILE_BYTES - 16 :] != _check(body):
            raise DamagedStore(f"The seal of the HSM store at {self._path} is damaged", suggestion=_PUT_BACK)
        return body[8 : 8 + ID_BYTES], DataKey(body[8 + ID_BYTES :])

    def _sweep(self) -> None:
        """Remove what a process left that died while it made a seal."""
        for name in self._fs.listdir(self._path.parent):
            if name.startswith(f".{self._path.name}."):
                with suppress(FileNotFoundError):
                    self._fs.unlink(self._path.with_name(name))


def _check(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:16]
