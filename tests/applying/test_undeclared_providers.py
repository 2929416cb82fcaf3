"""A key is kept by what lies at home under it, whether any manifest, row or grant still speaks of it (I3)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from reconciler.commands import applying
from reconciler.errors import BlockedByGuard
from reconciler.model.address import Address
from reconciler.model.change import Action
from reconciler.model.plan import Plan
from reconciler.providers.keys import IssuesGrants
from reconciler.providers.typed import caller, key_provider
from tests.world import World, document, provider

KMS, DATA = provider("kms"), provider("dw", "warehouse") + provider("tb", "tables")
KEY = document("Key", "one", lifecycle="{preventDestroy: false}")
CLUSTER = document(
    "Cluster", "lake", provider="dw", nodeType="ra3.large", nodes=1, database="dev", encryption="{key: one}"
)
TABLE = document("Keyspace", "shop", provider="tb") + document(
    "Table",
    "items",
    provider="tb",
    keyspace="shop",
    schema="{columns: [{name: id, type: int}], partitionKey: [id]}",
    encryption="{type: CUSTOMER_MANAGED_KMS_KEY, key: one}",
)
FORGOTTEN = [Address("Cluster/lake"), Address("Table/items"), Address("Keyspace/shop")]


def forgotten_by_all(folder: Path, data: str) -> World:
    """A world with data under a key, whose grants were revoked by hand and whose rows were forgotten."""
    world = World(folder)
    world.declare(KMS + DATA + KEY + data)
    world.apply()
    with world.session() as session:
        who, keys = caller(session, "kms"), key_provider(session, "kms")
        assert isinstance(keys, IssuesGrants)
        arn = str(session.attributes(Address("Key/one"))["arn"])
        for grant in keys.list_grants(who, arn):
            keys.revoke_grant(who, arn, grant.grant_id)
    with world.session() as session, applying.holding_lock(session, "state rm", 0, "text"):
        session.store.settle((), gone=FORGOTTEN, why="by state rm; the object stays")
    return world


def blocked(plan: Plan) -> str:
    change = next(change for change in plan.changes if change.address == "Key/one")
    return " ".join(f"{block.guard}: {block.reason} {' '.join(block.way_out)}" for block in change.blocked)


@pytest.mark.parametrize(("data", "name", "plugin"), [(CLUSTER, "lake", "warehouse"), (TABLE, "shop.items", "tables")])
def test_data_whose_provider_is_declared_no_more_keep_their_key(
    tmp_path: Path, data: str, name: str, plugin: str
) -> None:
    world = forgotten_by_all(tmp_path / "project", data)
    world.declare(KMS)
    said = blocked(world.plan())
    assert "key-in-use" in said
    assert name in said
    assert f"plugin {plugin}, account '111122223333', region eu-west-1" in said
    with pytest.raises(BlockedByGuard):
        world.apply()


def test_once_the_place_is_gone_the_key_can_go(tmp_path: Path) -> None:
    world = forgotten_by_all(tmp_path / "project", CLUSTER)
    world.declare(KMS)
    shutil.rmtree(world.folder / ".reconciler" / "warehouse")
    world.apply()
    assert not any(change.action is Action.DELETE for change in world.plan().changes)


def test_what_a_plugin_left_that_is_installed_no_more_counts_as_using_every_key(tmp_path: Path) -> None:
    world = World(tmp_path / "project")
    world.declare(KMS + KEY)
    world.apply()
    (world.folder / ".reconciler" / "lakehouse" / "111122223333" / "eu-west-1").mkdir(parents=True)
    world.declare(KMS)
    assert re.search(r"whatever Provider/lakehouse/111122223333/eu-west-1 holds", blocked(world.plan()))


def test_folders_that_are_no_place_of_a_provider_keep_nothing(tmp_path: Path) -> None:
    world = World(tmp_path / "project")
    world.declare(KMS + KEY)
    world.apply()
    (world.folder / ".reconciler" / "notes" / "2026" / "eu-west-1").mkdir(parents=True)
    (world.folder / ".reconciler" / "file").write_text("")
    world.declare(KMS)
    world.apply()
