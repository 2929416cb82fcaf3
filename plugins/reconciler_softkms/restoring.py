"""Putting a backup in the store's place.

The backup is opened, proved and put under a new store key in a folder of its own before the live store is touched: a
restored store is a new epoch, in which nothing is sealed under a key that the store before, or a clone, still uses
(I6). What a message is sealed under is derived for each from 32 random bytes: no two ever share a key and nonce.

Then one change puts it in place: as one transaction where there is a store that others may have open, by one rename
where there is none. Killed before, nothing was changed; after, it is restored. Keys that were destroyed since the
backup are there again, as it is with backups: the project's next plan shows them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.errors import DamagedStore, ReconcilerError, StoreRolledBack, UsageError
from reconciler.host import durable
from reconciler.host.exclusive import alone_in
from reconciler.host.sqlite import copy_store, explain_os_error, overwrite_store, translated
from reconciler.host.throwaway import remove_if_empty
from reconciler.model.ports import Fs
from reconciler.providers.key_store import RestoredStore, RestoreRequest, StoreDescription
from reconciler.providers.marks import Mark
from reconciler_softkms import marks
from reconciler_softkms.backing_up import remove_copies
from reconciler_softkms.backup_file import Backup, open_backup
from reconciler_softkms.door import Door
from reconciler_softkms.identity_store import identities_text
from reconciler_softkms.inspecting import check, describe
from reconciler_softkms.renewal import Renewal, renew_everything
from reconciler_softkms.resealing import note
from reconciler_softkms.schema import WHAT
from reconciler_softkms.sealing import passphrase, seal_file
from reconciler_softkms.sealing.row import Seal, SealRow, WrappingKey, read_row, unwrap, wrap, write_row
from reconciler_softkms.store import Store

if TYPE_CHECKING:
    from reconciler_softkms.sealing.store_key import StoreKey

RESTORED: Final = "RestoreKeyStore"
DRAFT: Final = ".restoring"


def restore(door: Door, request: RestoreRequest, before: Seal | None) -> RestoredStore:
    """See ``KeepsKeyStore.restore_store``; ``before`` is the passphrase that the backup was made under."""
    store = door.store
    backup = open_backup(store.fs, request.source)
    place = (backup.description.account, backup.description.region)
    if place != (door.names.account, door.names.region):
        raise UsageError(
            f"The backup {request.source} is of account {place[0]} in {place[1]}, and its keys belong there",
            suggestion="Name the Provider of that account and Region.",
        )
    with store.lock, translated(store.path, WHAT):
        _make_folder(door)
        live = _live(door)
        _refuse_to_replace(door, request, is_live=live is not None)
        with alone_in(store.folder):
            return _restore(door, request, backup, live, before)


def _restore(
    door: Door, request: RestoreRequest, backup: Backup, live: StoreDescription | None, before: Seal | None
) -> RestoredStore:
    store = door.store
    remembered: dict[str, Mark] = {}
    if live is not None:
        _refuse_older(request, backup, live)
        remembered = _marks(door)
    draft = _drafted(door, backup)
    try:
        _check(draft, request, backup, before)
        _seal_anew(door, draft, request, backup, beyond=0 if live is None else live.generation)
        for lineage, mark in remembered.items():
            marks.raise_mark(draft, lineage, mark)
        _carry_fence(door, draft, is_live=live is not None)
        draft.store.forget_deleted()
        kept = _install(door, draft, is_live=live is not None)
    finally:
        _forget_what_was(draft)
        _remove_draft(door)
    connection = store.reading()
    if connection is None:
        raise DamagedStore(f"The key store at {store.path} is not there right after it was restored")
    described = describe(connection, store.path, store.fs, store.seals)
    policies = _restore_identities(door, request, backup)
    return RestoredStore(description=described, backup=backup.description, kept=kept, identity_policies=policies)


def _restore_identities(door: Door, request: RestoreRequest, backup: Backup) -> bool:
    """The account's identity policies, where that was asked for or there are none; whether they are as in the backup.
    Those that are there count for other Regions, too: they may be newer, and shut somebody out."""
    held = door.identities.store(door.names.account)
    there = identities_text(held.listed(None))
    if there == backup.identities:
        return True
    if there and not request.identity_policies:
        return False
    held.replace_all(backup.identities or b"[]")
    return True


def _live(door: Door) -> StoreDescription | None:
    """The store that is there, None for none and for one that is damaged beyond opening. NewerFormat, OtherShape."""
    if not door.store.exists:
        return None
    try:
        return describe(door.store.writing(), door.store.path, door.store.fs, door.store.seals)
    except DamagedStore:
        return None


def _refuse_to_replace(door: Door, request: RestoreRequest, *, is_live: bool) -> None:
    if door.store.fs.exists(door.store.path) and not request.replace:
        raise UsageError(
            f"There is a key store at {door.store.path}{'' if is_live else ', which is damaged'}",
            suggestion="Put the backup in its place with --replace; a copy of what is there now stays beside it.",
        )


def _refuse_older(request: RestoreRequest, backup: Backup, live: StoreDescription) -> None:
    if live.position > backup.description.position and not request.accept_older:
        raise StoreRolledBack(
            f"The backup {request.source} is older than the key store at {live.path}: it ends with record "
            f"{backup.description.position}, the store with record {live.position}",
            detail="Keys made since are not in it; what was revoked or destroyed since is there again.",
            suggestion="If that is what is wanted: --accept-older.",
        )


def _check(draft: Door, request: RestoreRequest, backup: Backup, before: Seal | None) -> None:
    """The backup is what was written, every key in it opens, and nobody knows of a newer one."""
    draft.store.hand_over(_opened(draft, _row(draft), request, backup, before))
    if not backup.is_proved(draft.store.seal().proofs):
        raise DamagedStore(
            f"The backup {request.source} is not what was written", suggestion="Use another. Nothing was changed."
        )
    problems = check(draft).problems
    if problems:
        raise DamagedStore(
            f"The backup {request.source} holds a damaged key store: {problems[0]}",
            suggestion="Use another. Nothing was changed.",
        )
    for lineage, mark in request.known.items():
        kept = marks.mark(draft, lineage)
        if _is_higher(mark, kept) and not request.accept_older:
            raise StoreRolledBack(
                f"The backup {request.source} is older than the project's state: it knows the state "
                + ("not at all" if kept is None else f"at serial {kept.serial}")
                + f", and that is at serial {mark.serial}",
                detail="Keys made since are not in it; what was revoked or destroyed since is there again.",
                suggestion="Use a newer backup; if there is none: --accept-older, and then reconciler plan.",
            )


def _opened(draft: Door, row: SealRow, request: RestoreRequest, backup: Backup, before: Seal | None) -> StoreKey:
    """The store key of the backup, by whatever opens it."""
    if row.kind == passphrase.KIND and before is not None:
        return draft.store.seals.open_as_found(row, other=before)
    if row.kind != seal_file.KIND:
        return draft.store.seals.open_as_found(row)
    for path, content in _seal_files(draft, request, backup):
        found = seal_file.parse(content, path)
        with found.key:
            opened = unwrap(found.key, row) if found.seal_id == row.seal_id else None
        if opened is not None:
            return opened
    raise UsageError(
        f"The backup {request.source} was made under a seal key that is neither in it nor at "
        f"{draft.store.seals.file.path}",
        suggestion="Name that file: --seal-key FILE.",
    )


def _seal_files(draft: Door, request: RestoreRequest, backup: Backup) -> list[tuple[Path, bytes]]:
    fs, found = draft.store.fs, []
    if backup.seal_file:
        found.append((request.source, backup.seal_file))
    for path in filter(None, (request.seal_key, draft.store.seals.file.path)):
        try:
            if path is request.seal_key or fs.exists(path):
                found.append((path, durable.read(fs, path)))
        except OSError as error:
            raise explain_os_error(error, path, "seal key") from error
    return found


def _seal_anew(door: Door, draft: Door, request: RestoreRequest, backup: Backup, *, beyond: int) -> None:
    """Under a new store key, and the seal that the manifest declares."""
    row, old = _row(draft), draft.store.seal()
    new = replace(old.following(door.random), generation=max(row.generation, beyond) + 1)
    try:
        wrapping = _wrapping(draft, row, request, backup)
        with wrapping.key:
            made = wrap(wrapping, new, retired=None, random=door.random)
            read_back = unwrap(wrapping.key, made)
        if read_back is None or not read_back.same_keys(new):
            raise DamagedStore("The seal does not open what it has just sealed; nothing was changed")
        with draft.store.transaction(fenced=False) as connection:
            renew_everything(Renewal(connection, door.names, old.key, new.key, door.random))
            write_row(connection, made)
            of = {"madeAt": backup.description.made_at.isoformat(), "position": backup.description.position}
            note(draft, connection, RESTORED, {**of, "generation": made.generation})
        draft.store.hand_over(read_back)
    finally:
        new.wipe()


def _wrapping(draft: Door, row: SealRow, request: RestoreRequest, backup: Backup) -> WrappingKey:
    """The wrapping key of the declared seal. Of a seal file that is the one in place; where there is none, the file
    that the backup was made under goes there first: a seal without its store is asked about, never the other way."""
    seals = draft.store.seals
    file = seals.file
    if seals.declared.kind != seal_file.KIND:
        return seals.declared.make(beside=True)
    if not draft.store.fs.exists(file.path) and row.kind == seal_file.KIND:
        for path, content in _seal_files(draft, request, backup):
            if seal_file.parse(content, path).seal_id == row.seal_id:
                seal_file.put(draft.store.fs, file.path, content, draft.random)
    return file.make(beside=False)


def _drafted(door: Door, backup: Backup) -> Door:
    """The backup's store in a folder of its own, opened under names and seals of the live one."""
    _remove_draft(door)
    store = door.store
    folder = store.folder / DRAFT
    try:
        durable.make_folder(store.fs, folder)
        durable.write_new(store.fs, folder / store.path.name, backup.store())
    except OSError as error:
        raise explain_os_error(error, folder, WHAT) from error
    draft = Store(folder, store.fs, store.random, seals=store.seals)
    return Door(draft, door.clock, door.random, door.names, identities=door.identities, siblings=door.siblings)


