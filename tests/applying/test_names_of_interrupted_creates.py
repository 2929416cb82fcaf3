"""What an interrupted create made is not somebody else's: the next apply goes on with it, whatever its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import HostError, PartlyApplied
from reconciler.state.sqlite_store import SqliteState
from tests.world import World, document, provider

KEYS = provider() + document("Key", "k")
TABLES = provider() + provider("tb", plugin="tables")
CREATES = {
    "Alias": (KEYS, document("Alias", "a", key="k")),
    "Keyspace": (TABLES, document("Keyspace", "s", provider="tb")),
}


@pytest.mark.parametrize(("before", "made"), CREATES.values(), ids=CREATES.keys())
def test_a_create_whose_outcome_was_not_written_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, made: str
) -> None:
    world = World(tmp_path / "project")
    world.declare(before)
    world.apply()
    world.declare(before + made)

    def full(*arguments: object) -> int:
        raise HostError("no space left on the device")

    with monkeypatch.context() as patched:
        patched.setattr(SqliteState, "finish", full)
        with pytest.raises(PartlyApplied):
            world.apply()
    world.apply()
    assert not world.plan().has_changes
