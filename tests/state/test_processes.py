"""The lock and the commits among real processes that are really killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.errors import LockHeld
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.host.process import Process, is_dead
from reconciler.model.address import Address
from reconciler.model.recorded import Recorded
from reconciler.state.sqlite_reader import open_reader
from reconciler.state.sqlite_store import SqliteState
from reconciler.testing.fakes import fixed_seal

ROOT = Path(__file__).resolve().parents[2]

PRELUDE = """
import sys, os, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.model.address import Address
from reconciler.model.recorded import Recorded
from reconciler.state.sqlite_store import SqliteState
from reconciler.testing.fakes import fixed_seal
path = Path(sys.argv[2])
store = SqliteState(path, seal=fixed_seal(), clock=SystemClock(), random=SystemRandom())
"""

COUNTER = """
counter = path.with_name("counter")
for _ in range(int(sys.argv[3])):
    holder = store.acquire("apply", timeout=60)
    number = int(counter.read_text())
    time.sleep(0.001)  # two inside at once would both have read this number
    counter.write_text(str(number + 1))
    with path.with_name("tokens").open("a") as log:
        log.write(f"{holder.token}\\n")
    store.release()
    time.sleep(0.002)
store.close()
"""

HOLD = """
holder = store.acquire("apply --auto-approve", timeout=0)
intent = store.begin(Address.of("Key", "orders"), provider="keys", step="create", verb="create", facts={"n": 1},
                     uid="u-1", token="token-1")
print(holder.token, flush=True)
time.sleep(60)
"""

FINISH = """
acknowledged = path.with_name("acknowledged").open("a")
store.acquire("apply", timeout=10)
number = store.serial
print("ready", flush=True)
while True:
    number += 1
    address = Address.of("Key", f"k{number % 7}")
    intent = store.begin(address, provider="keys", step="create", verb="create", facts={}, uid=f"u-{number}",
                         token=f"t-{number}")
    row = None if number % 5 == 0 else Recorded(address=address, uid=intent.uid, provider="keys",
                                                attributes={"id": f"id-{number}"}, settled=True)
    serial = store.finish(intent, row)
    acknowledged.write(f"{serial}\\n")
    acknowledged.flush()
"""

Spawn = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: object) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + program, str(ROOT), *(str(each) for each in arguments)],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def open_state(path: Path) -> SqliteState:
    return SqliteState(path, seal=fixed_seal(), clock=SystemClock(), random=SystemRandom())


def first_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_of_eight_processes_no_two_are_inside_at_once(tmp_path: Path, spawn: Spawn) -> None:
    turns = 5
    (tmp_path / "counter").write_text("0")
    children = [spawn(COUNTER, tmp_path / "state.db", turns) for _ in range(8)]
    assert [child.wait(timeout=60) for child in children] == [0] * 8
    assert int((tmp_path / "counter").read_text()) == 8 * turns
    tokens = [int(line) for line in (tmp_path / "tokens").read_text().splitlines()]
    assert tokens == list(range(1, 8 * turns + 1))


def test_eight_processes_that_make_the_state_at_once_share_one_lineage(tmp_path: Path, spawn: Spawn) -> None:
    children = [spawn("print(store.lineage)\nstore.close()", tmp_path / "new" / "state.db") for _ in range(8)]
    assert len({first_line(child) for child in children}) == 1
    assert [child.wait(timeout=60) for child in children] == [0] * 8


@pytest.mark.parametrize("is_reaped", [True, False], ids=["gone", "a zombie"])
def test_a_killed_holder_is_taken_over_at_once_and_its_intent_is_found(
    tmp_path: Path, spawn: Spawn, is_reaped: bool
) -> None:
    path = tmp_path / "state.db"
    child = spawn(HOLD, path)
    token = int(first_line(child))
    state = open_state(path)
    try:
        with pytest.raises(LockHeld, match=f'process {child.pid}, running "apply --auto-approve"'):
            state.acquire("apply", timeout=0)
        os.kill(child.pid, signal.SIGKILL)
        if is_reaped:
            child.wait()
        else:
            wait_until(lambda: is_dead(child.pid, 0))
        assert state.acquire("apply", timeout=0).token == token + 1
        (left,) = state.open_intents()
        assert (left.step, left.token, left.facts) == ("create", "token-1", {"n": 1})
    finally:
        state.close()


def test_a_stopped_holder_is_not_dead(tmp_path: Path, spawn: Spawn) -> None:
    path = tmp_path / "state.db"
    child = spawn(HOLD, path)
    first_line(child)
    os.kill(child.pid, signal.SIGSTOP)
    state = open_state(path)
    try:
        with pytest.raises(LockHeld):
            state.acquire("apply", timeout=0.3)
    finally:
        state.close()


def test_kills_inside_commits_leave_rows_serial_and_journal_agreeing(tmp_path: Path, spawn: Spawn) -> None:
    """Each round: kill at a random moment, then check that the state is the replay of a prefix, and no shorter than
    what was acknowledged."""
    path, acknowledged = tmp_path / "state.db", tmp_path / "acknowledged"
    dice = random.Random(20260105)  # noqa: S311  # chooses when to kill
    state = open_state(path)
    lineage = state.lineage
    state.close()
    serial = 0
    for _ in range(10):
        found_before = serial  # may be one more than was ever acknowledged, and so may what this round adds
        child = spawn(FINISH, path)
        assert first_line(child) == "ready"
        time.sleep(dice.uniform(0.0, 0.08))
        child.kill()
        child.wait()
        reader = open_reader(path, fixed_seal())
        try:
            serial = reader.serial
            assert reader.lineage == lineage
            lines = acknowledged.read_text().split() if acknowledged.exists() else []
            assert serial - max(found_before, int(lines[-1] if lines else 0)) in (0, 1)
            assert {row.address: (row.serial, row.identity) for row in reader.all()} == replay(serial)
            assert list(reader.heads()) == sorted(replay(serial))
            assert [intent.token for intent in reader.open_intents()] in ([], [f"t-{serial + 1}"])
        finally:
            reader.close()
    assert serial > 50, "the kills came before any work: the test shows nothing"


def replay(serial: int) -> dict[Address, tuple[int, str | None]]:
    rows: dict[Address, tuple[int, str | None]] = {}
    for number in range(1, serial + 1):
        address = Address.of("Key", f"k{number % 7}")
        rows.pop(address, None)
        if number % 5:
            rows[address] = (number, f"id-{number}")
    return rows


def test_a_reused_process_id_is_another_process() -> None:
    here = Process.current()
    assert not is_dead(here.pid, here.started)
    assert is_dead(here.pid, here.started + 1)


def test_the_process_is_told_by_boot_namespace_and_start() -> None:
    here = Process.current()
    assert here.sees(here.host, here.boot_id)
    assert not here.sees("elsewhere", here.boot_id)
    assert not here.sees(here.host, "another boot")
    assert here.pid == os.getpid()
    assert here.started > 0


def test_a_reader_keeps_its_moment_while_others_commit(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    state = open_state(path)
    state.acquire("apply", timeout=0)
    row = Recorded(address=Address.of("Key", "a"), uid="u", provider="p")
    state.settle([row])
    reader = open_reader(path, fixed_seal())
    state.settle([Recorded(address=Address.of("Key", "b"), uid="u", provider="p")])
    later = open_reader(path, fixed_seal())
    assert (reader.serial, len(reader.heads()), len(reader.all())) == (1, 1, 1)
    assert (later.serial, len(later.heads())) == (2, 2)
    for each in (reader, later, state):
        each.close()


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(f"never became true: {json.dumps(condition.__name__)}")
