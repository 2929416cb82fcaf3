"""A root key that is lost in the middle of a change: what is backed up opens whole, and nothing plain is called sealed
(RE8, RE10, I18)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from reconciler.errors import ReconcilerError
from reconciler.providers.data import ClusterRequest, Root
from reconciler_warehouse.changes import resealing
from reconciler_warehouse.config import MigrationConfig, WarehouseConfig
from reconciler_warehouse.online import workers
from reconciler_warehouse.tests.left_overs import left_over
from reconciler_warehouse.tests.worlds import HERE, NONE, World, silent

QUESTION = "SELECT count(*), sum(id) FROM flights"
ANSWER = [(600, sum(range(600)))]


class Stopped(Exception):
    pass


def loaded(world: World, root: Root) -> None:
    world.configs = {HERE: WarehouseConfig(migration=MigrationConfig(workers=1))}
    world.create(root)
    for number in range(6):
        rows = "".join(f"{100 * number + one},x,1.5\n" for one in range(100))
        world.load(world.file(f"part{number}.csv", f"id,tail,delay\n{rows}"))


def stopped(world: World, change: Any, after: int) -> None:
    """The change, up to its ``after``-th checkpoint."""
    left = [after]

    def stop() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Stopped

    world.checkpoint = stop
    with pytest.raises(Stopped):
        change()
    world.checkpoint = lambda: None
    world.reopen()


def due(world: World) -> list[str]:
    return world.warehouse().do_due_work(world.caller, progress=silent)


def destroy(world: World, name: str) -> None:
    world.keys().schedule_key_deletion(world.caller, str(world.key(name).key_arn), waiting_days=7)
    world.clock.advance(days=8)
    world.reopen()


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing, "BATCH", 2)
    monkeypatch.setattr(workers, "MOST", 1)


@pytest.mark.parametrize("change", ["rotation", "re-encryption"])
def test_in_the_middle_of_new_keys_the_backup_has_the_old_and_the_new(world: World, change: str) -> None:
    loaded(world, world.key("k1"))
    warehouse = world.warehouse()
    warehouse.set_escrow(world.caller, "sales", str(world.key("escrow").key_arn), token="escrow")
    call = warehouse.rotate_encryption_key if change == "rotation" else warehouse.re_encrypt
    stopped(world, lambda: call(world.caller, "sales", progress=silent, token="change"), 1)
    destroy(world, "k1")
    due(world)
    (found,) = world.warehouse().describe_clusters(world.caller)
    assert found.inaccessible is not None
    assert found.inaccessible.escrow_arn == world.key("escrow").key_arn
    request = ClusterRequest(name="again", node_type="ra3.large", nodes=1, database="dev", root=world.key("k2"))
    world.warehouse().restore_cluster(
        world.caller, request, str(found.inaccessible.backup), progress=silent, token="again"
    )
    assert world.select(QUESTION, "again") == ANSWER
    world.warehouse().rotate_encryption_key(world.caller, "again", progress=silent, token="rotate")
    assert world.select(QUESTION, "again") == ANSWER


@pytest.mark.parametrize("to", ["on", "off"])
def test_partly_in_clear_there_is_no_backup_and_nothing_is_released(world: World, to: str) -> None:
    loaded(world, NONE if to == "on" else world.key("k1"))
    key = str(world.key("k1").key_arn)
    target = world.key("k1") if to == "on" else NONE

    def modify() -> None:
        world.warehouse().modify_encryption(world.caller, "sales", target, progress=silent, token="change")

    stopped(world, modify, 1)
    world.keys().disable_key(world.caller, key)
    due(world)
    with pytest.raises(ReconcilerError, match="inaccessible-kms-key") as refused:
        world.select(QUESTION)
    assert "left a part of it in clear" in str(refused.value.suggestion)
    (found,) = world.warehouse().describe_clusters(world.caller)
    assert found.inaccessible is not None
    assert found.inaccessible.backup is None
    assert world.warehouse().describe_snapshots(world.caller) == []
    for step in (timedelta(days=15), timedelta(hours=2), timedelta(hours=2)):
        world.clock.advance(seconds=step.total_seconds())
        due(world)
    assert [one.name for one in world.warehouse().describe_clusters(world.caller)] == ["sales"]
    world.keys().enable_key(world.caller, key)
    due(world)
    modify()
    assert world.select(QUESTION) == ANSWER
    (found,) = world.warehouse().describe_clusters(world.caller)
    assert (found.status, found.root) == ("available", target)
    assert left_over(world) == {}
