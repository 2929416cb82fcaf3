"""What a warehouse may be able to do beyond ``WarehouseProvider``: each a capability that a plan asks for by name.

As there, every mutating call takes ``token``: the same call again with the same token changes nothing more (I11).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from reconciler.access.caller import Caller
from reconciler.providers.data import ClusterDescription, ClusterRequest, LoadedTable, Progress, QueryResult, Root


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementResult:
    """A statement that ran. ``answer`` is a SELECT's, ``rows_changed`` how many rows another one inserted, deleted or
    updated (None where rows are not what it changes)."""

    verb: str
    answer: QueryResult | None = None
    rows_changed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFile:
    """A file of the project: where it lies, and the SHA-256 (hex) of what was found there below the project and through
    no link. What is read later counts only if it is the same."""

    path: Path
    sha256: str


OpenFile = Callable[[str], StatementFile]


@runtime_checkable
class ExecutesStatements(Protocol):
    """A warehouse whose tables are changed by statements: INSERT, COPY, UPDATE, DELETE, CREATE TABLE, CREATE TABLE AS,
    DROP TABLE, TRUNCATE."""

    def execute(self, caller: Caller, name: str, statement: str, *, open_file: OpenFile, token: str) -> StatementResult:
        """Run one statement, whole or not at all. ``open_file`` finds a project's file that COPY names, or raises.
        ValidationException for what is no such statement; InvalidClusterStateFault while the cluster is
        read-only; AccessDeniedException for a caller of another account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSchedule:
    """Automated snapshots: how often, and how long each is kept (SC1)."""

    every: timedelta
    retention: timedelta


@runtime_checkable
class SchedulesSnapshots(Protocol):
    """A warehouse that makes snapshots by itself. Due ones are made by ``DoesDueWork``."""

    def set_snapshot_schedule(self, caller: Caller, name: str, schedule: SnapshotSchedule | None) -> None:
        """The cluster's schedule from now on, None for none; no error when it has it."""


@runtime_checkable
class DoesDueWork(Protocol):
    """A warehouse with work that comes due by itself: automated snapshots, retention, a root key that was lost or came
    back (RE8), compaction, an interrupted change. Due is what stored timestamps say (RE2)."""

    def do_due_work(self, caller: Caller, *, progress: Progress, leave: Collection[str] = ()) -> list[str]:
        """Do what is due; a sentence for each thing that was done. What cannot be done now is told as an event and
        does not keep the rest from being done. Only for an apply, a watch or a server that holds the state's lock.
        ``leave``: clusters whose interrupted change whoever calls takes up by itself, and then knows what it did."""


@runtime_checkable
class RestoresSnapshots(Protocol):
    """A warehouse that makes a cluster, or a table, of a snapshot."""

    def restore_cluster(
        self, caller: Caller, request: ClusterRequest, snapshot: str, *, progress: Progress, token: str
    ) -> ClusterDescription:
        """A new cluster with the snapshot's tables, under ``request.root``; references only where the keys may stay,
        new keys for what is written from now on (I6). AlreadyExistsException, ResourceNotFoundException."""

    def restore_table(
        self, caller: Caller, cluster: str, snapshot: str, table: str, new_name: str, *, progress: Progress, token: str
    ) -> LoadedTable:
        """One table of the cluster's own snapshot beside what is there. InvalidClusterStateFault for a table of a
        snapshot from before the cluster was encrypted (RE11)."""


@runtime_checkable
class ReEncrypts(Protocol):
    """A warehouse that writes a cluster's data again under new keys of all tiers (``reencrypt: true``)."""

    def re_encrypt(self, caller: Caller, name: str, *, progress: Progress, token: str) -> ClusterDescription:
        """New CEK, new DEK, every block under a new key. Online like an encryption. Snapshots stay as they are."""


@runtime_checkable
class LeavesSnapshotsBehind(Protocol):
    """A warehouse that gives a cluster another root and not its snapshots (``snapshotsFollow: false``)."""

    def switch_root_alone(
        self, caller: Caller, name: str, root: Root, *, progress: Progress, token: str
    ) -> ClusterDescription:
        """As ``modify_encryption`` from one root to another, but the cluster's snapshots stay under the one that they
        are under: they need it for as long as they exist, and the census says so (``KeyUse.of`` None)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEstimate:
    """What a change of encryption moves. ``seconds`` from what was measured so far here, None: nothing was yet."""

    bytes: int
    segments: int
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeProgress:
    """A change of encryption that is under way. ``bytes_per_second`` of this change so far; ``seconds_left`` by it."""

    verb: str
    token: str
    begun_at: datetime
    bytes_done: int
    bytes_total: int
    segments_done: int
    segments_total: int
    bytes_per_second: float | None
    seconds_left: float | None


@runtime_checkable
class EstimatesChanges(Protocol):
    """A warehouse that says what a change of encryption costs and how far one is; uses no key, writes nothing."""

    def estimate_change(self, name: str) -> ChangeEstimate | None:
        """What encrypting, decrypting or re-encrypting the cluster would move; None when there is no such cluster."""

    def change_progress(self, name: str) -> ChangeProgress | None:
        """How far the cluster's unfinished change is, None when there is none."""


