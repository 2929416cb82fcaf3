"""Any sequence of calls against a dictionary that does the same (RELIABILITY T6)."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from reconciler.errors import LockHeld, StalePlan
from reconciler.model.address import Address
from reconciler.model.recorded import Intent, Recorded, Standing
from reconciler.state.sqlite_reader import open_reader
from reconciler.state.sqlite_store import SqliteState
from reconciler.testing.fakes import ManualClock, SeededRandom, fixed_seal

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
ADDRESSES = st.sampled_from([Address.of("Key", name) for name in ("a", "b", "größe/x")])
STEPS = st.sampled_from(["create", "tag"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
ROWS = st.builds(
    Recorded,
    address=ADDRESSES,
    uid=TEXTS,
    provider=TEXTS,
    attributes=st.dictionaries(TEXTS | st.just("id"), JSON, max_size=3),
    spec=st.none() | TEXTS,
    digest=st.none() | TEXTS,
    observed=st.none() | TEXTS,
    links=TEXTS,
    due_at=st.none() | st.floats(0, 4e9),
    settled=st.booleans(),
    protected=st.booleans(),
    standing=st.sampled_from(Standing),
    references=st.lists(ADDRESSES, max_size=2).map(tuple),
)


class StateMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "state.db"
        self.clock = ManualClock()
        self.store = self.open()
        self.store.acquire("apply", timeout=0)
        self.rows: dict[Address, Recorded] = {}
        self.open_steps: dict[tuple[Address, str], Intent] = {}
        self.used: set[str] = set()
        self.serial = 0
        self.counter = 0

    def open(self) -> SqliteState:
        return SqliteState(self.path, seal=fixed_seal(), clock=self.clock, random=SeededRandom())

    @rule(address=ADDRESSES, step=STEPS, facts=st.dictionaries(TEXTS, JSON, max_size=2))
    def begin(self, address: Address, step: str, facts: dict[str, Any]) -> None:
        self.counter += 1
        intent = self.store.begin(
            address, provider="p", step=step, verb="v", facts=facts, uid="u", token=f"t-{self.counter}"
        )
        known = self.open_steps.setdefault((address, step), intent)
        assert intent == known
        if known.token == f"t-{self.counter}":
            assert intent.facts == facts
            if address in self.rows:
                self.rows[address] = replace(self.rows[address], settled=False)

    @rule(data=st.data(), row=st.none() | ROWS)
    def finish(self, data: st.DataObject, row: Recorded | None) -> None:
        if not self.open_steps:
            return
        key = data.draw(st.sampled_from(sorted(self.open_steps)))
        intent = self.open_steps.pop(key)
        self.serial += 1
        assert self.store.finish(intent, row) == self.serial
        assert self.store.finish(intent, row) == self.serial
        if row is None:
            self.rows.pop(key[0], None)
        else:
            self.rows[row.address] = replace(row, serial=self.serial)

    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        if self.open_steps:
            self.store.abandon(self.open_steps.pop(data.draw(st.sampled_from(sorted(self.open_steps)))), "undone")

    @rule(rows=st.lists(ROWS, max_size=3), gone=st.lists(ADDRESSES, max_size=2))
    def settle(self, rows: list[Recorded], gone: list[Address]) -> None:
        removed = [self.rows.pop(address, None) for address in gone]
        if rows or any(removed):
            self.serial += 1
        self.rows |= {row.address: replace(row, serial=self.serial) for row in rows}
        assert self.store.settle(rows, gone=gone) == self.serial

    @rule(plan=st.sampled_from(["p", "q"]))
    def use_plan(self, plan: str) -> None:
        if plan in self.used:
            with pytest.raises(StalePlan):
                self.store.mark_plan_used(plan)
        else:
            self.store.mark_plan_used(plan)
            self.used.add(plan)

    @rule(releases=st.booleans())
    def start_again(self, releases: bool) -> None:
        """Another process goes on: this one ended, or its lease was broken by the clock of another host."""
        token = self.store.acquire("apply", timeout=0).token
        if releases:
            self.store.release()
            with pytest.raises(LockHeld):
                self.store.settle([])
            self.store.close()
            self.store = self.open()
            assert self.store.acquire("apply", timeout=0).token == token + 1
        else:
            with pytest.raises(LockHeld):
                other = self.open()
                try:
                    other.acquire("apply", timeout=1)
                finally:
                    other.close()

    @invariant()
    def everything_reads_back(self) -> None:
        reader = open_reader(self.path, fixed_seal())
        try:
            assert {row.address: row for row in reader.all()} == self.rows
            heads = reader.heads()
            assert {address: (head.identity, head.settled, head.digest) for address, head in heads.items()} == {
                address: (row.identity, row.settled, row.digest) for address, row in self.rows.items()
            }
            assert all(reader.get(address) == row for address, row in self.rows.items())
            found = {(intent.address, intent.step): intent for intent in reader.open_intents()}
            assert found == self.open_steps
            assert reader.serial == self.serial
            assert all(reader.plan_was_used(plan) == (plan in self.used) for plan in ("p", "q"))
        finally:
            reader.close()

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


TestModel = StateMachine.TestCase
TestModel.settings = settings(max_examples=40, stateful_step_count=25, deadline=None, database=None, derandomize=True)
