"""``spec.importId``: what exists is found, adopted and brought to what its manifest says (CONTRACT 1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.errors import InvalidManifests
from reconciler.model.address import Address
from reconciler.model.change import Change
from reconciler.providers.keys import KeyRequest
from reconciler.providers.typed import caller, key_provider, naming_keys, table_provider
from tests.world import World, document, provider

KMS = provider()
WORLD = KMS + provider("tb", "tables") + provider("dw", "warehouse")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "project")
    made.declare(WORLD)
    return made


@pytest.fixture
def key(world: World) -> str:
    """The id of a key that no manifest knows of: ``alias/by-hand``."""
    with world.session() as session:
        who, keys = caller(session, "kms"), key_provider(session, "kms")
        made = keys.create_key(who, KeyRequest(description="by hand"), token="by-hand")
        naming_keys(session, "kms").create_alias(who, "alias/by-hand", made.key_id)
        keys.create_key(who, KeyRequest(description="another"), token="another")
        return made.key_id


def change(world: World, address: str = "Key/k") -> Change:
    (found,) = [one for one in world.plan().changes if one.address == address]
    return found


def verbs(world: World, address: str = "Key/k") -> list[str]:
    return [str(operation.verb) for operation in change(world, address).operations]


def guards(world: World, address: str = "Key/k") -> dict[str, str]:
    return {block.guard: "\n".join((block.reason, *block.way_out)) for block in change(world, address).blocked}


def arn(key: str) -> str:
    return f"arn:aws:kms:eu-west-1:111122223333:key/{key}"


# --- found ------------------------------------------------------------------------------------------------------------


def names(key: str) -> Iterator[str]:
    yield from (key, arn(key), "alias/by-hand", "arn:aws:kms:eu-west-1:111122223333:alias/by-hand")


@pytest.mark.parametrize("number", range(4), ids=["id", "ARN", "alias", "ARN of the alias"])
def test_an_object_is_found_by_any_of_its_names(number: int, world: World, key: str) -> None:
    wanted = list(names(key))[number]
    world.declare(WORLD + document("Key", "k", importId=f"'{wanted}'", description="by hand"))
    assert str(change(world).action) == "import"
    assert verbs(world) == ["import"]
    world.apply()
    with world.session() as session:
        assert session.attributes(Address("Key/k")) == {"id": key, "arn": arn(key)}
    assert not world.plan().has_changes


def test_what_differs_follows_in_the_same_plan(world: World, key: str) -> None:
    world.declare(WORLD + document("Key", "k", importId=key, description="ours", tags="{a: b}"))
    assert verbs(world) == ["import", "update"]
    assert [entry.path for entry in change(world).diff] == ["spec.description", "spec.tags"]
    world.apply()
    with world.session() as session:
        described = key_provider(session, "kms").describe_keys(caller(session, "kms"), [key])[key]
    assert (described.description, described.tags) == ("ours", {"a": "b"})
    assert not world.plan().has_changes


def test_what_refers_to_it_is_made_in_the_same_plan(world: World, key: str) -> None:
    world.declare(WORLD + document("Key", "k", importId=key, description="by hand") + document("Alias", "a", key="k"))
    (alias,) = [one for one in world.plan().changes if one.address == "Alias/a"]
    assert [entry.after for entry in alias.diff] == [arn(key)]
    world.apply()
    assert not world.plan().has_changes


def test_a_rotation_trigger_is_recorded_and_nothing_is_rotated(world: World, key: str) -> None:
    manifest = document("Key", "k", importId=key, description="by hand", rotation="{trigger: first}")
    world.declare(WORLD + manifest)
    assert verbs(world) == ["import"]
    world.apply()
    assert not world.plan().has_changes
    world.declare(WORLD + manifest.replace("first", "second"))
    assert verbs(world) == ["rotate"]


def test_so_is_that_of_a_cluster(world: World) -> None:
    cluster = document("Cluster", "c", provider="dw", encryption="{owned: true}")
    world.declare(WORLD + cluster)
    world.apply()
    with world.session() as session:
        store = session.store
        store.acquire("test", timeout=0)
        store.settle((), gone=[Address("Cluster/c")])
        store.release()
    world.declare(WORLD + cluster.replace("{owned: true}", "{owned: true, rotation: {trigger: t}}") + "  importId: c\n")
    assert verbs(world, "Cluster/c") == ["import"]
    world.apply()
    assert not world.plan().has_changes


def test_an_overdue_rotation_is_one_also_when_it_is_imported(world: World, key: str) -> None:
    world.clock.advance(days=100)
    world.declare(WORLD + document("Key", "k", importId=key, description="by hand", rotation="{every: 90d}"))
    assert verbs(world) == ["import", "update", "rotate"]
    world.apply()
    assert not world.plan().has_changes


def test_once_adopted_the_field_says_nothing_any_more(world: World, key: str) -> None:
    manifest = document("Key", "k", importId=key, description="by hand")
    world.declare(WORLD + manifest)
    world.apply()
    for later in (manifest.replace(key, "something-else"), document("Key", "k", description="by hand")):
        world.declare(WORLD + later)
        assert not world.plan().has_changes
        world.apply()


def test_a_saved_plan_of_an_import_is_carried_out(world: World, key: str) -> None:
    world.declare(WORLD + document("Key", "k", importId=key, description="by hand"))
    plan = world.plan()
    assert plan.summary()["import"] == 1
    assert plan.has_changes
    assert not plan.is_blocked


# --- refused ----------------------------------------------------------------------------------------------------------


def test_a_wrong_id_is_refused_and_what_is_there_is_told(world: World, key: str) -> None:
    world.declare(WORLD + document("Key", "k", importId=f"{key[:-1]}0"))
    found = guards(world)
    assert list(found) == ["import-not-found"]
    assert f"Did you mean {key}?" in found["import-not-found"]
    assert "remove spec.importId" in found["import-not-found"]


def test_so_is_any_where_nothing_is_there(world: World) -> None:
    world.declare(WORLD + document("Keyspace", "ks", provider="tb", importId="shop"))
    assert "has no Keyspace at all" in guards(world, "Keyspace/ks")["import-not-found"]


def test_a_name_that_several_have_is_refused_until_it_is_an_id(world: World) -> None:
    schema = "{columns: [{name: id, type: int}], partitionKey: [id]}"
    with world.session() as session:
        who, service = caller(session, "tb"), table_provider(session, "tb")
        for keyspace in ("one", "two"):
            service.create_keyspace(who, keyspace, replication="SingleRegionStrategy", token=keyspace)
    spaces = "".join(document("Keyspace", name, provider="tb", importId=name) for name in ("one", "two"))
    tables = "".join(
        document("Table", f"t-{name}", provider="tb", keyspace=name, schema=schema, externalName="t")
        for name in ("one", "two")
    )
    world.declare(WORLD + spaces + tables)
    world.apply()
    with world.session() as session:
        store = session.store
        store.acquire("test", timeout=0)
        store.settle((), gone=[Address("Table/t-one")])
        store.release()
    world.declare(WORLD + spaces + tables.replace("name: t-one}\nspec:\n", "name: t-one}\nspec:\n  importId: t\n"))
    assert "has 2 that are called so" in guards(world, "Table/t-one")["import-ambiguous"]
    world.declare(WORLD + spaces + tables.replace("name: t-one}\nspec:\n", "name: t-one}\nspec:\n  importId: one.t\n"))
    assert verbs(world, "Table/t-one") == ["import"]


def test_what_another_resource_is_already_is_refused(world: World, key: str) -> None:
    first = document("Key", "first", importId=key, description="by hand")
    world.declare(WORLD + first)
    world.apply()
    world.declare(WORLD + first + document("Key", "k", importId=key))
    assert "Key/first is already" in guards(world)["already-managed"]


def test_two_resources_do_not_adopt_one_object(world: World, key: str) -> None:
    world.declare(WORLD + document("Key", "a", importId=key) + document("Key", "k", importId=arn(key)))
    assert "Key/a is to adopt, too" in guards(world)["already-managed"]


def test_a_grant_that_a_service_made_stays_with_what_it_was_made_for(world: World) -> None:
    made = document("Key", "one") + document("Cluster", "c", provider="dw", encryption="{key: one}")
    world.declare(WORLD + made)
    world.apply()
    with world.session() as session:
        (grant,) = session.provider("kms").list_grants(  # type: ignore[attr-defined]  # a key service with grants
            caller(session, "kms"), session.attributes(Address("Key/one"))["arn"]
        )
    fields = {"granteePrincipal": "redshift.amazonaws.com", "operations": "[Decrypt]"}
    world.declare(WORLD + made + document("Grant", "g", key="one", importId=grant.grant_id, **fields))
    assert ":cluster:c" in guards(world, "Grant/g")["belongs-to-a-service"]


def test_a_provider_of_another_protocol_is_told_as_ever(world: World) -> None:
    world.declare(WORLD + document("Key", "k", provider="dw", importId="x"))
    with pytest.raises(InvalidManifests) as told:
        world.plan()
    assert [problem.path for problem in told.value.diagnostics()] == ["spec.provider"]


def test_nothing_of_it_is_recorded_by_a_plan(world: World, key: str) -> None:
    world.declare(WORLD + document("Key", "k", importId=key))
    world.plan(at=world.clock.now() + timedelta(days=1))
    reader = world.state()
    assert reader.get(Address("Key/k")) is None
    reader.close()
