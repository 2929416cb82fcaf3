"""A provider's store: reading makes nothing, writing is all or nothing, threads take turns."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ConflictException, DamagedStore, NewerFormat, OtherShape
from reconciler.host import sqlite
from reconciler.host.store import Store


def store(path: Path, format_number: int = 1) -> Store:
    return Store(
        path, what="catalogue", schema="CREATE TABLE t (n INTEGER);", format_number=format_number, application_id=7
    )


def numbers(of: Store) -> list[int] | None:
    with of.read() as connection:
        return None if connection is None else [n for (n,) in connection.execute("SELECT n FROM t ORDER BY n")]


def test_reading_makes_nothing_and_writing_makes_the_store(tmp_path: Path) -> None:
    path = tmp_path / "home" / "a.db"
    one = store(path)
    assert numbers(one) is None
    assert list(tmp_path.iterdir()) == []
    with one.write() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
    assert numbers(one) == [1]
    another = store(path)
    assert numbers(another) == [1]
    one.close()
    with one.write() as connection:  # opens again
        connection.execute("INSERT INTO t VALUES (2)")
    assert numbers(another) == [1, 2]
    one.close()
    another.close()


def test_a_store_that_is_kept_open_is_opened_once_and_shows_what_others_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = store(tmp_path / "a.db"), store(tmp_path / "a.db")
    with reader.kept_open():
        assert numbers(reader) is None, "there is none yet"
    with writer.write() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
    opened: list[object] = []
    connect = sqlite.connect_read_only

    def counted(path: Path, **how: Any) -> object:
        opened.append(path)
        return connect(path, **how)

    monkeypatch.setattr(sqlite, "connect_read_only", counted)
    with reader.kept_open(), reader.kept_open():
        assert numbers(reader) == [1]
        with writer.write() as connection:
            connection.execute("INSERT INTO t VALUES (2)")
        with reader.read():
            assert numbers(reader) == [1, 2]
        assert len(opened) == 1
        writer.forget_the_past()  # nobody holds an older state
    assert numbers(reader) == [1, 2]
    assert len(opened) == 2
    writer.close()
    reader.close()


def test_a_block_that_raises_is_undone_and_the_store_goes_on(tmp_path: Path) -> None:
    one = store(tmp_path / "a.db")
    with pytest.raises(ValueError, match="no"), one.write() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        raise ValueError("no")
    with pytest.raises(ValueError, match="no"), one.read():
        raise ValueError("no")
    assert numbers(one) == []
    one.close()


def test_one_block_of_reading_sees_one_commit(tmp_path: Path) -> None:
    one, another = store(tmp_path / "a.db"), store(tmp_path / "a.db")
    with one.write() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
    with one.read() as reading:
        assert reading is not None
        assert reading.execute("SELECT count(*) FROM t").fetchone() == (1,)
        with another.write() as connection:
            connection.execute("INSERT INTO t VALUES (2)")
        assert reading.execute("SELECT count(*) FROM t").fetchone() == (1,)
    assert numbers(one) == [1, 2]
    one.close()
    another.close()


def test_reading_inside_a_block_sees_what_the_block_sees(tmp_path: Path) -> None:
    one = store(tmp_path / "a.db")
    with one.write() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        assert numbers(one) == [1]
        connection.execute("INSERT INTO t VALUES (2)")
    with one.read(), one.read() as inner:
        assert inner is not None
    assert numbers(one) == [1, 2]
    one.close()


def test_a_transaction_is_never_begun_inside_another(tmp_path: Path) -> None:
    one = store(tmp_path / "a.db")
    with one.write(), pytest.raises(RuntimeError, match="catalogue is open already"), one.write():
        pass
    with one.write():  # and the store goes on
        pass
    one.close()


def test_what_was_removed_can_be_made_to_leave_the_file_and_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MILLISECONDS", 10)
    path = tmp_path / "a.db"
    one = Store(path, what="catalogue", schema="CREATE TABLE t (n TEXT);", format_number=1, application_id=7)
    one.forget_the_past()
    assert not path.exists()
    with one.write() as connection:
        connection.execute("INSERT INTO t VALUES ('canary of the past')")
    with one.write() as connection:
        connection.execute("DELETE FROM t")
    assert any(b"canary" in file.read_bytes() for file in tmp_path.iterdir())
    another = Store(path, what="catalogue", schema="CREATE TABLE t (n TEXT);", format_number=1, application_id=7)
    with another.write():
        pass
    with another.read() as reading:
        assert reading is not None
        reading.execute("SELECT count(*) FROM t").fetchone()
        with one.write() as connection:
            connection.execute("INSERT INTO t VALUES ('b')")
        with pytest.raises(ConflictException, match="is being read"):
            one.forget_the_past()
    one.forget_the_past()
    assert not any(b"canary" in file.read_bytes() for file in tmp_path.iterdir())
    one.close()
    another.close()


def test_threads_take_turns(tmp_path: Path) -> None:
    one = store(tmp_path / "a.db")

    def work() -> None:
        for _ in range(20):
            with one.write() as connection:
                (count,) = connection.execute("SELECT count(*) FROM t").fetchone()
                connection.execute("INSERT INTO t VALUES (?)", (count,))

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(one) == list(range(100))
    one.close()


def test_damage_and_newer_formats_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("no database " * 100)
    for use in (numbers, lambda one: one.write().__enter__()):
        with pytest.raises(DamagedStore, match="catalogue at"):
            use(store(tmp_path / "a.db"))
    newer = store(tmp_path / "b.db", format_number=2)
    with newer.write():
        pass
    newer.close()
    with pytest.raises(NewerFormat):
        numbers(store(tmp_path / "b.db"))


def test_the_stores_of_every_provider_are_opened_by_shape(tmp_path: Path) -> None:
    """One that an earlier version made is refused when it is opened, not by "no such column" at some later time."""
    earlier = Store(
        tmp_path / "a.db", what="catalogue", schema="CREATE TABLE t (m TEXT);", format_number=1, application_id=7
    )
    with earlier.write():
        pass
    earlier.close()
    now = store(tmp_path / "a.db")
    with pytest.raises(OtherShape, match="other tables"), now.read():
        pass
    with pytest.raises(OtherShape, match="other tables"), now.write():
        pass
