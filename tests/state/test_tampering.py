"""Whatever is changed in the state's file from outside is noticed (RELIABILITY T9): each column of each row changed,
each row deleted, doubled, swapped with another, or put back as it was once. The counts are printed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import DamagedStore, JournalTruncated, NotAuthentic, OtherSeal, ReconcilerError
from reconciler.model.address import Address
from reconciler.state.proofs import Proofs
from reconciler.state.sqlite_reader import open_reader
from reconciler.state.sqlite_store import SqliteState
from reconciler.testing.fakes import ManualClock, SeededRandom, fixed_seal
from reconciler.testing.state_samples import begin, recorded
from tests.counts import count

TABLES = ("meta", "lease", "head", "resource", "journal", "pending", "used_plan")
NAMES = [Address.of("Key", name) for name in ("a", "b", "c")]


@dataclass(frozen=True)
class Made:
    """``path`` is the newest file, ``older`` are copies of it from before, ``content`` its tables."""

    path: Path
    older: tuple[Path, ...]
    content: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("tampering")
    path = folder / "state.db"
    clock = ManualClock()
    older: list[Path] = []

    def keep(store: SqliteState) -> None:
        store.close()
        older.append(folder / f"older-{len(older)}.db")
        shutil.copyfile(path, older[-1])

    for run in range(4):
        store = SqliteState(path, seal=fixed_seal(), clock=clock, random=SeededRandom(), journal_keeps=6)
        store.acquire("apply", timeout=0)
        for name in NAMES:
            row = recorded(name, attributes={"id": f"k-{run}"}, uid=f"uid-{name}")
            store.finish(begin(store, name, token=f"{name} {run}"), row)
        store.abandon(begin(store, NAMES[0], step="tag", token=f"tag {run}"), "it never happened")
        store.mark_plan_used(f"plan-{run}")
        if run == 1:
            begin(store, NAMES[1], step="enable", token="left open and closed later")
        if run == 2:
            for intent in store.open_intents():
                store.abandon(intent, "superseded")
        if run == 3:
            begin(store, NAMES[1], step="describe", token="left open")
            begin(store, NAMES[2], step="describe", token="left open too")
        clock.advance(seconds=100)
        store.heartbeat()
        store.release()
        keep(store)
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        content = {
            table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608  # from TABLES
            for table in TABLES
        }
    assert all(content.values()), "a table without rows shows nothing"
    return Made(path, tuple(older[:-1]), content)


def notices(path: Path) -> str | None:
    """The code of the refusal, None when everything is taken for what was written."""
    try:
        reader = open_reader(path, fixed_seal())
        try:
            reader.heads()
            reader.check()
        finally:
            reader.close()
    except ReconcilerError as error:
        assert error.suggestion
        return error.code
    return None


def is_obeyed(path: Path) -> bool:
    """Whether an apply goes on from it: takes the lock, reads its rows, its open steps and used plans."""
    try:
        store = SqliteState(path, seal=fixed_seal(), clock=ManualClock(), random=SeededRandom())
        try:
            store.acquire("apply", timeout=0)
            store.all()
        finally:
            store.close()
    except ReconcilerError:
        return False
    return True


def tampered(made: Made, folder: Path, change: Callable[[sqlite3.Connection], object]) -> Path:
    path = folder / "state.db"
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(made.path, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        change(connection)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def executed(connection: sqlite3.Connection, statement: str) -> None:
    connection.execute(statement)


def put(table: str, row: dict[str, Any]) -> Callable[[sqlite3.Connection], object]:
    statement = f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})"  # noqa: S608  # from TABLES
    return lambda connection: connection.execute(statement, list(row.values()))


def without(table: str, row: dict[str, Any]) -> Callable[[sqlite3.Connection], object]:
    statement = f"DELETE FROM {table} WHERE {' AND '.join(f'{column} IS ?' for column in row)}"  # noqa: S608
    return lambda connection: connection.execute(statement, list(row.values()))


def instead(table: str, old: dict[str, Any], new: dict[str, Any]) -> Callable[[sqlite3.Connection], object]:
    """``new`` in the place of ``old``."""

    def change(connection: sqlite3.Connection) -> None:
        without(table, old)(connection)
        put(table, new)(connection)

    return change


def other_values(value: Any) -> Iterator[Any]:
    match value:
        case None:
            yield from ("", 0)
        case bytes():
            yield bytes([*value[:-1], value[-1] ^ 1]) if value else b"\x00"
            yield value[:-1] if value else b"\x00\x00"
            yield value.hex()
        case str():
            yield value + "x"
            yield value[:-1] if value else " "
            yield value.encode()
        case int():
            yield from (value + 1, value ^ 1 << 40, "one", value + 0.5)
        case float():
            yield from (value + 1.0, -value - 1.0, "now")


def flips(made: Made) -> Iterator[tuple[str, Callable[[sqlite3.Connection], object]]]:
    for table, rows in made.content.items():
        for row in rows:
            for column, value in row.items():
                for other in other_values(value):
                    yield f"{table}.{column}: {value!r} to {other!r}", instead(table, row, {**row, column: other})
                if not isinstance(value, type(None)) and table in {"head", "resource"}:
                    yield f"{table}.{column} nothing", instead(table, row, {**row, column: None})


def deletions(made: Made) -> Iterator[tuple[str, Callable[[sqlite3.Connection], object]]]:
    for table, rows in made.content.items():
        for row in rows:
            yield f"{table} without {row}", without(table, row)
        yield f"{table} emptied", partial(executed, statement=f"DELETE FROM {table}")  # noqa: S608  # from TABLES
    for row in made.content["head"]:
        address = row["address"]

        def both(connection: sqlite3.Connection, address: str = address) -> None:
            connection.execute("DELETE FROM resource WHERE address = ?", (address,))
            connection.execute("DELETE FROM head WHERE address = ?", (address,))

        yield f"{address} gone", both
    for last in range(1, len(made.content["journal"])):
        seq = made.content["journal"][last]["seq"]
        yield (
            f"journal cut from {seq}",
            partial(executed, statement=f"DELETE FROM journal WHERE seq >= {seq}"),  # noqa: S608  # a number,
        )


def doubles(made: Made) -> Iterator[tuple[str, Callable[[sqlite3.Connection], object]]]:
    keys = {"head": "address", "resource": "address", "used_plan": "plan_id", "pending": "step", "journal": "seq"}
    for table, key in keys.items():
        for row in made.content[table]:
            new = row[key] + 1000 if isinstance(row[key], int) else row[key] + "2"
            yield f"{table} {row[key]} doubled", put(table, {**row, key: new})
    for head, wide in zip(made.content["head"], made.content["resource"], strict=True):

        def both(connection: sqlite3.Connection, head: dict[str, Any] = head, wide: dict[str, Any] = wide) -> None:
            put("head", {**head, "address": "Key/new"})(connection)
            put("resource", {**wide, "address": "Key/new"})(connection)

        yield f"{head['address']} doubled", both


def swaps(made: Made) -> Iterator[tuple[str, Callable[[sqlite3.Connection], object]]]:
    for table in TABLES:
        rows = made.content[table]
        for first, second in pairwise(rows):
            for column in first:
                if first[column] != second[column]:

                    def change(
                        connection: sqlite3.Connection,
                        table: str = table,
                        first: dict[str, Any] = first,
                        second: dict[str, Any] = second,
                        column: str = column,
                    ) -> None:
                        without(table, first)(connection)
                        without(table, second)(connection)
                        put(table, {**first, column: second[column]})(connection)
                        put(table, {**second, column: first[column]})(connection)

                    yield f"{table}.{column} swapped", change


def replays(made: Made) -> Iterator[tuple[str, Callable[[sqlite3.Connection], object]]]:
    """Older, authentic rows, tables and pairs of tables in the newest file."""
    for path in made.older:
        for table in TABLES:
            with closing(sqlite3.connect(path)) as connection:
                connection.row_factory = sqlite3.Row
                rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608  # from TABLES
            for row in rows:
                if row not in made.content[table]:
                    yield f"{table} {next(iter(row.values()))} of {path.name}", put(table, row)
        for tables in (("head", "resource"), ("pending",), ("used_plan",), ("journal",), ("meta",), ("lease",),
                       ("meta", "lease"), ("meta", "lease", "journal", "pending"), ("meta", "head", "resource"),
                       ("head", "resource", "meta", "lease"), ("meta", "lease", "used_plan")):  # fmt: skip

            def change(connection: sqlite3.Connection, path: Path = path, tables: tuple[str, ...] = tables) -> None:
                connection.execute("ATTACH ? AS older", (str(path),))
                for table in tables:
                    connection.execute(f"DELETE FROM main.{table}")  # noqa: S608  # from TABLES
                    connection.execute(f"INSERT INTO main.{table} SELECT * FROM older.{table}")  # noqa: S608

            yield f"{', '.join(tables)} of {path.name}", change


@pytest.mark.parametrize("kind", [flips, deletions, doubles, swaps, replays])
def test_it_is_noticed(
    made: Made,
    tmp_path: Path,
    kind: Callable[[Made], Iterator[tuple[str, Callable[[sqlite3.Connection], object]]]],
) -> None:
    assert notices(made.path) is None
    tried = refused = 0
    missed = []
    for name, change in kind(made):
        with suppress(sqlite3.Error):  # SQLite itself does not let it in
            path = tampered(made, tmp_path, change)
            tried += 1
            if notices(path) is None:
                missed.append(name)
                continue
            refused += 1
    count("T9", tried=tried, noticed=refused)
    assert missed == []
    assert tried > 20


def test_the_whole_file_of_before_is_noticed_by_marks_alone(made: Made) -> None:
    """Every part of it is authentic: this is what the key services keep marks for (I16)."""
    assert [notices(path) for path in made.older] == [None] * len(made.older)


def test_an_apply_obeys_no_forged_intent(made: Made, tmp_path: Path) -> None:
    """CVE-2021-4122: recovery metadata that an attacker wrote must not lead recovery anywhere (I9)."""
    (left,) = [row for row in made.content["pending"] if row["address"] == "Key/b"]
    entry = next(row for row in made.content["journal"] if row["seq"] == left["number"])
    for change in (
        instead("journal", entry, {**entry, "body": entry["body"].replace("left open", "decrypt it")}),
        instead("journal", entry, {**entry, "step": "decrypt"}),
        put("pending", {**left, "step": "decrypt"}),
        without("pending", left),
    ):
        assert not is_obeyed(tampered(made, tmp_path, change))
    assert is_obeyed(tampered(made, tmp_path, lambda connection: None))


def test_the_refusal_says_what_where_and_how_out(made: Made, tmp_path: Path) -> None:
    row = made.content["resource"][0]
    path = tampered(made, tmp_path, instead("resource", row, {**row, "attributes": '{"id":"k-evil"}'}))
    with pytest.raises(NotAuthentic, match="the row of Key/a was changed") as refused:
        open_reader_and_read(path)
    assert (refused.value.address, refused.value.file) == ("Key/a", str(path))
    assert "backup" in (refused.value.suggestion or "")
    assert "reconciler state reseal" in (refused.value.suggestion or "")


def test_a_changed_head_is_named(made: Made, tmp_path: Path) -> None:
    row = made.content["head"][1]
    path = tampered(made, tmp_path, instead("head", row, {**row, "identity": "k-evil"}))
    reader = open_reader(path, fixed_seal())
    with pytest.raises(NotAuthentic, match="the row of Key/b was changed"):
        reader.heads()
    reader.close()


def test_a_truncated_journal_is_called_that(made: Made, tmp_path: Path) -> None:
    last = made.content["journal"][-1]["seq"]
    path = tampered(made, tmp_path, lambda c: c.execute("DELETE FROM journal WHERE seq > ?", (last - 3,)))
    reader = open_reader(path, fixed_seal())
    with pytest.raises(JournalTruncated, match=f"ends with entry {last - 3}, and {last} were written"):
        reader.check()
    with pytest.raises(JournalTruncated):
        reader.open_intents()
    reader.close()
    assert not is_obeyed(path)


def open_reader_and_read(path: Path) -> None:
    reader = open_reader(path, fixed_seal())
    try:
        reader.all()
    finally:
        reader.close()


def test_a_state_of_another_seal_is_told_from_a_forged_one(made: Made, tmp_path: Path) -> None:
    path = tampered(made, tmp_path, lambda connection: None)
    with pytest.raises(OtherSeal, match="another project seal"):
        open_reader(path, fixed_seal(1))
    with pytest.raises(OtherSeal, match="no project seal"):
        open_reader(path, None)


def test_rows_of_another_state_under_the_same_seal_are_not_taken(made: Made, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    store = SqliteState(other, seal=fixed_seal(), clock=ManualClock(), random=SeededRandom(9))
    store.acquire("apply", timeout=0)
    store.settle([recorded(NAMES[0])])
    store.close()

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("ATTACH ? AS other", (str(other),))
        for table in ("head", "resource"):
            connection.execute(f"INSERT OR REPLACE INTO main.{table} SELECT * FROM other.{table}")  # noqa: S608

    assert notices(tampered(made, tmp_path, change)) == "state-not-authentic"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_bytes_of_the_file_are_noticed_or_change_nothing(
    made: Made, tmp_path: Path, data: st.DataObject
) -> None:
    path = tampered(made, tmp_path, lambda connection: None)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(100, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    if notices(path) is None:  # a byte that says nothing: free space, or an index that is not read
        reader, sound = open_reader(path, fixed_seal()), open_reader(made.path, fixed_seal())
        assert (reader.all(), reader.open_intents(), reader.history()) == (
            sound.all(),
            sound.open_intents(),
            sound.history(),
        )
        reader.close()
        sound.close()


def test_a_change_behind_the_holders_back_is_not_built_upon(made: Made, tmp_path: Path) -> None:
    path = tampered(made, tmp_path, lambda connection: None)
    store = SqliteState(path, seal=fixed_seal(), clock=ManualClock(), random=SeededRandom())
    store.acquire("apply", timeout=0)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE head SET settled = 1, identity = 'k-evil' WHERE address = 'Key/a'")
        connection.commit()
    with pytest.raises(DamagedStore, match="Key/a"):
        begin(store, NAMES[0], step="enable")
    store.close()


def test_the_spelling_of_what_is_proved_is_frozen() -> None:
    """Else another version of Python, or of this, would take every state for forged."""
    proofs = Proofs(fixed_seal(), "3f1c2a7e-0000-4000-8000-000000000001")
    columns = ("Key/größe", None, 1, 2**40, 1.5, b"\x00\xff", "")
    assert proofs.row(columns).hex() == FROZEN_ROW
    assert proofs.entry(b"before", columns).hex() == FROZEN_ENTRY


FROZEN_ROW = "d1306b2cf469d612f4acc2664afe87a113bd7d50cee1c795ff3357a5a209330f"
FROZEN_ENTRY = "4f7fb93343a42e4386848c14895cab95a8ed459f47e30e4280c317f74b29b597"
