"""The project seal: the key that authenticates state, journal and plans (DESIGN 4).

A file of its own, apart from every managed key: a plan that deletes a key must not take the proof of the plan with it.
Made once by ``init`` and never written again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reconciler.envelope.data_key import KEY_BYTES, DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import DamagedStore, HostError
from reconciler.host.durable import make_folder, read, replace
from reconciler.host.exclusive import alone_in
from reconciler.host.ownership import readable_by_others
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Fs, Random

FILE_NAME: Final = "seal.key"
_HEADER: Final = b"reconciler seal 1\n"
_WHAT: Final = "project seal"


def create_seal(fs: Fs, random: Random, home: Path) -> bool:
    """Make the seal of ``home`` if there is none; whether this call made it. Of several processes at once one makes it,
    and an existing seal is never overwritten. HostError."""
    path = home / FILE_NAME
    try:
        make_folder(fs, home)
        with alone_in(home):
            if fs.exists(path):
                return False
            with DataKey.generate(random) as key:
                replace(fs, path, _HEADER + key.expose_key_bytes(), random)
    except OSError as error:
        raise explain_os_error(error, path, _WHAT) from error
    return True


def find_seal(fs: Fs, home: Path) -> HmacSha256 | None:
    """The seal of ``home`` as a ``Mac``, None when it was never made. DamagedStore; HostError when it cannot be read,
    or could be by others."""
    path = home / FILE_NAME
    try:
        if not fs.exists(path):
            return None
        how = readable_by_others(path)
        content = bytearray(read(fs, path))
    except OSError as error:
        raise explain_os_error(error, path, _WHAT) from error
    if how is not None:
        raise HostError(
            f"The {_WHAT} at {path} can be read by others: {how}",
            detail="Whoever has it can forge plans and state.",
            suggestion=f"If nobody did read it: chmod 600 {path}",
        )
    if len(content) != len(_HEADER) + KEY_BYTES or not content.startswith(_HEADER):
        raise DamagedStore(
            f"The {_WHAT} at {path} is damaged: it is not what init made",
            suggestion="It is left as it is. Put back a copy from a backup.",
        )
    return HmacSha256(DataKey(memoryview(content)[len(_HEADER) :]))


def open_seal(fs: Fs, home: Path) -> HmacSha256:
    """As ``find_seal``; HostError when there is none."""
    seal = find_seal(fs, home)
    if seal is None:
        raise HostError(
            f"There is no {_WHAT} at {home / FILE_NAME}",
            suggestion="Run reconciler init once; it makes the seal. If there was one, put back a copy from a backup.",
        )
    return seal
