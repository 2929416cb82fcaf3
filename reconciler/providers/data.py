"""What data planes share, and WarehouseProvider (TableProvider stands in ``tables.py``): where encrypted data lives.

The grain is that of the public APIs; what happens inside one call (CEK, DEK, segments) is the provider's, under its own
journal (DESIGN 3). Every mutating call takes ``token``: the same call again with the same token changes nothing more
and answers the same (I11). Every call takes the caller on whose behalf the data plane asks the key service (KM6).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from reconciler.access.caller import Caller
from reconciler.model.due_work import DueWork

if TYPE_CHECKING:
    from reconciler.providers.warehouse import Inaccessibility, SnapshotSchedule

Progress = Callable[[str, int | None, int | None], None]


class RootKind(StrEnum):
    """What stands at the top of a hierarchy (RE3)."""

    NONE = "none"  # not encrypted
    OWNED = "owned"  # the key service's own default key (KM8)
    KMS = "kms"  # a customer-managed key
    HSM = "hsm"
    LOST = "lost"  # encrypted, and the wrapped keys are gone: under which root nobody knows any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The chosen top. ``key_arn`` for KMS, ``partition`` (the ARN of an HSM's partition) for HSM, neither otherwise."""

    kind: RootKind
    key_arn: str | None = None
    partition: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """One thing that a key still opens: what the census of a key is made of (I3).

    ``key_arn`` is that of the HSM's partition for what is rooted in one, and ``ANY_KEY`` where nobody knows any more
    which it was: that counts as a use of each. ``what`` is
    cluster, snapshot, snapshot-copy-grant, table, cluster-key, key-store …; ``name`` its name at the provider, ``arn``
    its ARN; ``bytes`` the data that become unreadable without the key. ``of`` is the ARN of the cluster that a snapshot
    was taken of, while that exists and the snapshot follows it to another key. ``automated``: the service took that
    snapshot by itself; ``source_region``: it is a copy that came from there. ``expires_at``: when it goes by itself,
    None: never. ``grant_id``: the grant through which the data plane reaches the key. ``escrow_arn``: the key that
    opens the same data should this one be lost (RE14). What is wrapped under an escrow key is a use of that one, too,
    with ``what`` "escrow", its cluster's name and ARN, and the bytes that only it would open then.
    """

    key_arn: str
    what: str
    name: str
    arn: str
    bytes: int = 0
    of: str | None = None
    automated: bool = False
    source_region: str | None = None
    expires_at: datetime | None = None
    grant_id: str | None = None
    escrow_arn: str | None = None


ANY_KEY: Final = "*"
INCOMPATIBLE_HSM: Final = "incompatible-hsm"
"""Status of a cluster whose partition failed its checks: nothing of it was made, and it can only be deleted (HS5)."""


@runtime_checkable
class CountsKeyUses(Protocol):
    """A data plane that can say what each key still opens, from what is durably stored, without using a key; or a key
    service whose own store a key of another service seals."""

    def key_uses(self, key_arn: str | None = None) -> list[KeyUse]:
        """Everything wrapped under any key, managed by a manifest or not; with ``key_arn`` only what is wrapped under
        that one or under nobody knows which, at the cost of those alone. DamagedStore: nothing can be said."""


@runtime_checkable
class Expires(Protocol):
    """A data plane that keeps some things for a time only."""

    def expire(self) -> list[str]:
        """Remove what its retention is over for, each in one commit; names of what went. Only for an apply that holds
        the state's lock; asks no key, and no HSM unless something is over."""


@runtime_checkable
class ListsDueWork(Protocol):
    """A provider that says beforehand what ``Expires`` and ``DoesDueWork`` will do."""

    def due_work(self, caller: Caller, *, at: datetime, leave: Collection[str] = ()) -> list[DueWork]:
        """What an apply at that time does by itself and tells of, in its order; a thing that cannot be done is still
        listed after it. Decided by what decides in the apply, from what is stored: writes nothing, uses no key, asks no
        HSM, and asks the key service at most how its keys are. ``leave``: clusters whose interrupted change whoever
        calls takes up by itself; what follows of it is listed all the same."""


