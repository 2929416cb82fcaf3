"""``audit --resource``: an ordinary life is complete, whatever was changed in it; a real gap is told (AU4)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.providers.inspection import HeldGrant
from reconciler.testing.quick_folder import tmp_path
from tests.world import World, document, provider

__all__ = ["tmp_path"]

PROVIDERS = (
    provider()
    + provider("dwh", "warehouse")
    + provider("shop", "tables")
    + provider("kms-us", region="us-east-1")
    + provider("dwh-us", "warehouse", region="us-east-1")
)
KEYS = "".join(document("Key", name) for name in ("one", "two", "spare"))
ABROAD = document("Key", "abroad", provider="kms-us") + document(
    "SnapshotCopyGrant", "landing", provider="dwh-us", key="abroad"
)
CUSTOMER = "type: CUSTOMER_MANAGED_KMS_KEY"
NOTHING_UNDER_A_KEY = "No grant was ever made for"


def cluster(encryption: str, name: str = "sales", **more: str) -> str:
    said = {"provider": "dwh", "nodeType": "ra3.large", "nodes": "1", "encryption": f"{{{encryption}}}", **more}
    return document("Cluster", name, **said)


def snapshot(of: str = "sales", name: str = "early") -> str:
    return document("Snapshot", name, provider="dwh", cluster=of)


def copying(of: str = "sales") -> str:
    return document("SnapshotCopy", "abroad", provider="dwh", cluster=of, to="dwh-us", grant="landing", retention="7d")


def table(root: str) -> str:
    return document("Keyspace", "books", provider="shop") + document(
        "Table",
        "orders",
        provider="shop",
        keyspace="books",
        schema="{columns: [{name: id, type: text}], partitionKey: [id]}",
        encryption=f"{{{root}}}",
    )


RENAMED = {"name": "trade", "renamedFrom": "sales"}
STORIES: dict[str, tuple[str, ...]] = {
    "a cluster with a second way by an escrow key": (cluster("key: one, escrow: spare") + snapshot(),),
    "an escrow key that was taken away": (cluster("key: one, escrow: spare"), cluster("key: one")),
    "an escrow key in the place of another": (cluster("key: one, escrow: spare"), cluster("key: one, escrow: two")),
    "a renamed cluster with its snapshot and its copies": (
        cluster("key: one") + snapshot() + ABROAD + copying(),
        cluster("key: one", **RENAMED) + snapshot("trade") + ABROAD + copying("trade"),
    ),
    "a renamed cluster with an escrow key": (
        cluster("key: one, escrow: spare"),
        cluster("key: one, escrow: spare", **RENAMED),
    ),
    "a cluster under another key, and its snapshot with it": (
        cluster("key: one") + snapshot(),
        cluster("key: two") + snapshot(),
    ),
    "a cluster under another key, without its snapshot": (
        cluster("key: one") + snapshot(),
        cluster("key: two, snapshotsFollow: false") + snapshot(),
    ),
    "a cluster that went to another key and back": (cluster("key: one"), cluster("key: two"), cluster("key: one")),
    "a cluster that was renamed and then went to another key": (
        cluster("key: one") + snapshot(),
        cluster("key: one", **RENAMED) + snapshot("trade"),
        cluster("key: two", "trade") + snapshot("trade"),
    ),
    "a cluster that was rotated": (cluster("key: one"), cluster("key: one, rotation: {trigger: again}")),
    "a cluster that went from the owned key to one": (cluster("owned: true"), cluster("key: one")),
    "a cluster that went from a key to the owned one": (cluster("key: one"), cluster("owned: true")),
    "a cluster that is not encrypted any more": (cluster("key: one"), cluster("enabled: false")),
    "a leave for copies that none was made by": (cluster("key: one") + ABROAD,),
    "a table under another key": (table(f"{CUSTOMER}, key: one"), table(f"{CUSTOMER}, key: two")),
    "a table that went to the owned key and back": (
        table(f"{CUSTOMER}, key: one"),
        table("type: AWS_OWNED_KMS_KEY"),
        table(f"{CUSTOMER}, key: one"),
    ),
    "an alias and a policy that are called as what is under the key": (
        cluster("key: one") + document("Alias", "sales", key="one"),
    ),
}


def told(world: World) -> dict[str, tuple[int, str]]:
    """What is said of each resource that exists."""
    with world.session() as session:
        addresses = [str(row.address) for row in session.reader.all()]
    answers = {address: world.run("audit", "--resource", address) for address in addresses}
    return {address: (answer.code, answer.err) for address, answer in answers.items()}


@pytest.mark.parametrize("story", STORIES)
def test_an_ordinary_life_is_complete(tmp_path: Path, story: str) -> None:
    world = World(tmp_path)
    for stage in STORIES[story]:
        world.declare(PROVIDERS + KEYS + stage)
        world.apply()
    said = told(world)
    assert said
    for address, (code, complaint) in said.items():
        assert code == 0 or (code == 1 and NOTHING_UNDER_A_KEY in complaint), f"{address}: {complaint}"


def held(world: World, arns: Iterable[str]) -> list[HeldGrant]:
    with world.session() as session:
        plane: Any = session.provider("dwh")
        return [one for one in plane.held_grants() if one.arn in arns]


GONE_BEHIND = {
    story: STORIES[story]
    for story in (
        "a cluster with a second way by an escrow key",
        "a renamed cluster with an escrow key",
        "a cluster under another key, and its snapshot with it",
    )
}


@pytest.mark.parametrize("story", GONE_BEHIND)
def test_each_grant_that_it_rests_on_is_missed_when_it_was_revoked(tmp_path: Path, story: str) -> None:
    world = World(tmp_path)
    for stage in GONE_BEHIND[story]:
        world.declare(PROVIDERS + KEYS + stage)
        world.apply()
    with world.session() as session:
        (address,) = [row.address for row in session.reader.all() if row.address.kind == "Cluster"]
        arn = str(session.attributes(address)["arn"])
    grants = held(world, [arn])
    assert {one.grant_id for one in grants}
    for one in grants:
        with world.session() as session:
            kms: Any = session.provider("kms")
            who = Caller(principal=session.principal("kms"), account="111122223333")
            kms.revoke_grant(who, one.key_arn, one.grant_id)
        said = world.run("audit", "--resource", str(address))
        assert said.code == 3
        assert f"its grant has ended (RevokeGrant), and the object is there, under {one.key_arn}" in said.err


def test_a_cluster_that_is_gone_had_a_complete_life(tmp_path: Path) -> None:
    world = World(tmp_path)
    for stage in (cluster("key: one"), ""):
        world.declare(PROVIDERS + KEYS + stage)
        world.apply(confirmed=True)
    said = world.run("audit", "--resource", "Cluster/sales")
    assert (said.code, "RetireGrant" in said.out) == (0, True), said.err