def _remove_draft(door: Door) -> None:
    folder = door.store.folder / DRAFT
    remove_copies(door, f"{DRAFT}/{door.store.path.name}")
    try:
        remove_if_empty(folder)
    except OSError as error:
        raise explain_os_error(error, folder, WHAT) from error


def _carry_fence(door: Door, draft: Door, *, is_live: bool) -> None:
    """Whoever was overtaken stays so, whatever the backup remembers (I13)."""
    tokens = door.store.writing().execute("SELECT lineage, token FROM fence").fetchall() if is_live else []
    with draft.store.transaction(fenced=False) as connection:
        connection.executemany(
            "INSERT INTO fence VALUES (?, ?)"
            " ON CONFLICT (lineage) DO UPDATE SET token = max(fence.token, excluded.token)",
            tokens,
        )


def _install(door: Door, draft: Door, *, is_live: bool) -> Path | None:
    """Put the draft in place; the copy of what was there."""
    store = door.store
    draft.store.close()
    when = door.clock.now().strftime("%Y%m%dT%H%M%S%f")
    beside = store.folder / f"{store.path.name}.before-restore-{when}-{door.random.bytes(3).hex()}"
    if is_live:
        copy_store(store.path, beside, WHAT)
        overwrite_store(draft.store.path, store.writing(), WHAT)
        _forget_what_was(door)
        return beside
    store.close()
    was_there = store.fs.exists(store.path)
    put_in_place(store.fs, draft.store.path, store.path, beside)
    _forget_what_was(door)
    return beside if was_there else None