@runtime_checkable
class ClearsUp(Protocol):
    """A data plane whose calls, when their process is killed at the very end, leave something that no later call needs
    to repeat: the object is gone or changed already."""

    def clear_up(self) -> None:
        """Remove what nothing refers to any more: files, wrapped keys, the service's own grants. Objects stay as they
        are, and so does what a call that is repeated goes on with. No error when there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRequest:
    """What a new cluster shall be."""

    name: str
    node_type: str
    nodes: int
    database: str
    root: Root


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTable:
    """A table of a cluster. ``loads`` are the SHA-256 digests (hex) of the files loaded, in order; ``backup`` False
    is BACKUP NO (RE10)."""

    name: str
    rows: int
    bytes: int
    backup: bool
    loads: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStatus:
    """Copying of a cluster's snapshots to another Region (SC2)."""

    region: str
    grant_name: str | None
    retention_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestMark:
    """How far a cluster's data have come: the version of its manifest, which rises with every commit, and the tag (hex)
    that seals it. Kept elsewhere it tells when a whole warehouse, authentic in itself, was set back (I16)."""

    version: int
    tag: str

    def is_behind(self, known: ManifestMark) -> bool:
        """Whether what is there is from before ``known``, or came as far on another way. One that came further is told
        by the tag that it had then (``RemembersManifests``)."""
        return self.version < known.version or (self.version == known.version and self.tag != known.tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterDescription:
    """A cluster as its warehouse describes it; asks no key service.

    ``status`` is a public ClusterStatus (``available``, ``rotating-keys``, ``inaccessible-kms-key`` …).
    ``created_at`` is when its creation was requested. ``cek_id`` and ``dek_id`` name the live keys (None when not
    encrypted), ``grant_id`` the grant that the warehouse holds on a customer-managed root. ``rotated_at`` is when the
    keys were last made. ``keys_verified`` False: it was moved to a partition by its connection only, and its keys were
    not tried there yet (HS6). ``schedule`` is that of automated snapshots, ``escrow_arn`` the key that every DEK is
    wrapped under a second time (RE14), ``inaccessible`` why and until when its data wait for their root key (RE8).
    ``awaits_snapshot``: it was encrypted while it was there, and no snapshot of it was completed since: that is not
    done yet, and has not failed (RE10). ``manifest`` is None where the warehouse keeps none.
    """

    name: str
    arn: str
    uid: str
    status: str
    node_type: str
    nodes: int
    database: str
    created_at: datetime
    root: Root
    cek_id: str | None
    dek_id: str | None
    grant_id: str | None
    rotated_at: datetime | None
    tables: tuple[LoadedTable, ...]
    copy: CopyStatus | None = None
    keys_verified: bool = True
    schedule: SnapshotSchedule | None = None
    escrow_arn: str | None = None
    inaccessible: Inaccessibility | None = None
    awaits_snapshot: bool = False
    manifest: ManifestMark | None = None

    @property
    def encrypted(self) -> bool:
        """Whether data are ciphertext on disk."""
        return self.root.kind is not RootKind.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotDescription:
    """A snapshot, or a copy of one that came from another Region (``source_region``). ``kind`` is manual or automated.

    ``cluster_uid`` stays that of the cluster it was taken of, even after a rename (SC1).
    """

    name: str
    arn: str
    uid: str
    cluster: str
    cluster_uid: str
    kind: str
    status: str
    created_at: datetime
    root: Root
    bytes: int
    source_region: str | None = None
    source_arn: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyGrantDescription:
    """A snapshot copy grant in this (destination) Region (SC2). ``root`` is owned or a customer-managed key here.

    ``copying`` are the ARNs of the clusters that copy through it now.
    """

    name: str
    arn: str
    root: Root
    grant_id: str | None
    copying: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A statement's answer: column names and rows of plain Python values."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class WarehouseProvider(Protocol):
    """Encrypted clusters of one account and Region (RE), their snapshots and copies (SC)."""

    @property
    def account(self) -> str:
        """Its account, 12 digits."""

    @property
    def region(self) -> str:
        """Its Region."""

    def create_cluster(self, caller: Caller, request: ClusterRequest, *, token: str) -> ClusterDescription:
        """A new cluster with its hierarchy made and read back (RE4–RE6, I2). AlreadyExistsException.

        HsmUnavailable or IncompatibleHsm when its partition fails the checks (HS5): then no key was made. What is left
        of the cluster, if anything, has the status ``INCOMPATIBLE_HSM``; ``find_cluster`` finds that, and
        ``delete_cluster`` removes it."""

    def find_cluster(self, caller: Caller, *, token: str) -> ClusterDescription | None:
        """The cluster that ``create_cluster`` made for that token, if it did (recovery, I10)."""

    def describe_clusters(self, caller: Caller, names: Collection[str] | None = None) -> list[ClusterDescription]:
        """All clusters, or those of these names (absent ones are left out), ordered by name."""

    def resize_cluster(self, caller: Caller, name: str, *, node_type: str, nodes: int) -> None:
        """Change the cluster's nodes; no error when it has them."""

    def modify_encryption(
        self, caller: Caller, name: str, root: Root, *, progress: Progress, token: str
    ) -> ClusterDescription:
        """Give the cluster another root, in place (RE2): off → on re-encrypts, on → off decrypts, key → key re-wraps
        and takes its snapshots along. Resumable; ends only when it is complete; no-op when the cluster has that root.
        The old key's grant is retired only when nothing refers to it."""

    def rotate_encryption_key(self, caller: Caller, name: str, *, progress: Progress, token: str) -> ClusterDescription:
        """A new CEK for the cluster and each of its snapshots, a new DEK for the cluster, key tables re-sealed
        (RO1)."""

    def delete_cluster(self, caller: Caller, name: str) -> None:
        """Remove the cluster and its data; snapshots stay, with the keys that they need. No error when it is gone."""

    def load_table(
        self,
        caller: Caller,
        name: str,
        table: str,
        files: Sequence[Path],
        *,
        backup: bool,
        progress: Progress,
        token: str,
        digests: Sequence[str] = (),
    ) -> LoadedTable:
        """Make the table (if absent) and load CSV or Parquet files into it, each digest once per table (CONTRACT 1).
        ``digests``: the planned SHA-256s (hex), of whatever when empty; ConflictException before another is kept."""

    def select(self, caller: Caller, name: str, statement: str) -> QueryResult:
        """The answer of a SELECT over the cluster's tables, in memory only. ValidationException for anything else,
        AccessDeniedException for a caller of another account."""

    def create_snapshot(
        self, caller: Caller, cluster: str, name: str, *, retention_days: int | None, token: str
    ) -> SnapshotDescription:
        """A manual snapshot: references to immutable data and keys, nothing rewritten."""

    def describe_snapshots(self, caller: Caller, names: Collection[str] | None = None) -> list[SnapshotDescription]:
        """All snapshots and copies here, or those of these names, ordered by name."""

    def delete_snapshot(self, caller: Caller, name: str) -> None:
        """Remove a snapshot; its keys go only when nothing else refers to them. No error when it is gone."""

    def create_snapshot_copy_grant(self, caller: Caller, name: str, root: Root, *, token: str) -> CopyGrantDescription:
        """Let this Region receive copies under ``root`` (owned or KMS). AlreadyExistsException."""

    def describe_snapshot_copy_grants(
        self, caller: Caller, names: Collection[str] | None = None
    ) -> list[CopyGrantDescription]:
        """All copy grants here, or those of these names, ordered by name."""

    def delete_snapshot_copy_grant(self, caller: Caller, name: str) -> None:
        """Remove a copy grant, if it is there; ConflictException while a cluster copies through it."""

    def enable_snapshot_copy(
        self, caller: Caller, cluster: str, destination: WarehouseProvider, *, grant: str | None, retention_days: int
    ) -> None:
        """Copy this cluster's snapshots to ``destination`` from now on. The grant must exist there (SC2)."""

    def disable_snapshot_copy(self, caller: Caller, cluster: str) -> None:
        """No longer copy; copies made stay. No error when it is off."""

    def copy_snapshot(
        self, caller: Caller, snapshot: str, destination: WarehouseProvider, *, progress: Progress, token: str
    ) -> SnapshotDescription:
        """Copy one snapshot under the destination's root (SC4) and verify it there; no-op when the copy exists."""


@runtime_checkable
class ReplacesTables(Protocol):
    """A warehouse that can put other data in the place of a table's (``mode: replace``, CONTRACT 1)."""

    def replace_table(
        self,
        caller: Caller,
        name: str,
        table: str,
        files: Sequence[Path],
        *,
        progress: Progress,
        token: str,
        digests: Sequence[str] = (),
    ) -> LoadedTable:
        """The table then holds these files and nothing else, in one switch; no-op when it does."""


@runtime_checkable
class RenamesClusters(Protocol):
    """A warehouse that gives a cluster another name. Its name is in the encryption context of its keys (RE5)."""

    def rename_cluster(self, caller: Caller, old: str, new: str, *, token: str) -> ClusterDescription:
        """The cluster under its new name: keys re-wrapped to the new context, a grant for that made before the old one
        goes, data untouched; snapshots keep working. Resumable. AlreadyExistsException for a name in use,
        InvalidClusterStateFault while copying is on (SC3)."""


@runtime_checkable
class TakesHsmRoots(Protocol):
    """A warehouse whose clusters may be rooted in a partition of an HSM (HS2, HS3)."""

    def takes_hsm_root(self, node_type: str) -> bool:
        """Whether a cluster of that node type may (HS8)."""
