"""Making a backup: one consistent state of the store, while others go on using it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.errors import NotFoundException, ReadBackFailed, UsageError
from reconciler.host import durable
from reconciler.host.exclusive import alone_in
from reconciler.host.sqlite import connect_read_only, copy_store, explain_os_error, translated
from reconciler.providers.key_store import BackupDescription
from reconciler_softkms import audit_reading
from reconciler_softkms.backup_file import Beside, open_backup, write_backup
from reconciler_softkms.identity_store import identities_text
from reconciler_softkms.inspecting import describe
from reconciler_softkms.resealing import note
from reconciler_softkms.schema import APPLICATION_ID, FORMAT, SCHEMA, WHAT
from reconciler_softkms.sealing import seal_file
from reconciler_softkms.sealing.row import read_row

if TYPE_CHECKING:
    from reconciler_softkms.door import Door

BACKED_UP: Final = "BackUpKeyStore"
COPY: Final = ".keys.db.copy"


def back_up(door: Door, target: Path, *, with_seal_key: bool) -> BackupDescription:
    """See ``KeepsKeyStore.back_up_store``. Nothing is changed but for the record of it."""
    store = door.store
    with store.lock, translated(store.path, WHAT):
        row = read_row(store.writing()) if store.exists else None
        if row is None:
            raise NotFoundException(
                f"There is no sealed key store at {store.path}", suggestion="It is made with its first key."
            )
        if store.fs.exists(target):
            raise UsageError(
                f"There is something at {target} already", suggestion="Name a new file: a backup replaces nothing."
            )
        proofs = store.seal().proofs  # a backup of a store that nobody can open is none
        row = read_row(store.writing()) or row
        included = _seal_file(door, row.kind, row.seal_id) if with_seal_key else b""
        with store.transaction(fenced=False) as connection:
            note(door, connection, BACKED_UP, {"withSealKey": with_seal_key})
        audit_reading.gather(door)  # also the records that this machine still holds elsewhere
        with alone_in(store.folder), _copied(door) as copy:
            held = door.identities.store(door.names.account).listed(None)
            description = _described(door, copy, has_seal_key=with_seal_key, identity_policies=len(held))
            beside = Beside(included, identities_text(held))
            write_backup(store.fs, target, copy, description, beside=beside, proofs=proofs)
    written = open_backup(store.fs, target)
    if not written.is_proved(store.seal().proofs):
        raise ReadBackFailed(f"The backup {target} does not read back as it was written", suggestion="Make another.")
    return written.description


def remove_copies(door: Door, name: str) -> None:
    """Remove a file of that name in the store's folder, and what SQLite puts beside it: left by one that died."""
    store = door.store
    try:
        for suffix in ("", "-wal", "-shm", "-journal"):
            path = store.folder / f"{name}{suffix}"
            if store.fs.exists(path):
                store.fs.unlink(path)
    except OSError as error:
        raise explain_os_error(error, store.folder / name, WHAT) from error


@contextmanager
def _copied(door: Door) -> Iterator[Path]:
    remove_copies(door, COPY)
    copy = door.store.folder / COPY
    try:
        copy_store(door.store.path, copy, WHAT)
        yield copy
    finally:
        remove_copies(door, COPY)


def _described(door: Door, copy: Path, *, has_seal_key: bool, identity_policies: int) -> BackupDescription:
    connection = connect_read_only(copy, what=WHAT, schema=SCHEMA, format_number=FORMAT, application_id=APPLICATION_ID)
    if connection is None:
        raise ReadBackFailed(f"The copy {copy} is not there right after it was made", suggestion="Make another backup.")
    try:
        found = describe(connection, copy, door.store.fs, door.store.seals)
    finally:
        connection.close()
    return BackupDescription(
        account=door.names.account,
        region=door.names.region,
        made_at=door.clock.now(),
        seal=found.seal or "",
        generation=found.generation,
        position=found.position,
        keys=found.keys,
        has_seal_key=has_seal_key,
        size=found.size,
        identity_policies=identity_policies,
    )


def _seal_file(door: Door, kind: str, seal_id: bytes) -> bytes:
    store = door.store
    if kind != seal_file.KIND:
        raise UsageError(
            "The key store has no seal key to put into the backup: it is sealed by a passphrase or another key",
            suggestion="Leave --with-seal-key out, and keep what seals it as well as the backup.",
        )
    path = store.seals.file.path
    try:
        content = durable.read(store.fs, path)
    except OSError as error:
        raise explain_os_error(error, path, "seal key") from error
    if seal_file.parse(content, path).seal_id != seal_id:
        raise seal_file.another_store(path)
    return content
