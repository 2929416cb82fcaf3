"""Files that are loaded: CSV (also gzipped, or the one CSV of a zip) and Parquet, read in bounded memory.

Read through ``Fs`` like everything else, which refuses a symlink in the file's place (CONTRACT 1).
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from reconciler.errors import ValidationException
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Fs

CHUNK_BYTES = 1 << 20
BOMB_BYTES: Final = 1 << 30
BOMB_TIMES: Final = 500
CSV = "csv"
PARQUET = "parquet"


class SourceFile(io.RawIOBase):
    """A file of the project as a seekable stream of bytes."""

    def __init__(self, fs: Fs, path: Path) -> None:
        super().__init__()
        self._fs = fs
        self._path = path
        self._position = 0
        self._handle = -1
        try:
            self._handle = fs.open(path)
            self._size = fs.size(path)
        except OSError as error:
            self.close()
            raise explain_os_error(error, path, "file to load") from error

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
        """Move to ``offset`` from start, position or end."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: object) -> int:
        """Fill ``buffer`` from the position on."""
        view = memoryview(cast(bytearray, buffer)).cast("B")
        try:
            count = self._fs.read_into(self._handle, view, self._position)
        except OSError as error:
            raise explain_os_error(error, self._path, "file to load") from error
        self._position += count
        return count

    def close(self) -> None:
        """Give the handle back."""
        if self._handle >= 0:
            self._fs.close(self._handle)
            self._handle = -1
        super().close()


def digest(fs: Fs, path: Path) -> str:
    """SHA-256 of the file's bytes, in hex."""
    sha = hashlib.sha256()
    buffer = bytearray(CHUNK_BYTES)
    with SourceFile(fs, path) as source:
        while count := source.readinto(buffer):
            sha.update(memoryview(buffer)[:count])
    return sha.hexdigest()


def form(path: Path) -> str:
    """``csv`` or ``parquet``, by the name. ValidationException for anything else."""
    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz", ".csv.zip")):
        return CSV
    if name.endswith((".parquet", ".pq")):
        return PARQUET
    raise ValidationException(
        f"{path.name} cannot be loaded: its name does not end in .csv, .csv.gz, .csv.zip or .parquet",
        suggestion="Give the file a name that says what it is.",
    )


def refuse_bomb(name: str, packed: int, unpacked: int) -> None:
    """ValidationException for a file that unpacks to so much more than it is that nobody means it."""
    if unpacked > BOMB_BYTES and unpacked > BOMB_TIMES * packed:
        raise ValidationException(
            f"{name} unpacks to more than {BOMB_TIMES} times its size",
            suggestion="Nothing of it was kept. If it is meant so, load it in parts.",
        )


@contextmanager
def csv_bytes(fs: Fs, path: Path) -> Iterator[BinaryIO]:
    """The CSV itself, unpacked on the way."""
    name = path.name.lower()
    with SourceFile(fs, path) as raw, io.BufferedReader(raw, CHUNK_BYTES) as source:
        if name.endswith(".gz"):
            with gzip.GzipFile(fileobj=source) as unpacked, _Unpacked(path.name, fs.size(path), unpacked) as checked:
                yield cast(BinaryIO, checked)
        elif name.endswith(".zip"):
            with _zipped(source, path) as member, _Unpacked(path.name, fs.size(path), member) as checked:
                yield cast(BinaryIO, checked)
        else:
            yield source


def require_utf_8(fs: Fs, path: Path) -> None:
    """ValidationException for a CSV that begins with the mark of another encoding, or holds nothing."""
    with csv_bytes(fs, path) as source:
        head = source.read(_HEAD_BYTES)
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            raise ValidationException(
                f"{path.name} is {encoding}, and a CSV file that is loaded is UTF-8",
                suggestion="Save it as UTF-8, and load that.",
            )
    if len(head) < _HEAD_BYTES and not head.removeprefix(codecs.BOM_UTF8).strip():
        raise ValidationException(
            f"{path.name} is empty: a CSV file that is loaded has at least a header, the names of its columns",
            suggestion="Name the file that was meant, or see what wrote it.",
        )


# UTF-32 before UTF-16, whose mark the one of UTF-32 begins with.
_MARKS: Final = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
    b"\x84\x31\x95\x33": "GB 18030",
}
_HEAD_BYTES: Final = 4 << 10


class _Unpacked(io.RawIOBase):
    """What comes out of a packed file; what is wrong with that is said in one way."""

    def __init__(self, name: str, packed: int, stream: IO[bytes] | gzip.GzipFile) -> None:
        super().__init__()
        self._name = name
        self._packed = packed
        self._stream = stream
        self._unpacked = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """The next bytes. ValidationException."""
        view = memoryview(cast(bytearray, buffer)).cast("B")
        try:
            found = self._stream.read(len(view))
        except _NOT_PACKED as error:
            raise _not_unpacked(self._name, error) from None
        self._unpacked += len(found)
        refuse_bomb(self._name, self._packed, self._unpacked)
        view[: len(found)] = found
        return len(found)


@contextmanager
def _zipped(source: BinaryIO, path: Path) -> Iterator[IO[bytes]]:
    try:
        archive = zipfile.ZipFile(source)
    except _NOT_PACKED as error:
        raise _not_unpacked(path.name, error) from None
    with archive:
        try:
            member = archive.open(_only_csv(archive, path))
        except _NOT_PACKED as error:  # under a password, too
            raise _not_unpacked(path.name, error) from None
        with member:
            yield member


def _not_unpacked(name: str, error: BaseException) -> ValidationException:
    return ValidationException(f"{name} cannot be unpacked: {error}")


_NOT_PACKED: Final = (
    *(zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError),
    *(RuntimeError, NotImplementedError, ValueError, struct.error, UnicodeDecodeError),
)


def _only_csv(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    members = [one for one in archive.infolist() if one.filename.lower().endswith(".csv") and not one.is_dir()]
    if len(members) != 1:
        raise ValidationException(
            f"{path.name} holds {len(members)} CSV files; it must hold exactly one",
            suggestion="Unpack it and name the files one by one.",
        )
    return members[0]
