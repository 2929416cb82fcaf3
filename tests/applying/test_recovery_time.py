"""Taking up what was interrupted takes less than a second among 1,000 resources, however much was begun (G14)."""

from __future__ import annotations

import io
import time
from contextlib import redirect_stdout
from pathlib import Path

from reconciler.commands import applying
from reconciler.model.address import Address
from tests.world import World, document, provider

COUNT = 1_000


def test_recovery_among_a_thousand_resources_takes_less_than_a_second(tmp_path: Path) -> None:
    world = World(tmp_path / "project")
    names = [f"k{number}" for number in range(COUNT)]
    world.declare(provider() + "".join(document("Key", name) for name in names))
    world.apply()
    with world.session() as session:
        session.store.acquire("test", timeout=0)
        for name in names:
            session.store.begin(
                Address.of("Key", name), provider="kms", step="tag", verb="update", facts={}, uid="u", token=name
            )
        session.store.release()
    with world.session() as session, redirect_stdout(io.StringIO()) as told:
        assert session.declared
        before = time.process_time()
        with applying.holding_lock(session, "test", 0, "text"):
            taken = time.process_time() - before
    assert told.getvalue().count("the next plan is made from what is there now") == COUNT
    assert taken < 1.0