def put_in_place(fs: Fs, draft: Path, path: Path, beside: Path) -> None:
    """Give the draft the store's name, and what had it the name ``beside``, SQLite's log included, which must be gone
    for good before the draft comes: it would be taken for the draft's. HostError."""
    try:
        for suffix in ("-wal", "-shm", ""):
            old = path.with_name(f"{path.name}{suffix}")
            if fs.exists(old):
                fs.rename(old, beside.with_name(f"{beside.name}{suffix}"))
        fs.fsync_dir(path.parent)
        fs.rename(draft, path)
        fs.fsync_dir(path.parent)
    except OSError as error:
        raise explain_os_error(error, path, WHAT) from error


def _forget_what_was(door: Door) -> None:
    door.forget_materials()
    door.store.close()


def _make_folder(door: Door) -> None:
    try:
        durable.make_folder(door.store.fs, door.store.folder)
    except OSError as error:
        raise explain_os_error(error, door.store.folder, WHAT) from error


def _marks(door: Door) -> dict[str, Mark]:
    """What the live store remembers of states, as far as it can prove it."""
    found: dict[str, Mark] = {}
    for (lineage,) in door.store.writing().execute("SELECT lineage FROM mark").fetchall():
        with suppress(ReconcilerError):  # one that cannot be proved, or a seal that cannot be opened, proves nothing
            mark = marks.mark(door, lineage)
            if mark is not None:
                found[lineage] = mark
    return found


def _is_higher(mark: Mark, than: Mark | None) -> bool:
    return than is None or (mark.token, mark.serial) > (than.token, than.serial)


def _row(draft: Door) -> SealRow:
    row = read_row(draft.store.writing())
    if row is None:
        raise DamagedStore("The backup holds a store that was never sealed", suggestion="Use another backup.")
    return row
