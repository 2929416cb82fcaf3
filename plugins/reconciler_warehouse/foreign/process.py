"""Our end of the process that reads a foreign Parquet file: gives it the bytes it asks for, takes schema and rows.

Needs pyarrow; imported at the first load of a Parquet file.
"""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler.errors import HostError, ReconcilerError, ValidationException
from reconciler.model.ports import Fs
from reconciler_warehouse.foreign import frames
from reconciler_warehouse.loading.sources import SourceFile, refuse_bomb

Unwrap = Callable[[str, str], bytes]
"""A wrapped key and the id of the key that it is under → the key. Raises our own errors."""

MEMORY_BYTES: Final = 2 << 30
SECONDS: Final = 120.0  # without a word: it hangs
_ENTRY: Final = Path(__file__).with_name("child.py")
# What Arrow says is not repeated: it may quote what is in the file (I19).
_SIGNS: Final = {
    "magic bytes": "it does not end as one",
    "footer size": "it does not end as one",
    "file size is": "it does not end as one",
    "UTF8": "a text in it is not UTF-8",
    "deserialize": "its description of itself cannot be read",
    "decompress": "a page of it cannot be unpacked",
    "encrypted": "its keys are not those of Parquet Modular Encryption's key tools",
    "KeyMaterial": "its keys are not those of Parquet Modular Encryption's key tools",
    "decrypt": "it does not open under its key",
    "Nested data conversions not implemented": "a nested column of it is not to be read in parts",
}
_ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


def no_keys(wrapped: str, master_key: str) -> bytes:
    """Opens nothing."""
    raise ValidationException(
        "An encrypted Parquet file is not read here", suggestion="Load it with `load`, or name another file."
    )


class ForeignParquet:
    """One file, from its first byte on; a context manager. ``schema`` is the file's; ``batches`` may be asked once."""

    def __init__(self, fs: Fs, path: Path, unwrap: Unwrap = no_keys) -> None:
        self._name = path.name
        self._unwrap = unwrap
        self._decoded = 0
        self._source = SourceFile(fs, path)
        self._size = self._source.seek(0, io.SEEK_END)
        self._channel, theirs = socket.socketpair()
        self._channel.settimeout(SECONDS)
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and file
                    [sys.executable, "-I", str(_ENTRY), *map(str, (theirs.fileno(), self._size, MEMORY_BYTES))],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=_ENVIRONMENT,
                    cwd="/",
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            except OSError as error:
                self._channel.close()
                self._source.close()
                raise HostError(
                    f"The process that reads {self._name} could not be started: {error.strerror}",
                    suggestion="Nothing was loaded. Run the command again when the machine has memory to spare.",
                ) from None

    def __enter__(self) -> ForeignParquet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def schema(self) -> Any:
        """The file's Arrow schema. ValidationException; what ``unwrap`` raises."""
        return pa.ipc.read_schema(pa.py_buffer(self._next(frames.SCHEMA)))

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """Rows of these columns, after ``schema``. ValidationException; what ``unwrap`` raises."""
        self._send(frames.ROWS, json.dumps(list(columns)).encode())
        try:
            with pa.ipc.open_stream(pa.PythonFile(_Stream(self._rows), mode="r")) as stream:
                for batch in stream:
                    self._decoded += batch.nbytes
                    refuse_bomb(self._name, self._size, self._decoded)
                    yield batch
            # A stream that ends by itself says nothing: its writer closes it after an error, too.
            self._next(frames.END)
        except pa.ArrowException as error:
            raise ValidationException(f"{self._name} is not a Parquet file: {type(error).__name__}") from None

    def close(self) -> None:
        """End the process, and give the file back."""
        self._channel.close()
        self._process.kill()
        self._process.wait()
        self._source.close()

    def _rows(self) -> bytes:
        """The next bytes of the stream of rows."""
        return bytes(self._next(frames.ROWS))

    def _next(self, *wanted: int) -> bytearray:
        """The next word of one of these kinds; questions in between are answered."""
        while True:
            try:
                kind, body = frames.receive(self._channel)
            except TimeoutError:
                raise ValidationException(
                    f"{self._name} cannot be read: its reader said nothing for {SECONDS:g} s and was ended",
                    suggestion="The file is malformed. Write it anew, or leave it out.",
                ) from None
            except (EOFError, OSError, ValueError):
                raise self._crashed() from None
            if kind in wanted:
                return body
            if kind == frames.READ:
                self._send(frames.READ, self._read(*frames.PLACE.unpack(body)))
            elif kind == frames.UNWRAP:
                wrapped, master_key = json.loads(body)
                self._send(frames.UNWRAP, self._unwrap(str(wrapped), str(master_key)))
            else:
                raise self._explained(kind, body)

    def _read(self, offset: int, count: int) -> memoryview:
        buffer = bytearray(min(count, frames.LONGEST))
        self._source.seek(offset)
        return memoryview(buffer)[: self._source.readinto(buffer)]

    def _send(self, kind: int, body: bytes | memoryview) -> None:
        try:
            frames.send(self._channel, kind, body)
        except OSError:
            raise self._crashed() from None

    def _explained(self, kind: int, body: bytearray) -> ReconcilerError:
        what, text = json.loads(body) if kind == frames.FAILED else ("bad", "")
        if what == "memory":
            return ValidationException(
                f"{self._name} cannot be read in {MEMORY_BYTES >> 20:,} MiB of memory",
                suggestion="Its values or row groups are too large, or it lies about them. Write smaller row groups.",
            )
        if what == "unfit":
            return ValidationException(f"{self._name} cannot be loaded: {text}")
        known = next((said for sign, said in _SIGNS.items() if sign in str(text)), "it is malformed")
        return ValidationException(
            f"{self._name} is not a Parquet file: {known}",
            suggestion="Nothing of it was kept. Have it written anew, or leave it out.",
        )

    def _crashed(self) -> ReconcilerError:
        self._process.kill()
        status = self._process.wait()
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return ValidationException(
            f"{self._name} cannot be read: its reader ended ({how})",
            suggestion="The file is malformed. Nothing of it was kept; write it anew, or leave it out.",
        )


class _Stream(io.RawIOBase):
    """The rows as a stream of bytes."""

    def __init__(self, more: Callable[[], bytes]) -> None:
        super().__init__()
        self._more = more
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """As much as there is at once."""
        view = memoryview(cast(bytearray, buffer)).cast("B")
        done = 0
        while done < len(view):
            if not self._left:
                self._left = memoryview(self._more())
                if not self._left:
                    break
            count = min(len(view) - done, len(self._left))
            view[done : done + count] = self._left[:count]
            self._left = self._left[count:]
            done += count
        return done

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, less at the end."""
        found = bytearray(size if size is not None and size >= 0 else 0)
        return bytes(memoryview(found)[: self.readinto(found)])
