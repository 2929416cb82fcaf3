"""What was loaded before need not be parsed again.

Two tiers in one SQLite file in ``home``. When no file changed, one entry holds the heads of all resources, and neither
yaml nor pydantic is imported. When some did, each unchanged file has an entry of its own. Entries are found by content
(never by name or time), by project, and by a digest of everything that gives a manifest its meaning here: kinds,
loader, versions. Each is authenticated with the project's MAC: a forged head would be a forged manifest. Whatever is
missing, damaged, foreign or cannot be written is only a reason to read the manifests themselves; the cache never
decides what is valid, it only remembers that it was.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from reconciler.errors import DamagedStore, NewerFormat, OtherShape, ReconcilerError
from reconciler.host import sqlite
from reconciler.host.os_fs import OsFs
from reconciler.loading.beneath import SideFile, SideFiles
from reconciler.loading.files import Found, Source
from reconciler.loading.heads import Reading
from reconciler.loading.manifests import Manifests
from reconciler.loading.meaning import meaning_digest
from reconciler.loading.packing import Unpacker, columns_of, concatenate, pack
from reconciler.loading.specs import Specs
from reconciler.model.address import Address
from reconciler.model.ports import Mac
from reconciler.resources.resource import Resource

_FORMAT = 1
_APPLICATION = 0x52434D43  # "RCMC"
_PURPOSE = "manifest-cache/1"
_SCHEMA = """
CREATE TABLE whole (key BLOB PRIMARY KEY, count INTEGER NOT NULL, head BLOB NOT NULL, tag BLOB NOT NULL) STRICT;
CREATE TABLE file (key BLOB PRIMARY KEY, head BLOB NOT NULL, tag BLOB NOT NULL, specs BLOB NOT NULL,
    specs_tag BLOB NOT NULL) STRICT;
