"""Plan and drift have no way to write: every provider that they are given fails on whatever is no question (PS5)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.commands.session import Session
from reconciler.planning.drift import findings
from reconciler.planning.refresh import refresh
from reconciler.providers.pool import ProviderPool
from reconciler.providers.typed import caller, key_provider
from tests.test_manifests import ROOT
from tests.world import World

QUESTIONS = ("find_", "describe_", "list_", "get_key_", "default_", "key_uses")
FACTS = ("account", "region", "protocol", "close")
BUILD = ProviderPool._build


class OnlyAsked:
    """A provider of which nothing but questions may be asked."""

    def __init__(self, provider: Any, asked: set[str]) -> None:
        self._provider, self._asked = provider, asked

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._provider, name)
        if name in FACTS:
            return found
        if not name.startswith(QUESTIONS):

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


def test_drift_asks_and_never_writes(session: Session, asked: set[str]) -> None:
    rows = session.reader.all()
    found = findings(rows, refresh(rows, session), session.clock.now())

    assert {finding.drift_class for finding in found} >= {"key-disabled"}
    assert {"describe_clusters", "describe_tables", "describe_keys"} <= asked
    assert "store" not in vars(session), "drift opened the state for writing"


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
