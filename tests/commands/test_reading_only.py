"""Plan and drift have no way to write: every provider that they are given fails on whatever is no question (PS5)."""

from __future__ import annotations

import gc
import hashlib
import io
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from reconciler import cli
from reconciler.commands import drift as drift_command
from reconciler.commands.drift import FORMATS
from reconciler.commands.session import Session
from reconciler.providers.pool import ProviderPool
from reconciler.providers.typed import caller, key_provider
from tests.test_manifests import ROOT
from tests.world import World

QUESTIONS = frozenset(
    {
        *("describe_keys", "find_key", "list_keys", "list_aliases", "list_grants", "get_key_policies"),
        *("default_key_policy", "get_identity_policies", "list_identity_policies", "mark"),
        *("audit_events", "check_audit_log"),
        *("describe_clusters", "find_cluster", "describe_snapshots", "describe_snapshot_copy_grants"),
        *("describe_data_shares", "events", "estimate_change", "change_progress", "due_work", "manifest_tags"),
        *("describe_keyspaces", "describe_tables", "find_table"),
        *("key_uses", "held_grants", "key_versions", "plaintext_found"),
        *("list_dependents", "list_accesses_to_adopt"),
    }
)
"""Whatever else a provider can be asked is refused: a call that is new is no question until it stands here. None of
these opens anything: ``decrypt`` is not among them, nor is ``encrypt`` or ``generate_data_key``."""
_AUDIT = {"audit", "audit_said", "audit_coming", "audit_head", "audit_spools"}
FACTS = frozenset({"account", "region", "protocol", "close"})
BUILD = ProviderPool._build


class OnlyAsked:
    """A provider of which nothing but questions may be asked."""

    def __init__(self, provider: Any, asked: set[str]) -> None:
        self._provider, self._asked = provider, asked

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._provider, name)
        if name in FACTS:
            return found
        if name not in QUESTIONS:

            def refuse(*arguments: Any, **named: Any) -> Any:
                raise AssertionError(f"{name} is no question")

            return refuse
        self._asked.add(name)
        return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """From now on providers are only asked; the questions."""
    asked: set[str] = set()
    monkeypatch.setattr(ProviderPool, "_build", lambda pool, name: OnlyAsked(BUILD(pool, name), asked))
    return asked


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart, with a few rows in each file, applied; then a key is disabled behind its back."""
    folder = tmp_path_factory.mktemp("quickstart") / "project"
    shutil.copytree(ROOT / "manifests" / "quickstart", folder, ignore=shutil.ignore_patterns(".reconciler", "data"))
    (folder / "data").mkdir()
    for name in ("flights", "airlines", "airports", "planes", "weather"):
        (folder / "data" / f"{name}.csv").write_text("carrier,n\nUA,1\n")
    shutil.move(folder / "resources", folder / "manifests")
    world = World(folder)
    world.apply()
    with world.session() as session:
        service, who = key_provider(session, "keys-eu"), caller(session, "keys-eu")
        key = next(key for key in service.list_keys(who) if key.description == "Opens the table key of travel.bookings")
        service.disable_key(who, key.key_id)
    return folder


@pytest.fixture
def session(applied: Path) -> Iterator[Session]:
    with World(applied).session() as session:
        yield session


@pytest.mark.parametrize("form", FORMATS)
def test_drift_asks_and_never_writes(applied: Path, asked: set[str], form: str) -> None:
    """The whole command: the survey, the samples of raw bytes and every way to print."""
    opened: list[Session] = []

    def session(*arguments: Any, **named: Any) -> Session:
        opened.append(Session(*arguments, **named))
        return opened[-1]

    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out), pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift_command, "Session", session)
        code = cli.main(["-C", str(applied), "drift", "--format", form])
    gc.enable()  # a command ends its process, so main turned the collector off

    assert code == 3, out.getvalue()
    assert "key-disabled" in out.getvalue()
    assert {"describe_clusters", "describe_tables", "describe_keys", "list_grants"} <= asked
    assert {"held_grants", "key_versions", "plaintext_found"} <= asked
    assert "store" not in vars(opened[0]), "drift opened the state for writing"


def test_drift_leaves_every_byte_as_it_was(applied: Path) -> None:
    """Of the project, its state and its home; the key service's audit records alone may be more."""
    before = everything(applied)
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        cli.main(["-C", str(applied), "drift"])
    gc.enable()
    after = everything(applied)

    assert after.keys() == before.keys()
    assert [name for name in before if after[name] != before[name]] == []


def everything(folder: Path) -> dict[str, str]:
    """A digest of each file; of a key store, of each of its tables but the audit records."""
    found: dict[str, str] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(folder))
        if "softkms" in path.parts and path.suffix == ".db":
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
                tables = [table for (table,) in store.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
                assert set(tables) >= _AUDIT
                for table in sorted(set(tables) - _AUDIT):
                    rows = store.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  # names from the schema
                    found[f"{name}:{table}"] = hashlib.sha256(repr(sorted(map(repr, rows))).encode()).hexdigest()
        elif not name.endswith(("-wal", "-shm")):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.mark.parametrize(
    "request_of", [{}, {"destroy": True}, {"destroy": True, "confirmed": True}, {"refresh_only": True}], ids=str
)
def test_a_plan_asks_and_never_writes(applied: Path, asked: set[str], request_of: dict[str, Any]) -> None:
    plan = World(applied).plan(**request_of)

    assert plan.drift
    assert {"describe_clusters", "describe_tables", "describe_keys"} <= asked


def test_the_providers_do_fail_when_something_is_written(session: Session, asked: set[str]) -> None:
    with pytest.raises(AssertionError, match="disable_key is no question"):
        key_provider(session, "keys-eu").disable_key(caller(session, "keys-eu"), "any")
