"""Whatever is changed in what a warehouse stores is refused, or changes no answer (T9, G8): every bit, every cut, every
exchange of blocks and of rows, every transplant, every older version. Counted; an error of another kind than ours, or a
wrong answer, fails. A campaign tries all bits of all blocks, CI a part that is spread over them."""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ReconcilerError
from reconciler.testing.quick_folder import quick_folder
from reconciler_warehouse import manifest
from reconciler_warehouse.blocks import delete_vectors
from reconciler_warehouse.blocks.key_tables import KeyTable, SegmentId, open_table
from reconciler_warehouse.blocks.segment_files import StoredSegment
from reconciler_warehouse.keyring import Cek, Holding, cek_of, holdings
from reconciler_warehouse.keys.hierarchy import cek_in_clear, open_deks
from reconciler_warehouse.keys.wrapping import CekInMemory
from reconciler_warehouse.queries.table_state import Moved
from reconciler_warehouse.rows import SegmentRow, cluster_named
from reconciler_warehouse.tests.tampered_world import CLUSTERS, Seen, Victim, attacked_warehouse, stored_segments
from reconciler_warehouse.tests.worlds import World
from tests.amounts import amount
from tests.counts import count

BITS_OF_BLOCKS = 92_000


@pytest.fixture(scope="module", name="victim")
def _victim() -> Iterator[Victim]:
    with quick_folder() as folder:
        (folder / "files").mkdir()
        world = World(home=folder / "home", files=folder / "files")
        with attacked_warehouse(world) as made:
            yield made
        world.reopen()


def told(kind: str, refused: int, harmless: int = 0) -> None:
    """Into the ledger."""
    count("T9", tried=refused + harmless, refused=refused, without_effect=harmless)
    assert refused, kind


# --- blocks -----------------------------------------------------------------------------------------------------------


class Bytes:
    """A segment store of one segment: what the attacker made of it."""

    def __init__(self, content: bytes | bytearray) -> None:
        self.content = content

    def open(self, name: str) -> Bytes:
        return self

    def read_into(self, buffer: memoryview, offset: int) -> int:
        found = self.content[offset : offset + len(buffer)]
        buffer[: len(found)] = found
        return len(found)

    def size(self) -> int:
        return len(self.content)

    def close(self) -> None: ...


class Segment:
    """One segment with its key table opened."""

    def __init__(self, victim: Victim, row: SegmentRow, cluster: str) -> None:
        deks = victim.deks[cluster]
        self.identity: SegmentId = row.identity(cluster_named(victim.site, cluster).uid)
        self.table: KeyTable = open_table(row.body, self.identity, row.generation, dek=row.dek, key=deks[row.dek or ""])
        with closing(victim.site.segments.open(row.file)) as handle:
            raw = memoryview(bytearray(self.table.size))
            assert handle.read_into(raw, 0) == len(raw)
        self.content = bytearray(raw)
        self.room = memoryview(bytearray(self.table.block_bytes))

    def opens(self, content: bytes | bytearray, index: int, table: KeyTable | None = None) -> bool:
        stored = StoredSegment(Bytes(content), "segment", table or self.table, self.identity.blocks())
        try:
            stored.block_into(index, self.room[: stored.length(index)])
        except ReconcilerError:
            return False
        return True


@pytest.fixture(scope="module", name="segments")
def _segments(victim: Victim) -> list[Segment]:
    return [Segment(victim, row, name) for row, name in stored_segments(victim)]


