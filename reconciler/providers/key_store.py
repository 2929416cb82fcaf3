"""A key provider that keeps its keys in a store of its own on this machine: its seal, its backups (``keystore``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from reconciler.providers.marks import Mark
from reconciler.providers.secret_source import SecretSource


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDescription:
    """A key store as it is found, with nothing opened. ``seal`` says in words what it is sealed by, None before its
    first key; ``generation`` counts its seals. ``position`` rises with all that is recorded there."""

    path: Path
    seal: str | None
    is_as_declared: bool
    generation: int
    keys: int
    materials: int
    position: int
    size: int


class ResealedStore(NamedTuple):
    """What it is sealed by now; ``renewed`` counts the key materials that were put under a new store key."""

    seal: str
    generation: int
    changed: bool
    renewed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCheck:
    """What opening everything has shown: ``opened`` materials are what they were when sealed."""

    opened: int
    marks: int
    audit_records: int
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupDescription:
    """A backup, by what it says of itself. ``has_seal_key``: whoever holds the file can open the keys.
    ``identity_policies`` counts those of the whole account that are in it."""

    account: str
    region: str
    made_at: datetime
    seal: str
    generation: int
    position: int
    keys: int
    has_seal_key: bool
    size: int
    identity_policies: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """``replace`` lets a store go that is there (a copy of it stays beside), ``accept_older`` one that is newer, or of
    which newer is known: ``known`` is how far the project's state has come, by lineage. ``seal_key`` is the seal file
    that the backup was made under, where neither the backup nor the store's folder has it. ``identity_policies``: the
    account's of the backup replace those that are there, in all its Regions; where there are none they come back
    anyway."""

    source: Path
    replace: bool = False
    accept_older: bool = False
    seal_key: Path | None = None
    passphrase: SecretSource | None = None
    identity_policies: bool = False
    known: dict[str, Mark] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredStore:
    """``kept`` is the copy of what was there before; ``identity_policies`` whether those of the backup are in place."""

    description: StoreDescription
    backup: BackupDescription
    kept: Path | None
    identity_policies: bool = False


@runtime_checkable
class KeepsKeyStore(Protocol):
    """The store as a whole. Errors: DamagedStore, NewerFormat, OtherShape, HostError, WrongPassphrase,
    SealNotAsDeclared, or what a service that seals it answers; none of them changes anything."""

    def describe_store(self) -> StoreDescription | None:
        """None when there is none yet. Opens no key."""

    def check_store(self) -> StoreCheck:
        """Open everything that is sealed, prove everything that is proved."""

    def reseal_store(self, *, renew: bool, old_passphrase: SecretSource | None = None) -> ResealedStore:
        """Seal it as declared; ``renew``: with a new seal and a new store key. Safe to repeat, and safe to be killed.
        ``old_passphrase`` opens it where that is not the declared one. NotFoundException without a store."""

    def back_up_store(self, target: Path, *, with_seal_key: bool) -> BackupDescription:
        """Write a backup to a file that is not there yet, and read it back. Never with what opens it unless
        ``with_seal_key``. NotFoundException without a store."""

    def check_backup(self, source: Path) -> BackupDescription:
        """What a backup says of itself, if all of it is there; opens no key."""

    def restore_store(self, request: RestoreRequest) -> RestoredStore:
        """Put a backup in the store's place, under a new store key. StoreRolledBack, UsageError as the request does
        not allow it."""