"""
_WHOLE_ENTRIES = 8  # environments and selections of one home, before the oldest goes
_PATIENCE_MILLISECONDS = 500  # another process writes: then this run goes unremembered

_FileRow = tuple[bytes, bytes, bytes, bytes, bytes]  # as the table's columns


class ManifestCache:
    """The cache in ``home``. Use it as a context manager: it holds a connection from its first use to ``close``."""

    def __init__(self, home: Path, mac: Mac) -> None:
        self._path = home / "cache" / "manifests.db"
        self._mac = mac
        self._connection: sqlite3.Connection | None = None
        self._is_open = False
        self._specs: dict[bytes, list[str] | None] = {}

    def __enter__(self) -> ManifestCache:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back; the next use opens it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._is_open = None, False

    # --- nothing changed -------------------------------------------------------------------------------------------

    def manifests(self, project: Path, found: Found) -> Manifests | None:
        """The manifests of exactly these sources, if that combination was loaded before and is still what it was."""
        key = _whole_key(project, found.sources)
        row = self._row("SELECT count, head, tag FROM whole WHERE key = ?", key)
        if key is None or row is None or not self._mac.verify(_PURPOSE, b"whole" + key + row[1], row[2]):
            return None
        try:
            counts, sides, digest, packed = str(row[1], "utf-8").split("\n", 3)
            before = _unpack_sides(sides)
            now = _again(before, SideFiles(project))
            if now is None:
                return None
            each = [int(count) for count in counts.split()]
            resources = _resources(packed, row[0], found.sources, each, Specs(project, self))
        except ValueError:
            return None
        if now != before:  # now their times vouch for them, so that the next run need not read them
            self._keep_whole(key, row[0], f"{counts}\n{_pack_sides(now)}\n{digest}\n{packed}")
        return Manifests(resources, found.warnings, digest)

    # --- some files changed ----------------------------------------------------------------------------------------

    def readings(self, project: Path, found: Found) -> dict[str, Reading]:
        """The readings of those sources that are unchanged, by name."""
        side_files = SideFiles(project)
        unpacker = Unpacker()
        kept: dict[str, Reading] = {}
        for source in found.sources:
            key = _file_key(project, source)
            row = self._row("SELECT head, tag FROM file WHERE key = ?", key)
            if key is None or row is None or not self._mac.verify(_PURPOSE, b"file" + key + row[0], row[1]):
                continue
            try:
                count, sides, packed = str(row[0], "utf-8").split("\n", 2)
                now = _again(_unpack_sides(sides), side_files)
                if now is not None:
                    kept[source.name] = Reading(source, unpacker.heads(packed, int(count)), now)
            except ValueError:
                continue
        return kept

    def specs(self, project: Path, source: Source) -> list[str] | None:
        """The canonical JSON of each spec of a source, None when it is not kept."""
        key = _file_key(project, source)
        if key is None:
            return None
        if key not in self._specs:
            row = self._row("SELECT specs, specs_tag FROM file WHERE key = ?", key)
            is_ours = row is not None and self._mac.verify(_PURPOSE, b"specs" + key + row[0], row[1])
            self._specs[key] = str(row[0], "utf-8").split("\n") if row is not None and is_ours else None
        return self._specs[key]

    # --- remember --------------------------------------------------------------------------------------------------

    def keep(self, project: Path, readings: Sequence[Reading], manifests: Manifests) -> None:
        """Remember what was loaded without a problem. A home that cannot be written is no error."""
        whole = _whole_key(project, [reading.source for reading in readings])
        if whole is None:
            return
        counts = [len(reading.heads) for reading in readings]
        packs = [pack(reading.heads) for reading in readings]
        keys = [_file_key(project, reading.source) for reading in readings]
        files = [
            self._file_row(key, reading, packed)
            for key, reading, packed in zip(keys, readings, packs, strict=True)
            if key is not None and _was_read(reading)
        ]
        if not self._write(files, keys):
            return
        sides = {side.path: side for reading in readings for side in reading.side_files}
        packed = concatenate([packed for packed, count in zip(packs, counts, strict=True) if count], sum(counts))
        text = f"{' '.join(map(str, counts))}\n{_pack_sides(sides.values())}\n{manifests.digest}\n{packed}"
        self._keep_whole(whole, sum(counts), text)

    def _file_row(self, key: bytes, reading: Reading, packed: str) -> _FileRow:
        sides = _pack_sides(reading.side_files)
        head = f"{len(reading.heads)}\n{sides}\n{packed}".encode()
        specs = "\n".join(head.json or "" for head in reading.heads).encode()
        return (
            key,
            head,
            self._mac.tag(_PURPOSE, b"file" + key + head),
            specs,
            self._mac.tag(_PURPOSE, b"specs" + key + specs),
        )

    def _write(
        self, files: Iterable[tuple[bytes, bytes, bytes, bytes, bytes]], current: Sequence[bytes | None]
    ) -> bool:
        """Whether the file entries could be written. Those of files that are long gone are dropped."""
        connection = self._writable()
        if connection is None:
            return False
        try:
            with sqlite.transaction(connection):
                connection.executemany("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?)", files)
                (entries,) = connection.execute("SELECT count(*) FROM file").fetchone()
                if entries > 3 * len(current) + 64:
                    connection.execute("CREATE TEMP TABLE IF NOT EXISTS current (key BLOB PRIMARY KEY)")
                    connection.executemany("INSERT OR IGNORE INTO current VALUES (?)", [(key,) for key in current])
                    connection.execute("DELETE FROM file WHERE key NOT IN (SELECT key FROM current)")
                    connection.execute("DROP TABLE current")
        except ReconcilerError:
            return False
        return True

    def _keep_whole(self, key: bytes, count: int, text: str) -> None:
        connection = self._writable()
        if connection is None:
            return
        head = text.encode()
        row = (key, count, head, self._mac.tag(_PURPOSE, b"whole" + key + head))
        with suppress(ReconcilerError), sqlite.transaction(connection):
            connection.execute("INSERT OR REPLACE INTO whole VALUES (?, ?, ?, ?)", row)
            connection.execute(
                "DELETE FROM whole WHERE rowid NOT IN (SELECT rowid FROM whole ORDER BY rowid DESC LIMIT ?)",
                (_WHOLE_ENTRIES,),
            )

    # --- the file --------------------------------------------------------------------------------------------------

    def _row(self, query: str, key: bytes | None) -> tuple[Any, ...] | None:
        if key is None:
            return None
        if not self._is_open:
            self._is_open = True
            with suppress(ReconcilerError):
                self._connection = sqlite.connect_read_only(
                    self._path,
                    what="manifest cache",
                    schema=_SCHEMA,
                    format_number=_FORMAT,
                    application_id=_APPLICATION,
                )
        if self._connection is None:
            return None
        try:
            row: tuple[Any, ...] | None = self._connection.execute(query, (key,)).fetchone()
        except sqlite3.Error:
            return None
        return row

    def _writable(self) -> sqlite3.Connection | None:
        """The cache for writing, made anew when what is there is no cache of ours; None when it cannot be."""
        self.close()
        for attempt in range(2):
            try:
                self._connection = sqlite.connect(
                    self._path,
                    what="manifest cache",
                    schema=_SCHEMA,
                    format_number=_FORMAT,
                    application_id=_APPLICATION,
                )
                self._is_open = True
                self._connection.execute(f"PRAGMA busy_timeout={_PATIENCE_MILLISECONDS}")
                self._connection.execute("PRAGMA synchronous=NORMAL")  # what a power loss takes is read once more
                return self._connection
            except (DamagedStore, NewerFormat, OtherShape):
                if attempt == 0:
                    self._throw_away()
            except (ReconcilerError, sqlite3.Error):
                break
        return None

    def _throw_away(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                OsFs().unlink(self._path.with_name(self._path.name + suffix))


def _resources(packed: str, count: int, sources: Sequence[Source], each: Sequence[int], specs: Specs) -> list[Resource]:
    """The resources of one text, in the order of sources. ValueError when it does not fit them."""
    unpacker = Unpacker()
    rows = zip(*columns_of(packed, count), strict=True)
    resources: list[Resource] = []
    for source, size in zip(sources, each, strict=True):
        for index, row in enumerate(islice(rows, size)):
            address = Address(row[0])
            resources.append(
                Resource(
                    address=address,
                    digest=row[1],
                    provider=row[2] or None,
                    references=unpacker.references(row[6]),
                    external_name=row[3],
                    file=source.name,
                    line=int(row[4]),
                    labels=unpacker.labels(row[5]),
                    build_spec=partial(specs.build, address, row[1], source, index),
                )
            )
    if len(resources) != count:
        raise ValueError("not the heads of these sources")
    return resources


def _was_read(reading: Reading) -> bool:
    """Whether it was read in this run, and not taken from here."""
    return all(head.json is not None for head in reading.heads)


def _file_key(project: Path, source: Source) -> bytes | None:
    meaning = meaning_digest()
    if meaning is None:
        return None
    return hashlib.sha256(b"file" + meaning + source.sha256 + os.fsencode(os.path.realpath(project))).digest()


def _whole_key(project: Path, sources: Sequence[Source]) -> bytes | None:
    meaning = meaning_digest()
    if meaning is None or not sources:
        return None
    digest = hashlib.sha256(b"whole" + meaning + os.fsencode(os.path.realpath(project)))
    for source in sources:
        digest.update(b"\0" + source.sha256 + os.fsencode(source.name))
    return digest.digest()


def _again(sides: Iterable[SideFile], files: SideFiles) -> tuple[SideFile, ...] | None:
    """The same files as they are now; None when one of them is no longer what it was."""
    now = []
    for side in sides:
        found = files.again(side)
        if found is None:
            return None
        now.append(found)
    return tuple(now)


def _pack_sides(sides: Collection[SideFile]) -> str:
    if not sides:
        return "[]"
    import json

    return json.dumps([[side.path, side.sha256, side.times] for side in sides])


def _unpack_sides(text: str) -> tuple[SideFile, ...]:
    if text == "[]":
        return ()
    import json

    return tuple(SideFile(path, sha256, times) for path, sha256, times in json.loads(text))
