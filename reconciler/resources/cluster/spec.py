"""What a Cluster manifest says: an encrypted data warehouse (RE) and the tables to be loaded into it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, model_validator

from reconciler.resources.field_types import (
    Boolean,
    Duration,
    HsmPartitionRef,
    Integer,
    KeyRef,
    SnapshotRef,
    SortedSet,
    Word,
    refuse,
    text,
)
from reconciler.resources.spec import Spec, Strict

NodeType = Annotated[str, text(r"(ra3|dc2)\.[a-z0-9]{1,20}", "a node type such as ra3.xlplus or dc2.large")]
SqlName = Annotated[str, text(r"[a-z_][a-z0-9_]{0,126}", "a name of small letters, digits and _, not a digit first")]


class Rotation(Strict):
    """``every`` is desired state, a changed ``trigger`` rotates once (CONTRACT 1, RO1)."""

    every: Annotated[timedelta, Duration("1h", "3650d")] | None = None
    trigger: Word | None = None


class Encryption(Strict):
    """The root of the hierarchy (RE3, HS1): exactly one of ``key``, ``hsm``, ``owned: true`` and ``enabled: false``.

    ``snapshots_follow`` false: another root is the cluster's alone, its snapshots stay under theirs. ``reencrypt``:
    data are written again under new keys of every tier, once for each root and each rotation trigger; recorded at
    create or import without doing so, as the trigger is. ``escrow``: a second key that opens every DEK, should the root
    be lost (RE14)."""

    key: KeyRef | None = None
    hsm: Annotated[HsmPartitionRef | None, Field(exclude_if=lambda value: value is None)] = None
    owned: Boolean = False
    enabled: Boolean = True
    rotation: Rotation = Rotation()
    snapshots_follow: Boolean = True
    reencrypt: Boolean = False
    escrow: Annotated[KeyRef | None, Field(exclude_if=lambda value: value is None)] = None

    @model_validator(mode="after")
    def _one_root(self) -> Encryption:
        if (self.key is not None) + (self.hsm is not None) + self.owned + (not self.enabled) != 1:
            raise refuse("must hold exactly one of key, hsm, owned: true and enabled: false", code="exactly-one")
        if not self.enabled and self.rotation != Rotation():
            raise refuse("has nothing to rotate while enabled is false (RO1)", field="rotation")
        if not self.enabled and self.reencrypt:
            raise refuse("has nothing to write again under new keys while enabled is false", field="reencrypt")
        if not self.enabled and self.escrow is not None:
            raise refuse("has no keys to wrap a second time while enabled is false (RE14)", field="escrow")
        if self.escrow is not None and self.escrow == self.key:
            raise refuse(
                "must be another key than the root: whoever loses that loses both (RE14)",
                field="escrow",
                suggestion="Name a second Key, best of one that other people administer.",
            )
        return self


class Snapshots(Strict):
    """Automated snapshots (SC1): one every so often, each kept for ``retention``."""

    every: Annotated[timedelta, Duration("1h", "30d")] = timedelta(hours=8)
    retention: Annotated[timedelta, Duration("1d", "35d", whole_days=True)] = timedelta(days=1)


class DataFile(Strict):
    """A CSV or Parquet file of the project. A manifest writes its path; the digest is of what it holds now, so it is
    known at plan whether a table's data changed (CONTRACT 1)."""

    path: Annotated[str, text(r".*\.(csv|csv\.gz|parquet)", "a .csv, .csv.gz or .parquet file")]
    sha256: Annotated[str, text(r"[0-9a-f]{64}", "a SHA-256 in hex")]

    @model_validator(mode="before")
    @classmethod
    def _digest(cls, data: Any, info: ValidationInfo) -> Any:
        if info.context is None:
            return data  # from the state or the cache, digest and all
        if not isinstance(data, str):
            raise refuse("must be the path of a file of the project")
        if not data.endswith((".csv", ".csv.gz", ".parquet")):
            raise refuse("must name a .csv, .csv.gz or .parquet file")
        try:
            return {"path": data, "sha256": info.context.sha256(data)}
        except ValueError as error:
            raise refuse(f"names {data}, which cannot be used: {error}") from None


class ClusterTable(Strict):
    """A table to be made and loaded. ``backup`` false is BACKUP NO (RE10). ``mode`` says what a changed file means."""

    name: SqlName
    backup: Boolean = True
    load: tuple[DataFile, ...] = ()
    mode: Literal["append", "replace"] | None = None


class ClusterSpec(Spec):
    """``encryption`` None means that the manifest is silent: owned at creation, and blocked later if the cluster has
    another root (CONTRACT 1). ``waiver`` names what permits regulated data to be unencrypted; the state keeps it
    (RE13). ``snapshots`` None: no automated ones. ``restore_from`` is what the cluster is made of, once."""

    name_pattern: ClassVar[str] = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
    name_form: ClassVar[str] = "1 to 63 small letters, digits and inner hyphens, a letter first"

    unobserved: ClassVar[tuple[str, ...]] = (
        *("encryption.rotation", "encryption.snapshotsFollow", "encryption.reencrypt"),
        *("acknowledge", "waiver", "restoreFrom"),
    )
    same_place: ClassVar[tuple[str, ...]] = ("encryption.hsm", "restore_from")

    node_type: NodeType = "ra3.xlplus"
    nodes: Annotated[Integer, Field(ge=1, le=128)] = 1
    database: SqlName = "dev"
    encryption: Encryption | None = None
    acknowledge: Annotated[tuple[Literal["backup-no-loss"], ...], SortedSet] = ()
    tables: tuple[ClusterTable, ...] = ()
    waiver: Word | None = None
    snapshots: Annotated[Snapshots | None, Field(exclude_if=lambda value: value is None)] = None
    restore_from: Annotated[SnapshotRef | None, Field(exclude_if=lambda value: value is None)] = None

    @model_validator(mode="after")
    def _each_table_once(self) -> ClusterSpec:
        seen: set[str] = set()
        for index, table in enumerate(self.tables):
            if table.name in seen:
                raise refuse(f'names "{table.name}" a second time', field=("tables", index, "name"))
            seen.add(table.name)
        return self
