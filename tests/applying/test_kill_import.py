"""An import that is killed in mid-step: the next apply ends it, and every object is adopted once (I10)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.model.address import Address
from tests.applying.test_kill import finish
from tests.applying.test_kill_operations import RealWorld, kill_in_step
from tests.world import document, provider

BEFORE = (
    provider()
    + provider("tb", "tables")
    + document("Key", "k", description="theirs")
    + document("Alias", "a", key="k")
    + document("Keyspace", "ks", provider="tb")
)
NAMES = {"Key/k": "alias/a", "Alias/a": "alias/a", "Keyspace/ks": "ks"}


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_an_import_killed_in_the_middle_is_ended_by_the_next_apply(step: int, tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "project")
    world.declare(BEFORE)
    world.apply()
    with world.session() as session:
        before = {row.address: row.identity for row in session.reader.all()}
        store = session.store
        store.acquire("test", timeout=0)
        store.settle((), gone=[Address(name) for name in NAMES])
        store.release()
    text = BEFORE.replace("theirs", "ours")
    for name, wanted in NAMES.items():
        kind, _, called = name.partition("/")
        head = f"kind: {kind}\nmetadata: {{name: {called}}}\nspec:\n"
        text = re.sub(re.escape(head), f"{head}  importId: {wanted}\n", text)
    world.declare(text)
    world.session()
    kill_in_step(world.folder, step, 0.001)
    finish(world.folder)
    assert not world.plan().has_changes
    with world.session() as session:
        assert not session.reader.open_intents()
        assert {row.address: row.identity for row in session.reader.all()} == before
