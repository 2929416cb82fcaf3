"""TableProvider: wide-column tables, each with a key of its own. The promises of ``data.py`` hold here too."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from reconciler.access.caller import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column and its CQL type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteringColumn:
    """A clustering key column; ``order`` is ASC or DESC."""

    name: str
    order: str = "ASC"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema:
    """Columns and keys of a wide-column table."""

    columns: tuple[Column, ...]
    partition_key: tuple[str, ...]
    clustering_key: tuple[ClusteringColumn, ...] = ()
    static: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRequest:
    """What a new table shall be. ``key_arn`` None: the owned key (KS2)."""

    keyspace: str
    name: str
    schema: TableSchema
    key_arn: str | None


INACCESSIBLE: Final = "INACCESSIBLE_ENCRYPTION_CREDENTIALS"  # the public status of a table that its key cannot open


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDescription:
    """A table as its service describes it; asks no key service. ``status`` is a public table status (ACTIVE, CREATING
    …); of an INACCESSIBLE one ``key_arn`` is the key that it was made under, and its table key is lost.

    ``table_key_id`` names the table key (KS1); ``grant_id`` the table's own grant (KS5), None under the owned key.
    """

    keyspace: str
    name: str
    arn: str
    uid: str
    status: str
    schema: TableSchema
    key_arn: str | None
    table_key_id: str
    grant_id: str | None
    rows: int
    bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyspaceDescription:
    """A keyspace; ``replication`` is a label only."""

    name: str
    arn: str
    replication: str


class TableProvider(Protocol):
    """Wide-column tables of one account and Region, each under its own table key (KS1–KS7)."""

    @property
    def account(self) -> str:
        """Its account, 12 digits."""

    @property
    def region(self) -> str:
        """Its Region."""

    def create_keyspace(self, caller: Caller, name: str, *, replication: str, token: str) -> KeyspaceDescription:
        """A new keyspace; AlreadyExistsException."""

    def describe_keyspaces(self, caller: Caller, names: Collection[str] | None = None) -> list[KeyspaceDescription]:
        """All keyspaces, or those of these names, ordered by name."""

    def delete_keyspace(self, caller: Caller, name: str) -> None:
        """Remove an empty keyspace; ConflictException while it has tables. No error when it is gone."""

    def create_table(self, caller: Caller, request: TableRequest, *, token: str) -> TableDescription:
        """A new table with its own key and, under a KMS key, its grant (KS1, KS5); InvalidRequestException (KS3)."""

    def find_table(self, caller: Caller, *, token: str) -> TableDescription | None:
        """The table that ``create_table`` made for that token, if it did (recovery, I10)."""

    def describe_tables(
        self, caller: Caller, names: Collection[tuple[str, str]] | None = None
    ) -> list[TableDescription]:
        """All tables, or those of these (keyspace, name) pairs, ordered by keyspace and name."""

    def update_table_encryption(
        self, caller: Caller, keyspace: str, table: str, key_arn: str | None, *, token: str
    ) -> TableDescription:
        """Put the table under another key, or the owned one (None), in both directions (KS2): the table key is
        re-wrapped, data are untouched; the old grant is retired after. No-op when the table has that key."""

    def delete_table(self, caller: Caller, keyspace: str, table: str) -> None:
        """Drop the table, its key and its grant (KS5). No error when it is gone."""

    def put_rows(self, caller: Caller, keyspace: str, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert or replace rows by their primary key."""

    def get_rows(self, caller: Caller, keyspace: str, table: str, partition: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of one partition, in clustering order."""
