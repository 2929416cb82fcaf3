"""Access keys of a home: a sealed file each, so that making and revoking one takes effect at once in every process.

    home/credentials/AKIA…   seal(JSON) under a key derived from the project's seal, bound to the file's name

A file is written once and removed when its key is revoked. A copy under another name does not open, nor does one of
another home. The secret is shown once, when it is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.seal import open_sealed, seal
from reconciler.errors import DamagedStore, InvalidCiphertextException, NewerFormat, UsageError
from reconciler.host.durable import make_folder, read, replace
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Fs, Mac, Random
from reconciler.serving.credentials import Credential, is_access_key_id

FOLDER: Final = "credentials"
_FORMAT: Final = 1
_WHAT: Final = "access key"


class KeptCredentials:
    """The access keys below ``home``. Threads and processes may share them."""

    def __init__(self, fs: Fs, random: Random, home: Path, project_seal: Mac) -> None:
        self._fs, self._random = fs, random
        self._folder = home / FOLDER
        self._key = DataKey(project_seal.tag("credentials of serve", b""))
        self._opened: dict[str, Credential] = {}

    def find(self, access_key_id: str) -> Credential | None:
        """See ``Credentials``. DamagedStore, HostError."""
        if not is_access_key_id(access_key_id):
            return None
        path = self._folder / access_key_id
        try:
            if not self._fs.exists(path):  # asked every time: it may have been revoked, here or by another process
                self._opened.pop(access_key_id, None)
                return None
        except OSError as error:
            raise explain_os_error(error, path, _WHAT) from error
        found = self._opened.get(access_key_id)
        if found is None and (found := self._open(path)) is not None:
            self._opened[access_key_id] = found
        return found

    def administrators(self, account: str) -> frozenset[str]:
        """See ``Credentials``. What cannot be opened makes nobody an administrator."""
        return frozenset(
            each.principal
            for each in self.listed()
            if isinstance(each, Credential) and each.is_administrator and each.account == account
        )

    def keep(self, credential: Credential) -> None:
        """Make it usable from now on; durable. HostError."""
        path = self._folder / credential.access_key_id
        plaintext = json.dumps(_written(credential), separators=(",", ":")).encode()
        try:
            make_folder(self._fs, self._folder)
            replace(self._fs, path, seal(self._key, plaintext, _bound_to(path), self._random), self._random)
        except OSError as error:
            raise explain_os_error(error, path, _WHAT) from error

    def revoke(self, access_key_id: str) -> None:
        """End it: from now on no process takes its signatures. UsageError when there is none of that id; HostError."""
        path = self._folder / access_key_id
        try:
            if not is_access_key_id(access_key_id) or not self._fs.exists(path):
                raise UsageError(
                    f"There is no access key {access_key_id}",
                    suggestion="`reconciler serve credentials list` shows those that there are.",
                )
            self._fs.unlink(path)
            self._fs.fsync_dir(self._folder)
        except OSError as error:
            raise explain_os_error(error, path, _WHAT) from error
        self._opened.pop(access_key_id, None)

    def listed(self) -> Iterator[Credential | DamagedStore]:
        """All, by id; in place of one that does not open, the reason. HostError."""
        try:
            names = self._fs.listdir(self._folder) if self._fs.exists(self._folder) else []
        except OSError as error:
            raise explain_os_error(error, self._folder, "folder of access keys") from error
        for name in names:
            if is_access_key_id(name):
                try:
                    found = self.find(name)
                except DamagedStore as error:
                    yield error
                else:
                    if found is not None:
                        yield found

    def _open(self, path: Path) -> Credential | None:
        try:
            plaintext = open_sealed(self._key, read(self._fs, path), _bound_to(path))
        except FileNotFoundError:
            return None  # revoked since it was looked for
        except OSError as error:
            raise explain_os_error(error, path, _WHAT) from error
        except InvalidCiphertextException:
            raise DamagedStore(
                f"The access key at {path} is damaged, or was made under another project seal",
                suggestion=f"Revoke it and make another: reconciler serve credentials revoke {path.name}.",
                file=str(path),
            ) from None
        content = json.loads(plaintext)
        if content["format"] > _FORMAT:
            raise NewerFormat(
                f"The access key at {path} has format {content['format']}; this version knows up to {_FORMAT}",
                suggestion="Use the version of reconciler that made it, or a newer one.",
            )
        return _read(path.name, content)


def _bound_to(path: Path) -> bytes:
    return encode("access key", path.name)


def _written(credential: Credential) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "secret": credential.secret,
        "principal": credential.principal,
        "tags": dict(credential.tags),
        "administrator": credential.is_administrator,
        "created": credential.created.isoformat(),
        "expires": credential.expires and credential.expires.isoformat(),
        "token": credential.token,
    }


def _read(access_key_id: str, content: dict[str, Any]) -> Credential:
    return Credential(
        access_key_id=access_key_id,
        secret=content["secret"],
        principal=content["principal"],
        tags=content["tags"],
        is_administrator=content["administrator"],
        created=datetime.fromisoformat(content["created"]),
        expires=datetime.fromisoformat(content["expires"]) if content["expires"] else None,
        token=content["token"],
    )
