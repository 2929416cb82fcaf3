"""A provider's store: reading makes nothing, writing is all or nothing, threads take turns."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from reconciler.errors import DamagedStore, NewerFormat
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
