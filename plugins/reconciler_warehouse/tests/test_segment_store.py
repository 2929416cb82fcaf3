"""What a place for segments promises: the same of files and of an object store (I4, T12), and of the catalogue."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.errors import DamagedStore, HostError, ProviderUnavailable
from reconciler.host.os_fs import OsFs
from reconciler.testing.fakes import ManualClock
from reconciler_warehouse.catalogue import catalogue
from reconciler_warehouse.segment_store import inline, object_store
from reconciler_warehouse.segment_store.local_files import LocalFiles
from reconciler_warehouse.segment_store.object_store import ObjectStore
from reconciler_warehouse.segment_store.protocol import SegmentStore
from reconciler_warehouse.segment_store.segments import Segments
from reconciler_warehouse.tests.object_server import ObjectServer, object_server

PART = 64 << 10
A, B, C = (f"{letter * 32}.1" for letter in "abc")


@pytest.fixture
def server(quick: Path) -> Iterator[ObjectServer]:
    with object_server(quick) as made:
        yield made


def objects(server: ObjectServer) -> ObjectStore:
    who = ("111122223333", "eu-west-1", ManualClock())
    return ObjectStore(server.config(), *who, frozenset, Path("catalogue.db"), OsFs())


@pytest.fixture(params=["files", "objects", "moved"])
def store(request: pytest.FixtureRequest, quick: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SegmentStore]:
    """``moved``: new segments on an object store, where earlier ones are files."""
    monkeypatch.setattr(object_store, "PART_BYTES", PART)
    files = LocalFiles(OsFs(), quick / "home" / "data", quick / "home" / "catalogue.db")
    if request.param == "files":
        yield files
        return
    found = objects(request.getfixturevalue("server"))
    if request.param == "moved":
        yield Segments(catalogue(quick / "home"), files, found)
    else:
        yield found
    found.close()


def pieces(content: bytes, size: int = 10_000) -> Iterator[memoryview]:
    """In a buffer that is used again, as writers have it."""
    buffer = bytearray(size)
    for start in range(0, len(content), size):
        part = content[start : start + size]
        buffer[: len(part)] = part
        yield memoryview(buffer)[: len(part)]


def whole(store: SegmentStore, name: str) -> bytes:
    with closing(store.open(name)) as opened:
        content = memoryview(bytearray(opened.size() + 10))
        return bytes(content[: opened.read_into(content, 0)])


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART + 17])
def test_what_was_written_is_read(store: SegmentStore, size: int) -> None:
    content = os.urandom(size)
    store.write(A, pieces(content))
    assert whole(store, A) == content
    assert store.names() == [A]
    assert dict(store.ends_of([A, B], 100)) == {A: (content[:100], content[-100:])}


def test_ranges_are_read_at_random_and_on_and_on(store: SegmentStore) -> None:
    content = os.urandom(3 * PART + 17)
    store.write(A, pieces(content))
    with closing(store.open(A)) as opened:
        for offset, count in [(0, 10), (PART - 5, 10), (3 * PART + 10, 10), (5, 2 * PART), (4 * PART, 10)]:
            buffer = memoryview(bytearray(count))
            assert bytes(buffer[: opened.read_into(buffer, offset)]) == content[offset : offset + count]
        step = memoryview(bytearray(1000))
        found = [bytes(step[: opened.read_into(step, offset)]) for offset in range(0, len(content), 1000)]
        assert b"".join(found) == content


def test_a_name_is_written_once(store: SegmentStore) -> None:
    store.write(A, pieces(b"the first" * 9000))
    with pytest.raises(HostError, match=r"cannot be used|exists already"):
        store.write(A, pieces(b"another" * 20_000))
    assert whole(store, A) == b"the first" * 9000


def test_after_an_error_nothing_is_left(store: SegmentStore) -> None:
    def broken() -> Iterator[memoryview]:
        yield from pieces(bytes(5 * PART))
        raise DamagedStore("the source ends here")

    with pytest.raises(DamagedStore, match="ends here"):
        store.write(A, broken())
    assert store.names() == []
    with pytest.raises(FileNotFoundError):
        store.open(A)


def test_what_is_removed_is_gone_and_may_be_removed_again(store: SegmentStore) -> None:
    for name in (A, B):
        store.write(name, pieces(os.urandom(2 * PART + 1)))
    store.remove([A, C])
    store.remove([A])
    assert store.names() == [B]
    with pytest.raises(FileNotFoundError):
        store.open(A)


def test_many_are_looked_at_and_removed_at_once(store: SegmentStore) -> None:
    names = [f"{number:032x}.1" for number in range(object_store.A_FEW + 4)]
    for name in names:
        store.write(name, pieces(name.encode()))
    assert dict(store.ends_of(names[1:], 4)) == {name: (name[:4].encode(), name[-4:].encode()) for name in names[1:]}
    store.remove(names[2:])
    assert store.names() == names[:2]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a" * 32, f"{'a' * 32}.0", f"{'A' * 32}.1", f"{A}/..", ""])
def test_a_name_that_was_never_given_out_is_refused(store: SegmentStore, name: str) -> None:
    for refused in (lambda: store.write(name, pieces(b"x")), lambda: store.open(name), lambda: store.remove([name])):
        with pytest.raises(DamagedStore, match="in a way that nothing here does"):
            refused()


def test_memory_is_bounded_by_the_parts_on_their_way(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "PART_BYTES", PART)
    answered = made = 0

    def slow(method: str, path: str) -> None:
        nonlocal answered
        time.sleep(0.002)
        answered += 1

    def parts() -> Iterator[memoryview]:
        nonlocal made
        for _ in range(40):
            assert made - answered <= object_store.IN_FLIGHT + 1
            yield memoryview(bytes(PART))
            made += 1

    server.rule = slow
    objects(server).write(A, parts())
    assert answered == 40


def test_a_bucket_that_goes_is_no_lost_segment(server: ObjectServer) -> None:
    store = objects(server)
    store.write(A, pieces(b"content"))
    opened = store.open(A)
    server.drop_bucket()
    with pytest.raises(HostError, match="there is no such bucket"):
        opened.read_into(memoryview(bytearray(7)), 0)


def test_a_client_that_is_not_installed_is_named(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "reconciler_warehouse.segment_store.object_client", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    for ask in (objects(server).names, lambda: objects(server).write(A, pieces(b"x")), lambda: objects(server).open(A)):
        with pytest.raises(ProviderUnavailable, match=r"need the Python module obstore") as refused:
            ask()
        assert "[object-store]" in str(refused.value.suggestion)


def test_earlier_segments_are_read_and_removed_where_they_lie(quick: Path, server: ObjectServer) -> None:
    files = LocalFiles(OsFs(), quick / "home" / "data", quick / "home" / "catalogue.db")
    files.write(A, pieces(b"a file"))
    both = Segments(catalogue(quick / "home"), files, objects(server))
    both.write(B, pieces(b"an object"))
    assert (whole(both, A), whole(both, B), both.names()) == (b"a file", b"an object", [A, B])
    both.remove([A, B])
    assert (files.names(), server.objects()) == ([], {})


class TestInline:
    @pytest.fixture
    def segments(self, quick: Path) -> Iterator[Segments]:
        self.catalogue = catalogue(quick / "home")
        yield Segments(self.catalogue, LocalFiles(OsFs(), quick / "home" / "data", quick / "home" / "catalogue.db"))
        self.catalogue.close()

    def test_it_comes_and_goes_with_the_transaction(self, segments: Segments) -> None:
        with pytest.raises(ValueError, match="no"), self.catalogue.write() as connection:
            inline.put(connection, A, b"small")
            assert whole(segments, A) == b"small"
            raise ValueError("no")
        assert segments.names() == []
        with self.catalogue.write() as connection:
            inline.put(connection, A, b"small")
        assert (segments.is_inline(A), whole(segments, A), dict(segments.ends_of([A], 2))) == (
            True,
            b"small",
            {A: (b"sm", b"ll")},
        )
        segments.remove([A])
        assert segments.names() == [A], "it is the catalogue's own transaction that removes it"
        with self.catalogue.write() as connection:
            inline.remove(connection, [A])
        with pytest.raises(FileNotFoundError):
            segments.open(A)

    def test_a_name_is_written_once(self, segments: Segments) -> None:
        with self.catalogue.write() as connection:
            inline.put(connection, A, b"small")
        with pytest.raises(sqlite3.IntegrityError), self.catalogue.write() as connection:
            inline.put(connection, A, b"other")
        assert whole(segments, A) == b"small"
