"""A state that cannot be used gives one clear message, and stays as it was (C4)."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import DamagedStore, HostError, LockHeld, NewerFormat, ReconcilerError
from reconciler.host.process import Process
from reconciler.model.address import Address
from reconciler.model.recorded import Recorded
from reconciler.state.sqlite_reader import open_reader
from reconciler.state.sqlite_store import SqliteState
from reconciler.testing.fakes import ManualClock, SeededRandom, fixed_seal

KEY = Address.of("Key", "orders")


def open_state(path: Path, process: Process | None = None) -> SqliteState:
    return SqliteState(path, seal=fixed_seal(), clock=ManualClock(), random=SeededRandom(), process=process)


def make(path: Path) -> None:
    state = open_state(path)
    state.acquire("apply", timeout=0)
    state.settle([Recorded(address=KEY, uid="u", provider="p", attributes={"id": "k" * 500})])
    state.release()
    state.close()


def change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def read_everything(path: Path) -> None:
    reader = open_reader(path, fixed_seal())
    try:
        reader.all()
        reader.heads()
        reader.open_intents()
    finally:
        reader.close()


def made_then(statement: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        make(path)
        change(path, statement)

    return damage


def cut_in_half(path: Path) -> None:
    make(path)
    os.truncate(path, path.stat().st_size // 2)


CASES: dict[str, tuple[Callable[[Path], object], type[ReconcilerError], str]] = {
    "not a database": (lambda path: path.write_text("lineage: 1\n" * 100), DamagedStore, "is damaged"),
    "somebody else's database": (
        lambda path: change(path, "CREATE TABLE theirs (a)"),
        DamagedStore,
        "is not a state of reconciler",
    ),
    "another store of ours": (
        made_then("PRAGMA application_id=7"),
        DamagedStore,
        "is not a state of reconciler",
    ),
    "a newer format": (
        made_then("PRAGMA user_version=99"),
        NewerFormat,
        "has format 99; this version of reconciler knows up to 1",
    ),
    "cut in half": (
        cut_in_half,
        DamagedStore,
        "is damaged",
    ),
    "emptied": (lambda path: path.write_bytes(b""), DamagedStore, "is empty"),
    "a folder": (lambda path: path.mkdir(), ReconcilerError, "state"),
}


@pytest.mark.parametrize("opens", [open_state, read_everything], ids=["to write", "to read"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_no_state_of_ours_is_refused_and_left_alone(
    tmp_path: Path,
    case: tuple[Callable[[Path], object], type[ReconcilerError], str],
    opens: Callable[[Path], object],
) -> None:
    damage, error, words = case
    path = tmp_path / "state.db"
    damage(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(error) as refused:
        state = opens(path)
        if isinstance(state, SqliteState):  # damage deep inside shows when it is read
            try:
                state.all()
            finally:
                state.close()
    assert words in refused.value.summary
    assert str(path) in refused.value.summary
    assert refused.value.suggestion
    assert refused.value.exit_code == 1
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE resource SET attributes = '[1]'",
        "UPDATE resource SET attributes = '{\"id\": '",
        "UPDATE resource SET refs = '7'",
        "UPDATE head SET standing = 'upright'",
        "UPDATE resource SET attributes = x'ff'",
    ],
)
def test_a_row_that_is_not_what_was_written_is_named(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "state.db"
    make(path)
    change(path, statement)
    reader = open_reader(path, fixed_seal())
    try:
        with pytest.raises(DamagedStore, match="row of Key/orders"):
            reader.get(KEY)
    finally:
        reader.close()


def test_no_state_yet_reads_as_empty_and_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "home" / "state.db"
    reader = open_reader(path, fixed_seal())
    assert (reader.lineage, reader.serial, reader.heads(), reader.all()) == ("", 0, {}, [])
    assert (reader.get(KEY), list(reader.open_intents()), reader.lock_holder()) == (None, [], None)
    assert not reader.plan_was_used("p")
    reader.close()
    assert list(tmp_path.iterdir()) == []


def test_the_state_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "made" / "state.db"
    make(path)
    assert [oct(each.stat().st_mode & 0o777) for each in (path, path.parent)] == ["0o600", "0o700"]


def test_a_full_disk_loses_nothing_that_was_finished(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    state = open_state(path)
    state.acquire("apply", timeout=0)
    finished = 0
    change_limit(state)
    with pytest.raises(HostError, match="no space left") as refused:
        while True:
            address = Address.of("Key", f"k{finished}")
            intent = state.begin(address, provider="p", step="create", verb="create", facts={}, uid="u", token="t")
            state.finish(intent, Recorded(address=address, uid="u", provider="p", attributes={"id": "x" * 5000}))
            finished += 1
    assert "nothing that was finished is lost" in (refused.value.suggestion or "")
    assert finished > 2
    assert (state.serial, len(state.all())) == (finished, finished)
    assert [intent.address for intent in state.open_intents()] in ([], [f"Key/k{finished}"])
    lift_limit(state)
    state.settle([Recorded(address=KEY, uid="u", provider="p", attributes={"id": "x" * 5000})])
    assert state.serial == finished + 1
    state.close()


def change_limit(state: SqliteState) -> None:
    """SQLite's own limit raises the same error as a disk without space."""
    (pages,) = state._connection.execute("PRAGMA page_count").fetchone()
    state._connection.execute(f"PRAGMA max_page_count={pages + 10}")


def lift_limit(state: SqliteState) -> None:
    state._connection.execute("PRAGMA max_page_count=100000")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody who may only read")
def test_a_home_that_cannot_be_written_is_read_and_refused_for_writing() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, whose parents are closed to others
        path = Path(folder) / "state.db"
        make(path)
        path.chmod(0o644)
        path.parent.chmod(0o755)
        first, second = as_nobody(lambda: read_and_try_to_write(path))
        assert first == "1 1"
        assert second.startswith("HostError The state at")
        assert "read-only" in second or "Permission denied" in second
        assert [each.name for each in path.parent.iterdir()] == ["state.db"]


def read_and_try_to_write(path: Path) -> str:
    reader = open_reader(path, fixed_seal())
    found = f"{reader.serial} {len(reader.all())}"
    reader.close()
    try:
        open_state(path).close()
    except ReconcilerError as error:
        return f"{found}\n{type(error).__name__} {error.summary}"
    return f"{found}\nwritable"


def as_nobody(call: Callable[[], str]) -> list[str]:
    """What ``call`` answers in a process without root's rights. Forked, since that user may not read the interpreter's
    own library."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            answer = call()
        except BaseException as error:  # the test shows it; nothing may escape into pytest's copy
            answer = repr(error)
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = pipe.read().splitlines()
    os.waitpid(child, 0)
    return lines


def test_the_refusal_of_a_held_lock_says_who_where_since_when_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    here = Process.current()
    ada = Process(who="ada", host="build-7", boot_id=here.boot_id, pid=4711, started=1)
    held = open_state(path, ada)
    waiting = open_state(path)
    try:
        held.acquire("apply --auto-approve", timeout=0)
        with pytest.raises(LockHeld) as refused:
            waiting.acquire("apply", timeout=2)
        assert refused.value.exit_code == 6
        assert refused.value.summary == (
            f"The state at {path} is locked by ada on build-7, process 4711, "
            'running "apply --auto-approve" since 2026-01-05T09:00:00Z (waited 2 s)'
        )
        assert refused.value.suggestion == (
            "Wait for it (--lock-timeout 10m). If build-7 is gone for good, the lock is free when its lease runs out, "
            "at 2026-01-05T09:01:00Z."
        )
    finally:
        held.close()
        waiting.close()
