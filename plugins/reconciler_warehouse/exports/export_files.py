"""One file of an export: Arrow tables in, Parquet out as a stream of bytes, in clear or under a data key of its own.

Needs pyarrow; imported at the first export.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet.encryption as pqe  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler.envelope.data_key import DataKey
from reconciler_warehouse.blocks.row_groups import grouped
from reconciler_warehouse.exports.modular_encryption import WrappedKey, key_metadata, with_key_metadata

FILE_BYTES: Final = 256 << 20
COMPRESSION: Final = "zstd"
ROW_GROUP_ROWS: Final = 1 << 20
ROW_GROUP_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKey:
    """What a file is sealed with. ``prefix`` is in the AAD of each of its parts, and tells what the file is."""

    key: DataKey
    wrapped: WrappedKey
    key_arn: str
    prefix: str


class ExportedFile:
    """A file being written: ``chunks`` go to the disk; then rows, bytes and digest are known."""

    def __init__(self, schema: Any, key: FileKey | None) -> None:
        self._schema = schema
        self._key = key
        self._sha = hashlib.sha256()
        self.rows = 0
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of the file as it was written, in hex."""
        return self._sha.hexdigest()

    def chunks(self, tables: Iterable[Any]) -> Iterator[bytes]:
        """The file's bytes. Takes ``tables``, each a row group, until they end or the file is full."""
        sink = _Sink()
        with pq.ParquetWriter(
            sink, self._schema, compression=COMPRESSION, encryption_properties=self._properties()
        ) as writer:
            for table in tables:
                writer.write_table(table, row_group_size=max(1, table.num_rows))
                self.rows += table.num_rows
                for chunk in sink.taken():
                    yield self._counted(chunk)
                if sink.tell() >= FILE_BYTES:
                    break
        tail = b"".join(sink.taken())
        if self._key is not None:
            tail = with_key_metadata(tail, key_metadata(self._key.wrapped, self._key.key_arn))
        yield self._counted(tail)

    def check(self, source: Any) -> None:
        """Open the written file with the key that is at hand. ValueError unless it has the rows that were written."""
        opening = None
        if self._key is not None:
            opening = pqe.create_decryption_properties(
                bytes(self._key.key.expose_key_bytes()), aad_prefix=self._key.prefix.encode()
            )
        try:
            with pq.ParquetFile(source, decryption_properties=opening) as file:
                found = file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"it does not open: {error}") from None
        if found != self.rows:
            raise ValueError(f"it has {found} of {self.rows} rows")

    def _properties(self) -> Any:
        if self._key is None:
            return None
        return pqe.create_encryption_properties(
            bytes(self._key.key.expose_key_bytes()), aad_prefix=self._key.prefix.encode(), store_aad_prefix=True
        )

    def _counted(self, chunk: bytes) -> bytes:
        self._sha.update(chunk)
        self.size += len(chunk)
        return chunk


def row_groups(batches: Iterable[Any], schema: Any) -> Iterator[Any]:
    """The batches joined into tables of about a row group each."""
    for group in grouped(batches, rows=ROW_GROUP_ROWS, size=ROW_GROUP_BYTES):
        yield pa.Table.from_batches(group, schema)


class _Sink(io.RawIOBase):
    """Where the Parquet writer writes: keeps its bytes until they are taken."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Bytes so far."""
        return self._position

    def write(self, data: object) -> int:
        """Append."""
        chunk = bytes(cast(bytes, data))
        self._chunks.append(chunk)
        self._position += len(chunk)
        return len(chunk)

    def taken(self) -> list[bytes]:
        """What was written since this was asked last."""
        chunks, self._chunks = self._chunks, []
        return chunks
