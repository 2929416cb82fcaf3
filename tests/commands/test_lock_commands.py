"""``lock list`` and ``lock break``: who holds the lock, and taking it away for good (I13)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.errors import LockHeld
from reconciler.host.process import Process
from reconciler.model.address import Address
from reconciler.model.recorded import Recorded
from reconciler.providers.keys import KeyRequest
from reconciler.providers.typed import caller, key_provider
from reconciler.state.sqlite_store import SqliteState
from reconciler.views.schemas import load_schema
from tests.command_line import run
from tests.world import document, provider

MANIFESTS = (
    provider() + provider("tb", plugin="tables") + document("Key", "k") + document("Keyspace", "s", provider="tb")
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = tmp_path / "shop"
    (project / "manifests").mkdir(parents=True)
    (project / "reconciler.yaml").write_text("home: .reconciler\n")
    (project / "manifests" / "world.yaml").write_text(MANIFESTS)
    assert run(project, "apply", "--auto-approve")[0] == 0
    return project


@contextmanager
def holder(folder: Path, **other: Any) -> Iterator[Session]:
    """A session that holds the lock: of this process, unless ``other`` fields of it say so."""
    with Session(Globals(directory=str(folder))) as session:
        store: SqliteState = session.store
        store._process = replace(Process.current(), **other)
        store.acquire("apply", timeout=0)
        yield session


def test_a_free_lock(folder: Path) -> None:
    assert run(folder, "lock", "list") == (0, "The lock is free.\n", "")
    code, out, _ = run(folder, "lock", "list", "--format", "json")
    assert (code, json.loads(out)["locks"]) == (0, [])
    assert run(folder, "lock", "break", "--auto-approve") == (0, "The lock is free; there is nothing to break.\n", "")


def test_before_the_first_apply_the_lock_is_free(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_text("home: .reconciler\n")
    assert run(tmp_path, "lock", "list")[:2] == (0, "The lock is free.\n")
    assert run(tmp_path, "lock", "break")[0] == 0
    assert not (tmp_path / ".reconciler").exists()


HOLDERS: dict[str, tuple[dict[str, Any], str]] = {
    "this process": ({}, "alive"),
    "a process that ended": ({"pid": 2**22 + 1}, "dead"),
    "another that was given the process id": ({"started": 1}, "dead"),
    "another host": ({"host": "ci-7"}, "leased"),
    "this host before it was started anew": ({"boot_id": "another"}, "leased"),
}


@pytest.mark.parametrize(("other", "standing"), HOLDERS.values(), ids=HOLDERS.keys())
def test_who_holds_the_lock_and_whether_it_lives(folder: Path, other: dict[str, Any], standing: str) -> None:
    from jsonschema import Draft202012Validator

    with holder(folder, **other) as session:
        held = session.store.lock_holder()
        assert held is not None
        code, out, _ = run(folder, "lock", "list", "--format", "json")
        document = json.loads(out)
        Draft202012Validator(load_schema("lock-list")).validate(document)
        (lock,) = document["locks"]
        assert (code, lock["holder"], lock["token"]) == (0, standing, held.token)
        assert (lock["pid"], lock["host"], lock["command"]) == (held.pid, held.host, "apply")
        code, out, _ = run(folder, "lock", "list")
        assert code == 0
        assert f"process:     {held.pid}\n" in out
        refused = run(folder, "apply", "--auto-approve")
        assert refused[0] == (0 if standing == "dead" else 6)
        if standing != "dead":
            assert f'process {held.pid}, running "apply"' in refused[2]


@pytest.mark.parametrize(("typed", "is_broken"), [(None, False), ("no\n", False), ("y\n", False), ("yes\n", True)])
def test_breaking_asks_and_explains(folder: Path, typed: str | None, is_broken: bool) -> None:
    with holder(folder) as session:
        code, out, err = run(folder, "lock", "break", stdin=typed or "", terminal=typed is not None)
        assert code == (0 if is_broken else 1)
        assert f"Do this first: end process {os.getpid()} on this host" in err
        assert "raises its fencing token" in err
        assert (session.store.lock_holder() is None) == is_broken
        assert out.startswith("The lock is free.") == is_broken


def test_the_old_holder_is_refused_by_the_state_and_by_every_provider_at_once(folder: Path) -> None:
    with holder(folder) as stale:
        kms, tables = key_provider(stale, "kms"), stale.provider("tb")
        code, out, _ = run(folder, "lock", "break", "--auto-approve")
        assert code == 0
        assert "refuse whatever comes under fencing token 2" in out
        with pytest.raises(LockHeld, match="broken or taken over: its token is 3, ours was 2"):
            stale.store.settle([Recorded(address=Address("Key/x"), uid="u", provider="kms")])
        with pytest.raises(LockHeld, match="fencing token 3 now; ours is 2"):
            kms.create_key(caller(stale, "kms"), KeyRequest(), token="t")
        with pytest.raises(LockHeld, match="fencing token 3 now; ours is 2"):
            tables.create_keyspace(caller(stale, "tb"), "late", replication="x", token="t")  # type: ignore[attr-defined]
        with pytest.raises(LockHeld):
            stale.store.heartbeat()
        stale.store.release()
    assert run(folder, "apply", "--auto-approve")[0] == 0
    assert run(folder, "plan", "--detailed-exitcode")[0] == 0


def test_that_it_was_broken_stands_in_the_journal(folder: Path) -> None:
    with holder(folder):
        run(folder, "lock", "break", "--auto-approve")
    with Session(Globals(directory=str(folder))) as session:
        told = [entry.text for entry in session.reader.history() if entry.verb == "break-lock"]
    assert len(told) == 1
    assert f'process {os.getpid()}, running "apply", who held it under fencing token 2' in told[0]


def test_what_the_old_holder_began_is_taken_up(folder: Path) -> None:
    with holder(folder) as stale:
        stale.store.begin(Address("Keyspace/s"), provider="tb", step="x", verb="update", facts={}, uid="u", token="t")
        assert run(folder, "lock", "break", "--auto-approve")[0] == 0
    code, out, _ = run(folder, "apply", "--auto-approve")
    assert code == 0
    assert "Keyspace/s: taken up again at x" in out


def test_a_provider_that_cannot_be_told_is_named(folder: Path) -> None:
    (folder / "manifests" / "more.yaml").write_text(provider("lost", plugin="nosuch"))
    with holder(folder) as stale:
        code, out, err = run(folder, "lock", "break", "--auto-approve")
        assert stale.store.lock_holder() is None
    assert code == 1
    assert out.startswith("The lock is free.")
    assert "Provider/lost could not be told" in err


def test_manifests_that_cannot_be_read_leave_the_lock_alone(folder: Path) -> None:
    (folder / "manifests" / "world.yaml").write_text("kind: [")
    with holder(folder) as stale:
        assert run(folder, "lock", "break", "--auto-approve")[0] == 1
        assert stale.store.lock_holder() is not None


def test_only_the_holder_that_was_shown_is_broken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has taken the lock since is left alone."""
    with holder(folder) as first:
        seen = first.store.lock_holder()
        monkeypatch.setattr("reconciler.state.sqlite_reader.SqliteReader.lock_holder", lambda reader: seen)
        first.store.release()
        with holder(folder) as second:
            code, _, err = run(folder, "lock", "break", "--auto-approve")
            assert code == 6
            second.store.heartbeat()
    assert f"process {os.getpid()}" in err
