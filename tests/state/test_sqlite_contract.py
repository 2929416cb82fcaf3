"""SqliteState keeps the contract of every state store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.host.process import Process
from reconciler.state.sqlite_store import SqliteState
from reconciler.testing.fakes import ManualClock, SeededRandom, fixed_seal
from reconciler.testing.state_contract import StateStoreContract
from reconciler.testing.state_samples import OpenStore


class TestSqliteState(StateStoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path, clock: ManualClock) -> Iterator[OpenStore]:
        opened: list[SqliteState] = []

        def open_one(host: str = "here", journal_keeps: int = 10_000) -> SqliteState:
            store = SqliteState(
                tmp_path / "state.db",
                seal=fixed_seal(),
                clock=clock,
                random=SeededRandom(len(opened)),
                process=replace(Process.current(), host=host),
                journal_keeps=journal_keeps,
            )
            opened.append(store)
            return store

        yield open_one
        for store in opened:
            store.close()
