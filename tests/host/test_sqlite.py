"""Every store opens, or says in one message why not; what is not ours is not touched."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import DamagedStore, HostError, NewerFormat, OtherShape, ReconcilerError
from reconciler.host.sqlite import connect, connect_read_only, transaction

SCHEMA = """
CREATE TABLE thing (name TEXT PRIMARY KEY, content BLOB);  -- a comment; with a semicolon
CREATE TABLE log (text TEXT DEFAULT 'a;b');
CREATE TRIGGER on_thing AFTER INSERT ON thing BEGIN
    INSERT INTO log VALUES (NEW.name);
    INSERT INTO log VALUES ('a;b');
END;
"""
APPLICATION = 0x5EED


def open_store(path: Path, format_number: int = 1) -> sqlite3.Connection:
    return connect(path, what="key ring", schema=SCHEMA, format_number=format_number, application_id=APPLICATION)


def open_read_only(path: Path, format_number: int = 1) -> sqlite3.Connection | None:
    return connect_read_only(
        path, what="key ring", schema=SCHEMA, format_number=format_number, application_id=APPLICATION
    )


def put(connection: sqlite3.Connection, name: str, content: bytes = b"") -> None:
    with transaction(connection):
        connection.execute("INSERT INTO thing VALUES (?, ?)", (name, content))


def names(path: Path) -> list[str]:
    connection = open_store(path)
    try:
        return [name for (name,) in connection.execute("SELECT name FROM thing ORDER BY name")]
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "tables" / "keyring.db"


def filled(path: Path) -> bytes:
    """A store with some pages, closed; its digest."""
    connection = open_store(path)
    for number in range(20):
        put(connection, f"n{number:02}", bytes(2000))
    connection.close()
    return digest(path)


def digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def test_a_new_store_is_private_durable_and_in_wal_mode(path: Path) -> None:
    before = os.umask(0)
    try:
        connection = open_store(path)
    finally:
        os.umask(before)
    put(connection, "a")
    pragmas = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    assert connection.execute("SELECT text FROM log").fetchall() == [("a",), ("a;b",)]
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    connection.close()
    assert os.listdir(path.parent) == ["keyring.db"]


def not_a_database(path: Path) -> None:
    path.write_bytes(b"apiVersion: reconciler/v1alpha1\n" * 100)


def short_text(path: Path) -> None:
    path.write_bytes(b"hello")


def emptied(path: Path) -> None:
    filled(path)
    path.write_bytes(b"")


def truncated_in_the_header(path: Path) -> None:
    filled(path)
    os.truncate(path, 60)


def truncated_to_a_page(path: Path) -> None:
    filled(path)
    os.truncate(path, 4096)


def truncated_in_a_page(path: Path) -> None:
    filled(path)
    os.truncate(path, 4096 * 3 + 100)


def header_overwritten(path: Path) -> None:
    filled(path)
    with path.open("r+b") as file:
        file.write(bytes(64))


def a_strangers_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title TEXT)")
    connection.commit()
    connection.close()


def an_application_of_another_name(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title TEXT)")
    connection.execute("PRAGMA application_id=77")
    connection.execute("PRAGMA user_version=1")
    connection.commit()
    connection.close()


def a_folder(path: Path) -> None:
    path.mkdir()


def a_newer_format(path: Path) -> None:
    open_store(path, format_number=9).close()


def one_column_short(path: Path) -> None:
    """As an earlier version of the same format number made it."""
    schema = SCHEMA.replace(", content BLOB", "")
    connect(path, what="key ring", schema=schema, format_number=1, application_id=APPLICATION).close()


def without_its_trigger(path: Path) -> None:
    connection = open_store(path)
    connection.execute("DROP TRIGGER on_thing")
    connection.close()


def one_index_more(path: Path) -> None:
    connection = open_store(path)
    connection.execute("CREATE INDEX by_text ON log (text)")
    connection.close()


BAD: dict[Callable[[Path], None], tuple[type[ReconcilerError], str]] = {
    not_a_database: (DamagedStore, "damaged"),
    short_text: (DamagedStore, "damaged"),
    emptied: (DamagedStore, "damaged: it is empty"),
    truncated_in_the_header: (DamagedStore, "damaged"),
    truncated_to_a_page: (DamagedStore, "damaged"),
    truncated_in_a_page: (DamagedStore, "damaged"),
    header_overwritten: (DamagedStore, "damaged"),
    a_strangers_database: (DamagedStore, "is not a key ring of reconciler"),
    an_application_of_another_name: (DamagedStore, "is not a key ring of reconciler"),
    a_folder: (DamagedStore, "is not a file"),
    a_newer_format: (NewerFormat, "has format 9; this version of reconciler knows up to 1"),
    one_column_short: (OtherShape, "has other tables than this version of reconciler makes"),
    without_its_trigger: (OtherShape, "has other tables"),
    one_index_more: (OtherShape, "has other tables"),
}


@pytest.mark.parametrize("reading", [True, False], ids=["reading", "writing"])
@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_what_is_no_store_of_this_version_is_refused_and_left_as_it_is(
    path: Path, spoil: Callable[[Path], None], reading: bool
) -> None:
    path.parent.mkdir(parents=True)
    spoil(path)
    before = path.read_bytes() if path.is_file() else b""
    expected, words = BAD[spoil]
    with pytest.raises(expected, match=words) as caught:
        (open_read_only if reading else open_store)(path)
    assert str(path) in caught.value.summary
    assert caught.value.suggestion
    assert (path.read_bytes() if path.is_file() else b"") == before
    beside = {"keyring.db-wal", "keyring.db-shm"} if reading else set()  # SQLite's own, which the next writer clears
    assert set(os.listdir(path.parent)) - beside == {"keyring.db"}


def test_a_symlink_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "elsewhere.db")
    for opening in (open_store, open_read_only):
        with pytest.raises(HostError, match="symbolic links"):
            opening(path)
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(HostError, match="Not a directory") as caught:
        open_store(tmp_path / "home" / "keyring.db")
    assert "is a file, not a folder" in str(caught.value.suggestion)


def test_reading_what_is_absent_makes_nothing(path: Path, tmp_path: Path) -> None:
    assert open_read_only(path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_reader_cannot_write(path: Path) -> None:
    filled(path)
    connection = open_read_only(path)
    assert connection is not None
    with pytest.raises(HostError, match="read-only"):
        put(connection, "x")
    connection.close()


def make_at_once(path: Path, number: int, barrier: threading.Barrier) -> None:
    barrier.wait()
    connection = open_store(path)
    put(connection, f"worker-{number}")
    connection.close()


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_eight_that_are_first_at_once_all_get_the_one_store(path: Path, kind: str) -> None:
    for attempt in range(5):
        store = path.with_name(f"{kind}-{attempt}.db")
        workers: list[threading.Thread | multiprocessing.process.BaseProcess]
        if kind == "threads":
            barrier = threading.Barrier(8)
            workers = [threading.Thread(target=make_at_once, args=(store, n, barrier)) for n in range(8)]
        else:
            fork = multiprocessing.get_context("fork")
            shared = fork.Barrier(8)
            workers = [fork.Process(target=make_at_once, args=(store, n, shared)) for n in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert names(store) == [f"worker-{n}" for n in range(8)]
        assert not [name for name in os.listdir(store.parent) if "making" in name]


def test_what_a_killed_maker_left_is_cleared_away(path: Path) -> None:
    path.parent.mkdir(parents=True)
    (path.parent / ".keyring.db.making").write_bytes(b"half a store")
    (path.parent / ".keyring.db.making-wal").write_bytes(b"half a log")
    open_store(path).close()
    assert os.listdir(path.parent) == ["keyring.db"]


def test_a_store_is_made_whole_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", fail)
        with pytest.raises(HostError, match="No space left") as caught:
            open_store(path)
    assert "Free some space" in str(caught.value.suggestion)
    assert os.listdir(path.parent) == []
    with pytest.raises(sqlite3.Error, match="syntax"):
        try:
            connect(path, what="key ring", schema="CREATE TABL;", format_number=1, application_id=1)
        except ReconcilerError as error:
            assert error.__cause__ is not None
            raise error.__cause__ from None
    assert os.listdir(path.parent) == []


def test_a_full_database_is_told_and_the_connection_goes_on(path: Path) -> None:
    connection = open_store(path)
    put(connection, "before")
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(HostError, match="no space left") as caught:
        put(connection, "large", bytes(100_000))
    assert "nothing that was finished is lost" in str(caught.value.suggestion)
    connection.execute(f"PRAGMA max_page_count={pages + 100}")
    put(connection, "after")
    connection.close()
    assert names(path) == ["after", "before"]


def test_an_error_inside_a_transaction_takes_all_of_it_back(path: Path) -> None:
    connection = open_store(path)
    put(connection, "a")
    # The caller's own, not translated.
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.execute("INSERT INTO thing VALUES ('b', NULL)")
        connection.execute("INSERT INTO thing VALUES ('a', NULL)")
    with pytest.raises(KeyboardInterrupt), transaction(connection):
        connection.execute("INSERT INTO thing VALUES ('c', NULL)")
        raise KeyboardInterrupt
    connection.close()
    assert names(path) == ["a"]


def test_a_commit_that_fails_leaves_the_connection_usable(path: Path) -> None:
    connection = open_store(path)
    connection.execute("CREATE TABLE child (parent TEXT REFERENCES thing DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.execute("INSERT INTO child VALUES ('nobody')")
    put(connection, "after")
    connection.execute("DROP TABLE child")  # with it, the store would be another's
    connection.close()
    assert names(path) == ["after"]


def test_damage_found_in_a_transaction_is_told_as_damage(path: Path) -> None:
    filled(path)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096 * 3)
    connection = open_store(path)
    with pytest.raises(DamagedStore, match=r"key ring at .* is damaged"), transaction(connection):
        connection.execute("SELECT count(*) FROM thing ORDER BY name").fetchall()
        connection.execute("SELECT sum(length(content)) FROM thing").fetchall()
    connection.close()


def run_python(code: str, *arguments: str, wrapper: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """A process of its own, for limits and identities that a test process must not take on."""
    root = Path(__file__).resolve().parents[2]
    source = Path(__file__).read_text().split("\n@pytest.fixture", 1)[0]
    return subprocess.run(
        [*wrapper, sys.executable, "-c", source + "\n" + textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


def test_a_limit_on_the_size_of_files_is_one_message(path: Path) -> None:
    open_store(path).close()
    done = run_python(
        """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        connection = open_store(Path(sys.argv[1]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
        try:
            put(connection, "large", bytes(200_000))
        except HostError as error:
            print(error.summary, "|", error.suggestion)
        connection.close()
        """,
        str(path),
    )
    assert done.stderr == ""
    assert "The key ring at" in done.stdout
    assert "run the command again" in done.stdout
    assert names(path) == []


UNSHARE = ("unshare", "-Urm")
CAN_UNSHARE = (
    shutil.which("unshare") is not None
    and subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
)


@pytest.mark.skipif(not CAN_UNSHARE, reason="a file system of its own needs user namespaces")
def test_a_really_full_disk_is_told_and_nothing_finished_is_lost(tmp_path: Path) -> None:
    done = run_python(
        """
        folder = Path(sys.argv[1])
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", str(folder)], check=True)
        (folder / "filler").write_bytes(bytes(188_000))
        try:
            open_store(folder / "home" / "keyring.db")
        except HostError as error:
            print("first:", error.summary, "|", error.suggestion)
        print("left:", sorted(p.name for p in (folder / "home").iterdir()))
        (folder / "filler").unlink()
        connection = open_store(folder / "home" / "keyring.db")
        put(connection, "finished")
        try:
            for number in range(1000):
                put(connection, f"n{number}", bytes(3000))
        except HostError as error:
            print("then:", error.summary, "|", error.suggestion)
        connection.close()
        print("names:", names(folder / "home" / "keyring.db")[0])
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        reader = open_read_only(folder / "home" / "keyring.db")
        print("read-only:", reader.execute("SELECT name FROM thing").fetchone()[0])
        reader.close()
        try:
            open_store(folder / "home" / "keyring.db")
        except HostError as error:
            print("write:", error.summary, "|", error.suggestion)
        try:
            open_store(folder / "other" / "keyring.db")
        except HostError as error:
            print("make:", error.summary, "|", error.suggestion)
        """,
        str(tmp_path),
        wrapper=UNSHARE,
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 7, done.stdout
    first, left, then, kept, read_only, write, make = done.stdout.splitlines()
    assert "space" in first
    assert left == "left: []"
    assert "no space left on the device | Free some space" in then
    assert kept == "names: finished"
    assert read_only == "read-only: finished"
    assert "Read-only file system" in write
    assert "The file system is read-only: choose another place" in make


def test_a_folder_that_cannot_be_written_is_read_and_named() -> None:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "home"
        filled(folder / "keyring.db")
        folder.chmod(0o500)
        if os.getuid() == 0:  # root may write everywhere: the process becomes somebody whose folders these are
            for place in (Path(parent), folder, folder / "keyring.db"):
                os.chown(place, 65534, 65534)
        done = run_python(
            """
            folder = Path(sys.argv[1])
            if os.getuid() == 0:
                os.setuid(os.stat(folder).st_uid)
            reader = open_read_only(folder / "keyring.db")
            print("read:", reader.execute("SELECT count(*) FROM thing").fetchone()[0])
            reader.close()
            for name in ("other.db", "keyring.db"):
                try:
                    open_store(folder / name)
                except HostError as error:
                    print("make:", error.summary, "|", error.suggestion)
            print(sorted(os.listdir(folder)))
            """,
            str(folder),
        )
        folder.chmod(0o700)
    assert done.stderr == ""
    read, other, existing, listing = done.stdout.splitlines()
    assert read == "read: 20"
    assert "Permission denied | Give this user access to it" in other
    assert "Permission denied | Give this user access to it" in existing
    assert listing == "['keyring.db']"


def test_a_store_in_use_is_read_by_others_with_what_was_committed(path: Path) -> None:
    writer = open_store(path)
    put(writer, "a")
    reader = open_read_only(path)
    assert reader is not None
    assert reader.execute("SELECT name FROM thing").fetchall() == [("a",)]
    put(writer, "b")
    assert len(reader.execute("SELECT name FROM thing").fetchall()) == 2
    reader.close()
    writer.close()


def test_opening_again_in_one_process_does_not_drop_its_locks(path: Path) -> None:
    """POSIX drops a process's locks on a file when any descriptor of it is closed: a second ``connect`` while a
    transaction is open must not let another process write."""
    first = open_store(path)
    with transaction(first):
        first.execute("INSERT INTO thing VALUES ('a', NULL)")
        second = open_store(path)
        second.close()
        done = run_python(
            """
            connection = open_store(Path(sys.argv[1]))
            connection.execute("PRAGMA busy_timeout=100")
            try:
                connection.execute("BEGIN IMMEDIATE")
                print("lock dropped")
            except sqlite3.OperationalError as error:
                print(error)
            connection.close()
            """,
            str(path),
        )
    first.close()
    assert done.stdout == "database is locked\n", done.stderr
