"""Keys as the store keeps them: reading rows, naming them, describing them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from reconciler.providers.keys import KeyDescription, KeyState

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
OWNED_ALIASES = "alias/aws/"
EXTERNAL = "EXTERNAL"  # the origin of a key whose material is imported
COLUMNS = (
    "key_id, owner, description, key_spec, key_usage, state, multi_region, created_at, material_id, rotated_at,"
    " rotation_days, deletion_at, policy, tags, origin, expires_at, rotation_at, waiting_days, primary_region,"
    " replicas, shared_serial, unsettled"
)


class KeyRow(NamedTuple):
    """One row of ``keys``. ``owner`` is the service that owns the key, None for a customer-managed one; ``policy``,
    ``tags`` and ``replicas`` are JSON. ``schema`` says what the numbers are."""

    key_id: str
    owner: str | None
    description: str
    key_spec: str
    key_usage: str
    state: str
    multi_region: int
    created_at: int
    material_id: str
    rotated_at: int
    rotation_days: int | None
    deletion_at: int | None
    policy: str | None
    tags: str
    origin: str = "AWS_KMS"
    expires_at: int | None = None
    rotation_at: int | None = None
    waiting_days: int | None = None
    primary_region: str | None = None
    replicas: str = "[]"
    shared_serial: int = 0
    unsettled: int = 0


def microseconds(moment: datetime) -> int:
    """A time as the store keeps it."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def microseconds_of_days(days: int) -> int:
    """A number of days as the store counts."""
    return timedelta(days=days) // _MICROSECOND


def moment(kept: int) -> datetime:
    """A time as the store kept it."""
    return EPOCH + timedelta(microseconds=kept)


def key_by_id(connection: sqlite3.Connection, key_id: str) -> KeyRow | None:
    """The key of that id."""
    return _first(connection.execute(f"SELECT {COLUMNS} FROM keys WHERE key_id = ?", (key_id,)))  # noqa: S608 - fixed text


def key_by_alias(connection: sqlite3.Connection, name: str) -> KeyRow | None:
    """The key that the alias names; ``alias/aws/redshift`` is the one that the service owns."""
    if name.startswith(OWNED_ALIASES):
        return key_by_owner(connection, f"{name.removeprefix(OWNED_ALIASES)}.amazonaws.com")
    found = connection.execute("SELECT key_id FROM aliases WHERE name = ?", (name,)).fetchone()
    return key_by_id(connection, found[0]) if found else None


def key_by_token(connection: sqlite3.Connection, token: str) -> KeyRow | None:
    """The key that was created for that idempotency token."""
    return _first(connection.execute(f"SELECT {COLUMNS} FROM keys WHERE token = ?", (token,)))  # noqa: S608 - fixed text


def key_by_owner(connection: sqlite3.Connection, owner: str) -> KeyRow | None:
    """The key that the service owns."""
    return _first(connection.execute(f"SELECT {COLUMNS} FROM keys WHERE owner = ?", (owner,)))  # noqa: S608 - fixed text


def keys_by_ids(connection: sqlite3.Connection, key_ids: Sequence[str]) -> dict[str, KeyRow]:
    """Those of the keys that exist, by id, in one query."""
    found = connection.execute(
        f"SELECT {COLUMNS} FROM keys WHERE key_id IN (SELECT value FROM json_each(?))",  # noqa: S608 - fixed text
        (json.dumps(list(key_ids)),),
    )
    return {row[0]: KeyRow._make(row) for row in found}


def customer_keys(connection: sqlite3.Connection, now: int, *, after: str = "", limit: int = -1) -> list[KeyRow]:
    """All customer-managed keys as they are at ``now``, ordered by id; or at most ``limit`` of those past the id
    ``after``."""
    found = connection.execute(
        f"SELECT {COLUMNS} FROM keys WHERE owner IS NULL AND key_id > ? AND (deletion_at IS NULL OR deletion_at > ?)"  # noqa: S608 - fixed text
        " ORDER BY key_id LIMIT ?",
        (after, now, limit),
    )
    return [as_of(KeyRow._make(row), now) for row in found]


def as_of(row: KeyRow, now: int) -> KeyRow:
    """The key as it is at ``now``: imported material that has expired leaves it pending import, even if it was not
    destroyed yet."""
    if row.expires_at is None or row.expires_at > now:
        return row
    state = KeyState.PENDING_IMPORT.value if row.state in (KeyState.ENABLED, KeyState.DISABLED) else row.state
    return row._replace(state=state, expires_at=None)


def insert(connection: sqlite3.Connection, row: KeyRow, token: str | None) -> None:
    """Write a new key. Its material is another matter."""
    marks = ", ".join("?" * (len(row) + 1))
    connection.execute(
        f"INSERT INTO keys ({COLUMNS}, token) VALUES ({marks})",  # noqa: S608 - only question marks
        (*row, token),
    )


def aliases_of(connection: sqlite3.Connection, key_id: str) -> tuple[str, ...]:
    """The key's alias names."""
    found = connection.execute("SELECT name FROM aliases WHERE key_id = ? ORDER BY name", (key_id,))
    return tuple(name for (name,) in found)


def replica_regions(row: KeyRow) -> tuple[str, ...]:
    """The Regions of a multi-Region key's replicas, in order."""
    return () if row.replicas == "[]" else tuple(json.loads(row.replicas))


@dataclass(frozen=True, slots=True)
class Names:
    """ARNs of one account and Region."""

    account: str
    region: str

    prefix: str = field(init=False)
    """What every ARN of the store begins with."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix", f"arn:aws:kms:{self.region}:{self.account}:")

    @property
    def account_root(self) -> str:
        """The account's root principal."""
        return f"arn:aws:iam::{self.account}:root"

    def key_arn(self, key_id: str) -> str:
        """ARN of a key."""
        return f"{self.prefix}key/{key_id}"

    def arn_in(self, region: str, key_id: str) -> str:
        """ARN of the key in another Region of the account."""
        return f"arn:aws:kms:{region}:{self.account}:key/{key_id}"

    def alias_arn(self, name: str) -> str:
        """ARN of an alias; ``name`` begins with ``alias/``."""
        return self.prefix + name

    def describe(self, row: KeyRow) -> KeyDescription:
        """The key as the service describes it."""
        tags: dict[str, Any] = json.loads(row.tags) if row.tags != "{}" else {}
        return KeyDescription(
            key_id=row.key_id,
            arn=self.key_arn(row.key_id),
            account=self.account,
            region=self.region,
            description=row.description,
            key_spec=row.key_spec,
            key_usage=row.key_usage,
            state=KeyState(row.state),
            multi_region=bool(row.multi_region),
            created_at=moment(row.created_at),
            material_id="" if row.state == KeyState.PENDING_IMPORT else row.material_id,
            rotated_at=moment(row.rotated_at),
            rotation_period_days=row.rotation_days,
            deletion_date=None if row.deletion_at is None else moment(row.deletion_at),
            tags=tags,
            origin=row.origin,
            material_expires_at=None if row.expires_at is None else moment(row.expires_at),
            primary_arn=None if row.primary_region is None else self.arn_in(row.primary_region, row.key_id),
            replica_arns=tuple(self.arn_in(region, row.key_id) for region in replica_regions(row)),
        )


def _first(cursor: sqlite3.Cursor) -> KeyRow | None:
    row = cursor.fetchone()
    return None if row is None else KeyRow._make(row)
