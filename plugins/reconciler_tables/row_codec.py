"""Rows between what a user writes and what is sealed: checked against the schema, keys in one canonical form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.envelope.canonical import encode
from reconciler.errors import DamagedStore, InvalidRequestException
from reconciler.providers.tables import TableSchema
from reconciler_tables.cql_types import TYPES
from reconciler_tables.names import TableName
from reconciler_tables.site import dumps

# Public quotas of the service (bytes).
ROW_LIMIT: Final = 1 << 20
PARTITION_KEY_LIMIT: Final = 2048
CLUSTERING_KEY_LIMIT: Final = 850


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRow:
    """A checked row. ``partition`` and ``clustering`` are canonical bytes of its key; ``clustering`` None: the row says
    something of the partition's static columns only. ``regular`` and ``static`` are what is sealed, None: nothing."""

    partition: bytes
    clustering: bytes | None
    regular: bytes | None
    static: Mapping[str, Any]


class RowCodec:
    """Checks, writes and reads rows of one table."""

    def __init__(self, name: TableName, schema: TableSchema) -> None:
        self._name = name
        self._schema = schema
        self._types = {column.name: column.type for column in schema.columns}
        self._clustering = tuple(column.name for column in schema.clustering_key)

    def keyed(self, row: Mapping[str, Any]) -> KeyedRow:
        """The row, checked. InvalidRequestException names the column and what it takes, never the value."""
        encoded = {name: self._encode(name, value) for name, value in row.items() if value is not None}
        partition = self._key_bytes("partition key", self._schema.partition_key, row, PARTITION_KEY_LIMIT)
        static = {name: encoded.pop(name, None) for name in self._schema.static if name in row}
        if static and not any(name in row for name in self._clustering):
            others = sorted(set(encoded) - set(self._schema.partition_key))
            if others:
                raise self._refuse(f'Column "{others[0]}" belongs to a row, and the clustering key is not given')
            return KeyedRow(partition=partition, clustering=None, regular=None, static=static)
        clustering = self._key_bytes("clustering key", self._clustering, row, CLUSTERING_KEY_LIMIT)
        regular = dumps(encoded).encode()
        if len(regular) > ROW_LIMIT:
            raise self._refuse(f"A row has {len(regular)} bytes; the limit is {ROW_LIMIT}")
        return KeyedRow(partition=partition, clustering=clustering, regular=regular, static=static)

    def partition(self, key: Mapping[str, Any]) -> bytes:
        """Canonical bytes of a whole partition key."""
        extra = sorted(set(key) - set(self._schema.partition_key))
        if extra:
            raise self._refuse(f'"{extra[0]}" is not in the partition key ({", ".join(self._schema.partition_key)})')
        return self._key_bytes("partition key", self._schema.partition_key, key, PARTITION_KEY_LIMIT)

    def merged_static(self, before: bytes | None, changes: Mapping[str, Any]) -> bytes:
        """The partition's static columns after a change; None removes one."""
        merged = {} if before is None else json.loads(before)
        merged.update(changes)
        content = dumps({name: value for name, value in merged.items() if value is not None}).encode()
        if len(content) > ROW_LIMIT:
            raise self._refuse(f"The static columns have {len(content)} bytes; the limit is {ROW_LIMIT}")
        return content

    def decoded(self, rows: Iterable[bytes], static: bytes | None) -> list[dict[str, Any]]:
        """Whole rows in clustering order, each with every column (None where nothing was written)."""
        try:
            shared = {} if static is None else json.loads(static)
            found = [self._decode({**json.loads(row), **shared}) for row in rows]
        except (ValueError, KeyError, TypeError, ArithmeticError) as error:
            raise DamagedStore(
                f"A row of table {self._name} is not what its schema says",
                suggestion="It is left as it is. Put back a copy of tables.db and keyring.db from one backup.",
            ) from error
        # Stable sorts from the last clustering column to the first, each in its own direction.
        for column in reversed(self._schema.clustering_key):
            order = TYPES[self._types[column.name]].order
            found.sort(key=lambda row, n=column.name, o=order: o(row[n]), reverse=column.order == "DESC")  # type: ignore[misc]  # defaults bind the loop's values
        return found

    def _encode(self, name: str, value: Any) -> str | int | bool:
        kind = self._types.get(name)
        if kind is None:
            raise self._refuse(f'There is no column "{name}"')
        try:
            return TYPES[kind].encode(value)
        except ValueError as error:
            raise self._refuse(
                f'Column "{name}" ({kind}) takes {error}; it was given another {type(value).__name__}'
            ) from None

    def _decode(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        unknown = set(stored) - set(self._types)
        if unknown:
            raise KeyError(*sorted(unknown))
        return {
            name: TYPES[kind].decode(stored[name]) if name in stored else None for name, kind in self._types.items()
        }

    def _key_bytes(self, what: str, names: Iterable[str], row: Mapping[str, Any], limit: int) -> bytes:
        parts: list[str] = []
        for name in names:
            if row.get(name) is None:
                raise self._refuse(f'Column "{name}" of the {what} is not given')
            self._encode(name, row[name])
            kind = self._types[name]
            parts += [kind, dumps(TYPES[kind].identity(row[name]))]
        content = encode(*parts)
        if len(content) > limit:
            raise self._refuse(f"The {what} has {len(content)} bytes; the limit is {limit}")
        return content

    def _refuse(self, cause: str) -> InvalidRequestException:
        return InvalidRequestException(f"Table {self._name}: {cause}")
