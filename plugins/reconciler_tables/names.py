"""Public names: keyspaces, tables, ARNs, the service principal, the encryption context (KS6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from reconciler.errors import ValidationException

_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_]{0,47}", re.ASCII)
_COLUMN: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,47}", re.ASCII)
_KEY_ARN: Final = re.compile(r"arn:aws:kms:([a-z0-9-]+):([0-9]{12}):key/([a-zA-Z0-9-]+)", re.ASCII)
_RESERVED: Final = frozenset({"system", "system_schema", "system_schema_mcs", "system_multiregion_info"})


@dataclass(frozen=True, slots=True)
class TableName:
    """A table's two names, printed ``keyspace.table``."""

    keyspace: str
    table: str

    def __str__(self) -> str:
        return f"{self.keyspace}.{self.table}"


@dataclass(frozen=True, slots=True)
class KeyArn:
    """The parts of a key's ARN."""

    region: str
    account: str
    key_id: str


def service_principal(region: str) -> str:
    """Who the table service is to the key service."""
    return f"cassandra.{region}.amazonaws.com"


def keyspace_arn(region: str, account: str, keyspace: str) -> str:
    """ARN of a keyspace."""
    return f"arn:aws:cassandra:{region}:{account}:/keyspace/{keyspace}/"


def table_arn(region: str, account: str, name: TableName) -> str:
    """ARN of a table."""
    return f"arn:aws:cassandra:{region}:{account}:/keyspace/{name.keyspace}/table/{name.table}"


def encryption_context(account: str, name: TableName) -> dict[str, str]:
    """The pairs that every use of the table's KMS key carries, byte for byte (KS6)."""
    return {
        "aws:cassandra:keyspaceName": name.keyspace,
        "aws:cassandra:tableName": name.table,
        "aws:cassandra:subscriberId": account,
    }


def parse_key_arn(arn: str) -> KeyArn | None:
    """The parts of ``arn``, None when it is no key's ARN."""
    found = _KEY_ARN.fullmatch(arn)
    return None if found is None else KeyArn(*found.groups())


def check_name(what: str, name: str) -> None:
    """ValidationException unless ``name`` has the public form and is not the service's own."""
    if not _NAME.fullmatch(name):
        raise ValidationException(
            f'"{name}" is not the name of a {what}: 1 to 48 letters, digits and underscores, the first no underscore'
        )
    if what == "keyspace" and name in _RESERVED:
        raise ValidationException(f'"{name}" is a keyspace of the service itself', suggestion="Choose another name.")


def check_column_name(name: str) -> None:
    """ValidationException unless a column may be called so."""
    if not _COLUMN.fullmatch(name):
        raise ValidationException(
            f'"{name}" is not the name of a column: a letter, then up to 47 letters, digits and underscores'
        )