def bits(chance: random.Random, content: bytearray, most: int) -> Iterable[int]:
    """All bits' numbers, or so many of them, spread over the whole."""
    total = len(content) * 8
    if total <= most:
        return range(total)
    return (start + chance.randrange(total // most) for start in range(0, total - total // most, total // most))


def test_every_bit_of_a_block(segments: list[Segment]) -> None:
    chance = random.Random(9)  # noqa: S311  # a choice that can be repeated
    refused, share = 0, amount(BITS_OF_BLOCKS, 1 << 40) // len(segments)
    for one in segments:
        assert all(one.opens(one.content, index) for index in range(one.table.blocks))
        for bit in bits(chance, one.content, share):
            one.content[bit >> 3] ^= 1 << (bit & 7)
            assert not one.opens(one.content, (bit >> 3) // one.table.block_bytes)
            one.content[bit >> 3] ^= 1 << (bit & 7)
            refused += 1
    told("blocks", refused)


def test_every_bit_of_a_blocks_key_and_tag(segments: list[Segment]) -> None:
    refused = 0
    for one in segments:
        entries = bytearray(one.table.entries)
        for bit in range(len(entries) * 8):
            entries[bit >> 3] ^= 1 << (bit & 7)
            assert not one.opens(one.content, (bit >> 3) // 48, replace(one.table, entries=bytes(entries)))
            entries[bit >> 3] ^= 1 << (bit & 7)
            refused += 1
    told("entries", refused)


def test_every_cut_and_exchange_of_blocks(segments: list[Segment]) -> None:
    refused = 0
    for one in segments:
        width, last = one.table.block_bytes, one.table.blocks - 1
        for length in {*range(max(0, one.table.size - 300), one.table.size), *range(0, one.table.size, 97)}:
            assert not one.opens(one.content[:length], last)
            refused += 1
        for first, second in itertools.permutations(range(last), 2):
            changed = bytearray(one.content)
            changed[first * width : first * width + width] = one.content[second * width : second * width + width]
            assert not one.opens(changed, first)
            refused += 1
    for one, other in itertools.permutations(segments, 2):
        for index in range(min(one.table.blocks, other.table.blocks)):
            refused += not one.opens(other.content, index)
    told("exchanged blocks", refused)


# --- what is sealed under keys: key tables, delete vectors, wrapped keys ---------------------------------------------


def every_change(raw: bytes) -> Iterator[bytes]:
    """Each bit turned, each length that is shorter, a byte more."""
    changed = bytearray(raw)
    for bit in range(len(raw) * 8):
        changed[bit >> 3] ^= 1 << (bit & 7)
        yield bytes(changed)
        changed[bit >> 3] ^= 1 << (bit & 7)
    for length in range(len(raw)):
        yield raw[:length]
    yield raw + b"\x00"


def all_refused(attempts: Iterable[Callable[[], object]]) -> int:
    """How many; each must be refused by an error of ours."""
    tried = 0
    for attempt in attempts:
        tried += 1
        with pytest.raises(ReconcilerError):
            attempt()
    return tried


def test_every_change_of_a_key_table(victim: Victim) -> None:
    row, cluster = min(stored_segments(victim), key=lambda one: len(one[0].body))
    identity = row.identity(cluster_named(victim.site, cluster).uid)
    key = victim.deks[cluster][row.dek or ""]
    assert open_table(row.body, identity, row.generation, dek=row.dek, key=key)

    def attempt(body: bytes = row.body, **other: Any) -> Callable[[], object]:
        said: dict[str, Any] = {"generation": row.generation, "dek": row.dek, "identity": identity} | other
        return lambda: open_table(body, said["identity"], said["generation"], dek=said["dek"], key=key)

    others = [one for one, _ in stored_segments(victim) if one.uid != row.uid]
    older = [body for *_, body in victim.older["key_table"]]
    elsewhere = (replace(identity, **{part: "0" * 32}) for part in ("origin", "table", "segment"))
    told(
        "key tables",
        all_refused(
            itertools.chain(
                (attempt(body) for body in every_change(row.body)),
                (attempt(one.body) for one in others),
                (attempt(body) for body in older),
                (attempt(generation=number) for number in range(200) if number != row.generation),
                (attempt(identity=one) for one in elsewhere),
                (attempt(dek=dek) for dek in ("", "0" * 32, None, *victim.deks["other"])),
            )
        ),
    )


def test_every_change_of_a_delete_vector(victim: Victim) -> None:
    cluster = cluster_named(victim.site, "sales")
    vectors: dict[str, delete_vectors.VectorRow] = {}
    for (table,) in victim.catalogue.connection.execute("SELECT uid FROM data_table").fetchall():
        vectors |= delete_vectors.of_table(victim.catalogue.connection, table)
    rows = {one.uid: one for one, _ in stored_segments(victim)}
    uid = next(iter(vectors))
    vector, segment = vectors[uid], rows[uid]
    identity = segment.identity(cluster.uid)
    assert vector.opened(identity, victim.deks["sales"], segment.rows).deleted == vector.rows

    def attempt(one: delete_vectors.VectorRow, whose: SegmentId = identity) -> Callable[[], object]:
        return lambda: one.opened(whose, victim.deks["sales"], segment.rows)

    changed = [
        *(replace(vector, body=body) for body in every_change(vector.body)),
        *(replace(vector, version=number) for number in range(100) if number != vector.version),
        *(replace(vector, rows=number) for number in range(100) if number != vector.rows),
        *(replace(vector, dek=dek) for dek in (None, "", *victim.deks["other"])),
        *(replace(vector, body=row[-1]) for row in victim.older["delete_vector"]),
        *(replace(vector, body=one.body) for one in vectors.values() if one.body != vector.body),
    ]
    moved = [row.identity(cluster.uid) for row in rows.values() if row.uid != uid]
    told("delete vectors", all_refused([*map(attempt, changed), *(attempt(vector, one) for one in moved)]))


def test_every_change_of_a_wrapped_dek(victim: Victim) -> None:
    cek, held = wrapped_keys(victim, "sales")
    _, others = wrapped_keys(victim, "other")
    refused = 0
    with cek_in_clear(victim.world.warehouse()._site, cek, "Cluster sales") as key:
        opened_cek = CekInMemory(victim.site, cek, key)

        def attempt(one: Holding) -> Callable[[], object]:
            from contextlib import ExitStack

            def tried() -> None:
                with ExitStack() as wiped:
                    open_deks(victim.site, cek, opened_cek, [one], wiped)

            return tried

        attempt(held[0])()
        for one in held:
            changed = [replace(one, wrapped=body) for body in every_change(one.wrapped)]
            changed += [replace(one, wrapped=other.wrapped) for other in [*held, *others] if other.dek != one.dek]
            changed += [replace(one, dek=other.dek) for other in [*held, *others] if other.dek != one.dek]
            changed += [
                replace(one, wrapped=wrapped)
                for _, _, _, wrapped, _ in victim.older["holding"]
                if wrapped not in {other.wrapped for other in held}
            ]
            refused += all_refused(map(attempt, changed))
    told("wrapped DEKs", refused)


def test_every_change_of_a_wrapped_cek(victim: Victim) -> None:
    """What the key service made: it opens no other byte, context or key."""
    cek, _ = wrapped_keys(victim, "sales")
    other, _ = wrapped_keys(victim, "other")
    site = victim.world.warehouse()._site

    def attempt(one: Cek) -> Callable[[], object]:
        def tried() -> None:
            with cek_in_clear(site, one, "Cluster sales"):
                pass

        return tried

    attempt(cek)()
    changed = [
        replace(cek, wrapped=body) for body in itertools.islice(every_change(cek.wrapped), 0, None, amount(3, 1))
    ]
    changed += [replace(cek, wrapped=other.wrapped), replace(cek, context=other.context), replace(cek, context={})]
    changed += [replace(cek, context={**cek.context, name: "x"}) for name in [*cek.context, "more"]]
    told("wrapped CEKs", all_refused(map(attempt, changed)))


def wrapped_keys(victim: Victim, name: str) -> tuple[Cek, list[Holding]]:
    uid = cluster_named(victim.site, name).uid
    cek = cek_of(victim.ring.connection, uid)
    assert cek is not None
    return cek, holdings(victim.ring.connection, uid, cek.uid)


# --- rows of the catalogue and of the key ring -----------------------------------------------------------------------


def test_every_bit_of_the_manifest(victim: Victim) -> None:
    connection = victim.catalogue.connection
    refused = 0
    for what in ("cluster", "snapshot"):
        ((uid, name, tag),) = connection.execute(
            f"SELECT uid, name, manifest_tag FROM {what} WHERE name IN ('sales', 'snap')"  # noqa: S608  # of two
        ).fetchall()
        for changed in every_change(tag):
            with victim.catalogue.attacked():
                connection.execute(f"UPDATE {what} SET manifest_tag = ? WHERE uid = ?", (changed, uid))  # noqa: S608  # of two
                with pytest.raises(ReconcilerError):
                    manifest.check(connection, what, uid, name, victim.deks[name])
                refused += 1
        pages = connection.execute("SELECT data_table, page, digest FROM manifest_page WHERE holder = ?", (uid,))
        for table, page, digest in pages.fetchall():
            for changed in every_change(digest):
                with victim.catalogue.attacked():
                    connection.execute(
                        "UPDATE manifest_page SET digest = ? WHERE holder = ? AND data_table = ? AND page = ?",
                        (changed, uid, table, page),
                    )
                    with pytest.raises(ReconcilerError):
                        manifest.check_root(connection, what, uid, name, victim.deks[name])
                    refused += 1
    told("the manifest", refused)


# Tables whose rows are no part of any answer, and what they are.
NO_ANSWER = {
    "meta": "format and fence",
    "fence": "who wrote last",
    "event": "what is told of a cluster",
    "pending": "files that were begun",
    "trash": "files that go",
    "reading_epoch": "of readers' pins",
    "gone": "holders that left",
    "lease": "who works on a segment",
    "change_progress": "how far a change is",
    "statement": "which tokens were answered",
}


def changes(
    seen: Seen, table: str, older: list[tuple[Any, ...]]
) -> Iterator[tuple[str, Callable[[sqlite3.Connection], object]]]:
    """Every row taken away, every value of it changed in several ways, exchanged with each other row's, every older row
    put back."""
    connection = seen.connection
    columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
    keys = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")') if row[5]] or columns
    where = " AND ".join(f'"{key}" IS ?' for key in keys)
    rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608  # its own schema
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    for row in named:
        at = tuple(row[key] for key in keys)
        yield f"{table}: {at} away", _said(f'DELETE FROM "{table}" WHERE {where}', at)  # noqa: S608  # the same
        for column in columns:
            update = f'UPDATE "{table}" SET "{column}" = ? WHERE {where}'  # noqa: S608  # the same
            for value in {*_others(row[column]), *(other[column] for other in named)} - {row[column]}:
                yield f"{table}.{column} of {at} = {value!r:.40}", _said(update, (value, *at))
    marks = ", ".join("?" * len(columns))
    replace_row = f'INSERT OR REPLACE INTO "{table}" VALUES ({marks})'  # noqa: S608  # the same
    for old in older:
        if old not in rows and len(old) == len(columns):
            yield f"{table}: an older row", _said(replace_row, old)


def _said(statement: str, values: tuple[Any, ...]) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: connection.execute(statement, values)


def _others(value: Any) -> Iterator[Any]:
    if isinstance(value, bytes):
        yield from (
            value[:-1],
            value + b"\x00",
            bytes([value[0] ^ 1]) + value[1:] if value else b"x",
            bytes(len(value)),
        )
        middle = len(value) // 2
        yield value[:middle] + bytes([value[middle] ^ 128]) + value[middle + 1 :] if value else b"y"
    elif isinstance(value, int):
        yield from (value + 1, value - 1, 0, -1, 2**62, value ^ 256)
    elif isinstance(value, str):
        yield from ("", value[:-1], value + "x", "0" * len(value), "../" + value, value.upper(), "\x00")
        yield value[:-1] + chr(ord(value[-1]) ^ 1) if value else "z"
    yield None


def attacks(victim: Victim, seen: Seen) -> Iterator[tuple[str, Callable[[sqlite3.Connection], object]]]:
    """On every table whose rows make answers."""
    tables = seen.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (table,) in tables:
        if table not in NO_ANSWER and not table.startswith("sqlite_"):
            yield from changes(seen, table, victim.older.get(table, []))


def test_every_change_of_a_row_of_the_catalogue(victim: Victim) -> None:
    refused = harmless = 0
    tried = list(attacks(victim, victim.catalogue))
    chance = random.Random(10)  # noqa: S311  # a choice that can be repeated
    for what, attack in chance.sample(tried, min(len(tried), amount(1_200, 1_000_000))):
        with victim.catalogue.attacked() as connection:
            try:
                attack(connection)
            except (sqlite3.IntegrityError, OverflowError):
                continue  # the store's own constraints
            try:
                is_harmless = victim.without_effect()
            except Exception as error:
                raise AssertionError(what) from error
        harmless += is_harmless
        refused += not is_harmless
    assert victim.without_effect()
    told("the catalogue", refused, harmless)


def test_every_change_of_a_row_of_the_key_ring(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the key service: what opens is the right key, or nothing does."""
    from reconciler_warehouse.keys.hierarchy import opened

    real = victim.world.warehouse()._site
    monkeypatch.setattr(real, "keyring", victim.ring)
    refused = harmless = 0
    tried = list(attacks(victim, victim.ring))
    chance = random.Random(11)  # noqa: S311  # a choice that can be repeated
    for what, attack in chance.sample(tried, min(len(tried), amount(500, 1_000_000))):
        with victim.ring.attacked() as connection:
            try:
                attack(connection)
            except (sqlite3.IntegrityError, OverflowError):
                continue
            try:
                for name in CLUSTERS:
                    uid = cluster_named(victim.site, name).uid
                    with opened(real, uid, f"Cluster {name}") as deks:
                        found = victim.rows_of_cluster(name, deks)
                    assert found == {one: victim.truth[one] for one in found}, "a wrong answer"
                harmless += 1
            except (ReconcilerError, Moved):
                refused += 1
            except Exception as error:
                raise AssertionError(what) from error
    told("the key ring", refused, harmless)


def test_every_file_in_anothers_place_and_every_older_one(victim: Victim, tmp_path: Path) -> None:
    """Whole files exchanged, emptied, cut, taken away."""
    folder = victim.world.folder() / "data"
    refused = 0
    named = {row.file: row for row, _ in stored_segments(victim)}
    files = [path for path in sorted(folder.iterdir()) if path.name in named]
    contents = {path: path.read_bytes() for path in folder.iterdir()}
    for path in files:
        raw = contents[path]
        others = [content for other, content in contents.items() if other != path and content != raw]
        for changed in [*others, b"", raw[:-1], raw[1:], bytes(len(raw)), raw[::-1]]:
            path.write_bytes(changed)
            assert not victim.without_effect(), path.name
            refused += 1
        path.unlink()
        assert not victim.without_effect(), path.name
        path.write_bytes(raw)
        refused += 1
    assert victim.without_effect()
    told("files", refused)