@runtime_checkable
class KeepsEscrow(Protocol):
    """A warehouse that wraps every DEK a second time under an escrow key, against the loss of the root (RE14)."""

    def set_escrow(self, caller: Caller, name: str, key_arn: str | None, *, token: str) -> None:
        """The cluster's escrow key from now on (None: none): every DEK that it and its snapshots have is wrapped under
        it, read back and opened, before it counts. No error when it has it."""


class RootKeyState(StrEnum):
    """What became of a root key (RE8)."""

    USABLE = "usable"
    DISABLED = "disabled"
    PENDING_DELETION = "pending-deletion"
    ACCESS_REMOVED = "access-removed"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inaccessibility:
    """A cluster whose root key is lost: since when, until when it waits, which snapshot is its sealed backup (called
    the same at each loss of one cluster), and what opens that backup: the ARN of the escrow key, None: nothing but the
    root key ("unrecoverable", RE14)."""

    since: datetime
    deadline: datetime
    cause: RootKeyState
    backup: str | None
    escrow_arn: str | None = None


class EventSeverity(StrEnum):
    """As the reference has it."""

    INFO = "INFO"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterEvent:
    """Something that happened to a cluster, told once. ``category`` is management, security or monitoring."""

    at: datetime
    cluster: str
    category: str
    severity: EventSeverity
    message: str


@runtime_checkable
class RemembersManifests(Protocol):
    """A warehouse that knows by which manifests its clusters came to where they are (``ManifestMark``)."""

    def manifest_tags(self, versions: Mapping[str, int]) -> Mapping[str, str]:
        """By the uids of clusters: the tag (hex) of that version of each one's manifest, which is another in a copy
        that went on from an older one (I16). None for a version that is too long ago, or was never reached."""


@runtime_checkable
class TellsEvents(Protocol):
    """A warehouse that remembers what happened to its clusters."""

    def events(self, name: str, *, limit: int = 20) -> list[ClusterEvent]:
        """The cluster's events, newest first, those from before a rename too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataShareDescription:
    """A share of some of a producer's tables with a consumer, both clusters of this Region. ``status`` is ACTIVE, or
    UNAVAILABLE while the producer or the consumer is out of reach (RE8)."""

    name: str
    arn: str
    uid: str
    producer: str
    consumer: str
    tables: tuple[str, ...]
    status: str
    created_at: datetime


@runtime_checkable
class SharesData(Protocol):
    """A warehouse whose clusters query tables of others."""

    def create_data_share(
        self, caller: Caller, name: str, *, producer: str, consumer: str, tables: Sequence[str], token: str
    ) -> DataShareDescription:
        """The consumer may select from ``<share>.<table>``. AlreadyExistsException, ResourceNotFoundException."""

    def alter_data_share(self, caller: Caller, name: str, *, tables: Sequence[str]) -> DataShareDescription:
        """The share has these tables and no others."""

    def describe_data_shares(self, caller: Caller, names: Collection[str] | None = None) -> list[DataShareDescription]:
        """All shares, or those of these names, ordered by name."""

    def delete_data_share(self, caller: Caller, name: str) -> None:
        """No longer shared; no error when it is gone."""


class ExportForm(StrEnum):
    """What an export is written as."""

    PARQUET = "parquet"
    """In clear: for whoever reads the disk, too."""
    ENCRYPTED_PARQUET = "encrypted-parquet"
    """Parquet Modular Encryption: every file under a data key of its own, which a key of the key service wraps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedTable:
    """A table that was written. ``files`` are relative to the export's folder."""

    name: str
    rows: int
    bytes: int
    files: tuple[str, ...]


@runtime_checkable
class ExportsTables(Protocol):
    """A warehouse whose tables are written as files that other tools read."""

    def export_tables(
        self,
        caller: Caller,
        name: str,
        tables: Sequence[str],
        folder: Path,
        *,
        form: ExportForm,
        key_id: str | None,
        progress: Progress,
    ) -> list[ExportedTable]:
        """These tables (none named: all that have columns), as they were at one commit, in a new folder, whole or not
        at all. ``key_id`` wraps the files' data keys on the caller's behalf (KM6); None for ``ExportForm.PARQUET``
        alone. AlreadyExistsException when something has the folder's name; ResourceNotFoundException;
        AccessDeniedException for a caller of another account."""
