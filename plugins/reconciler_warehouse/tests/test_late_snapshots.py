"""A snapshot that another process takes while its cluster's keys are switched comes along, as those before it do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from reconciler.providers.data import ClusterRequest
from reconciler_warehouse.backups import snapshots
from reconciler_warehouse.changes import renaming, rotation, switching
from reconciler_warehouse.rows import cluster_at
from reconciler_warehouse.tests.online_worlds import described
from reconciler_warehouse.tests.statement_worlds import site_of
from reconciler_warehouse.tests.test_crashes import opened
from reconciler_warehouse.tests.worlds import World, silent

QUESTION = "SELECT count(*) FROM flights"


def arn(world: World, name: str) -> str:
    return str(world.key(name).key_arn)


def uses(world: World, key: str) -> set[str]:
    return {one.name for one in world.warehouse().key_uses(arn(world, key))}


def switch(world: World) -> None:
    world.warehouse().modify_encryption(world.caller, "sales", world.key("k2"), progress=silent, token="switch")


def rotate(world: World) -> None:
    world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate")


def rename(world: World) -> None:
    world.warehouse().rename_cluster(world.caller, "sales", "trade", token="rename")


def is_switched(world: World) -> None:
    assert uses(world, "k2") == {"sales", "early", "late"}
    assert uses(world, "k1") == set()


def is_renamed(world: World) -> None:
    held = world.warehouse().held_grants()
    assert {one.context["aws:redshift:arn"].rpartition(":")[2] for one in held} == {"trade"}


def has_new_keys(world: World) -> None:
    assert uses(world, "k1") == {"sales", "early", "late"}


CHANGES: dict[str, tuple[Any, str, Callable[[World], None], Callable[[World], None]]] = {
    "switch": (switching, "following", switch, is_switched),
    "rotate": (rotation, "of_cluster", rotate, has_new_keys),
    "rename": (renaming, "of_cluster", rename, is_renamed),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_snapshot_that_is_taken_meanwhile_comes_along(world: World, kind: str) -> None:
    module, name, change, is_done = CHANGES[kind]
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.warehouse().create_snapshot(world.caller, "sales", "early", retention_days=None, token="early")
    before = {one.version for one in world.warehouse().key_versions()}
    other, uid, listed, done = (
        opened(world.home, world.files),
        described(world).uid,
        getattr(module, name),
        list[bool](),
    )

    def overtaken(*arguments: Any) -> Any:
        found = listed(*arguments)
        if not done:
            done.append(True)  # it was begun before the change was
            site = site_of(other)
            snapshots.create(site, cluster_at(site, uid), "late", keep=None, token="late")
        return found

    with patch.object(module, name, overtaken):
        change(world)
    other.reopen()
    assert done
    is_done(world)
    after = {one.version for one in world.warehouse().key_versions()}
    assert kind != "rotate" or not before & after
    world.keys().disable_key(world.caller, arn(world, "k1" if kind == "switch" else "k2"))
    request = ClusterRequest(name="again", node_type="ra3.large", nodes=1, database="dev", root=world.key("k4"))
    world.warehouse().restore_cluster(world.caller, request, "late", progress=silent, token="restore")
    assert world.select(QUESTION, "again") == [(5000,)]
