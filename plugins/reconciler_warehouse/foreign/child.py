"""The process that reads a foreign Parquet file; see the package. Started as ``python -I child.py CHANNEL SIZE BYTES``.

Whatever the file says stays in here: memory is limited to so many bytes, text and offsets are validated before they are
handed on, and a crash is this process's.
"""

from __future__ import annotations

import io
import json
import os
import resource
import socket
import sys
from contextlib import suppress
from typing import Any, Final, cast

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import frames  # type: ignore[import-not-found]  # beside this file, which is run by its path

BATCH_ROWS: Final = 1 << 16
MOST_COLUMNS: Final = 1600  # of a table, as in the public service
DEEPEST: Final = 32
_BUFFER: Final = 1 << 20
_CHUNK: Final = 8 << 20


class Asked(io.RawIOBase):
    """The file, byte ranges of which the other end reads."""

    def __init__(self, channel: socket.socket, size: int) -> None:
        super().__init__()
        self._channel = channel
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move."""
        self._position = max(0, {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence] + offset)
        return self._position

    def readinto(self, buffer: object) -> int:
        """Fill the buffer, or as much of it as one answer has."""
        view = memoryview(cast(bytearray, buffer)).cast("B")
        found = self.read(min(len(view), _CHUNK))
        view[: len(found)] = found
        return len(found)

    def read(self, size: int | None = -1, /) -> bytes:
        """All that is asked for: Arrow takes less for the end."""
        left = max(0, self._size - self._position)
        left = left if size is None or size < 0 else min(size, left)
        parts = []
        while left:
            count = min(left, _CHUNK)
            frames.send(self._channel, frames.READ, frames.PLACE.pack(self._position, count))
            part = answer(self._channel, frames.READ)
            parts.append(part)
            self._position += len(part)
            left = left - len(part) if len(part) == count else 0
        return cast(bytes, parts[0]) if len(parts) == 1 else b"".join(parts)


class Told(io.RawIOBase):
    """Where rows are written to: the other end."""

    def __init__(self, channel: socket.socket) -> None:
        super().__init__()
        self._channel = channel

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: object) -> int:
        """Hand on."""
        view = memoryview(cast(bytes, data)).cast("B")
        for start in range(0, len(view), _CHUNK):
            frames.send(self._channel, frames.ROWS, view[start : start + _CHUNK])
        return len(view)


class Refused(Exception):
    """The other end will not, and knows why."""


class Unfit(Exception):
    """What is wrong with the file, in words of ours."""


def answer(channel: socket.socket, kind: int) -> bytearray:
    """What was asked for."""
    found, body = frames.receive(channel)
    if found != kind:
        raise Refused
    return cast(bytearray, body)


def decryption(channel: socket.socket) -> Any:
    """How encrypted files are opened: their keys are unwrapped by the other end."""
    import pyarrow.parquet.encryption as pe  # type: ignore[import-untyped]  # pyarrow ships no types

    class Unwraps(pe.KmsClient):  # type: ignore[misc]  # pyarrow ships no types
        def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
            raise NotImplementedError

        def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
            frames.send(channel, frames.UNWRAP, json.dumps([wrapped_key, master_key_identifier]).encode())
            return bytes(answer(channel, frames.UNWRAP))

    factory = pe.CryptoFactory(lambda _: Unwraps())
    return factory, factory.file_decryption_properties(pe.KmsConnectionConfig(), pe.DecryptionConfiguration())


def serve(channel: socket.socket, size: int) -> None:
    """Schema first, then the rows of the columns that are asked for."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _kept, opening = decryption(channel)
    file = pq.ParquetFile(
        pa.PythonFile(Asked(channel, size), mode="r"),
        decryption_properties=opening,
        buffer_size=_BUFFER,
        pre_buffer=False,  # it keeps every row group until the last is read
    )
    schema = file.schema_arrow
    check(schema)
    frames.send(channel, frames.SCHEMA, schema.remove_metadata().serialize().to_pybytes())
    names = json.loads(answer(channel, frames.ROWS))
    chosen = pa.schema([schema.field(name) for name in names])
    with pa.ipc.new_stream(pa.PythonFile(Told(channel), mode="w"), chosen) as rows:
        for batch in file.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
            found = batch.select(names)
            found.validate(full=True)  # offsets, and text that is no UTF-8
            rows.write_batch(pa.record_batch(found.columns, schema=chosen))
    frames.send(channel, frames.END)


def check(schema: Any) -> None:
    """Unfit for columns that no table has."""
    if len(schema) > MOST_COLUMNS:
        raise Unfit(f"it has {len(schema)} columns; a table has at most {MOST_COLUMNS}")
    for field in schema:
        name = field.name  # UnicodeDecodeError, a ValueError
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
            raise Unfit("the name of a column has a control character")
        if depth(field.type) > DEEPEST:
            raise Unfit(f"a column is nested deeper than {DEEPEST}")


def depth(kind: Any) -> int:
    """How deep a type is nested."""
    deepest, level = 0, [kind]
    while level and deepest <= DEEPEST:
        deepest += 1
        level = [one.field(number).type for one in level for number in range(one.num_fields)]
    return deepest


def limit(memory: int) -> None:
    """No core file, so much memory, nothing to write to."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def main() -> None:
    """Read, and say what is wrong in one line."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    limit(int(sys.argv[3]))
    problem = ("bad", "")
    try:
        serve(channel, int(sys.argv[2]))
    except MemoryError:
        problem = ("memory", "")
    except Refused:
        problem = ("refused", "")
    except UnicodeDecodeError:
        problem = ("unfit", "the name of a column is not UTF-8")
    except Unfit as error:
        problem = ("unfit", str(error))
    except Exception as error:  # of pyarrow's many; whatever it is, the file is at fault
        problem = ("bad", str(error).strip().partition("\n")[0][:500])
    else:
        return
    with suppress(OSError):
        frames.send(channel, frames.FAILED, json.dumps(problem).encode())


if __name__ == "__main__":
    main()
