"""``reconciler import``: one object, or everything that nobody manages (CONTRACT 3)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.model.recorded import Recorded
from reconciler.providers.keys import KeyRequest
from reconciler.providers.typed import caller, key_provider, naming_keys, warehouse_provider
from tests.resources.test_existing import MANAGED
from tests.world import World, document, provider

PROVIDERS = "".join(f"---{text}" for text in MANAGED.split("---") if "kind: Provider" in text)
PEOPLE = "name,age\nAda Lovelace,36\nGrace Hopper,85\n"
LOADED = MANAGED.replace(
    "encryption: {key: one}", "encryption: {key: one}\n  tables: [{name: people, load: [people.csv]}]"
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "project")
    made.folder.mkdir()
    (made.folder / "people.csv").write_text(PEOPLE)
    made.declare(LOADED)
    made.apply()
    return made


def rows(world: World) -> dict[Address, Recorded]:
    reader = world.state()
    found = {row.address: row for row in reader.all()}
    reader.close()
    return found


def lose_the_state(world: World) -> None:
    for path in (world.folder / ".reconciler").glob("state.db*"):
        path.unlink()


def forget(world: World, *addresses: str) -> None:
    code, _, err = world.run("state", "rm", *addresses)
    assert code == 0, err


# --- everything -------------------------------------------------------------------------------------------------------


def test_a_state_that_is_lost_is_written_again_from_what_is_there(world: World) -> None:
    """The manifests are lost, too: what is there says everything."""
    before = {row.identity for row in rows(world).values()}
    lose_the_state(world)
    world.declare(PROVIDERS)
    code, text, err = world.run("import", "--generate")
    assert (code, err) == (0, "")
    assert world.run("import", "--generate")[1] == text
    world.declare(PROVIDERS + text)
    assert world.run("validate")[0] == 0
    plan = world.plan()
    assert {str(change.action) for change in plan.changes} == {"import"}
    assert [str(op.verb) for change in plan.changes for op in change.operations] == ["import"] * len(before)
    world.apply()
    assert not world.plan().has_changes
    assert {row.identity for row in rows(world).values()} == before
    assert world.run("drift")[0] == 0
    with world.session() as session:
        found = warehouse_provider(session, "dw").select(caller(session, "dw"), "c", "SELECT name FROM people").rows
    assert len(found) == 2


def test_what_is_written_goes_by_name_in_the_order_of_addresses(world: World) -> None:
    lose_the_state(world)
    world.declare(PROVIDERS)
    text = world.run("import", "--generate")[1]
    documents = [part for part in text.split("---\n") if part]
    heads = [(part.split("kind: ")[1].split("\n")[0], part.split("name: ")[1].split("\n")[0]) for part in documents]
    assert heads == sorted(heads)
    assert "arn:aws:kms" not in "".join(part for part in documents if "kind: KeyPolicy" not in part)
    cluster = next(part for part in documents if "kind: Cluster" in part)
    assert "key: one" in cluster
    assert "name: people" in cluster


def test_managed_objects_are_left_out_and_so_are_kinds_that_are_not_named(world: World) -> None:
    assert world.run("import", "--generate")[:2] == (0, "")
    forget(world, "Alias/one", "Cluster/c")
    world.declare(LOADED.replace(document("Alias", "one", key="one"), ""))
    code, text, _ = world.run("import", "--generate", "alias")
    assert (code, text.count("kind:")) == (0, 1)
    assert "key: one" in text


def test_what_is_declared_by_its_name_is_not_declared_twice(world: World) -> None:
    forget(world, "Cluster/c")
    code, text, err = world.run("import", "--generate", "cluster")
    assert (code, text) == (0, "")
    assert "Left out: Cluster/c is declared already: `importId: arn:aws:redshift" in err


def test_a_key_that_goes_is_left_out_and_that_is_said(world: World) -> None:
    with Session(world.session().flags) as session:  # by the clock that the command has
        who, keys = caller(session, "kms"), key_provider(session, "kms")
        gone = keys.create_key(who, KeyRequest(), token="gone")
        keys.schedule_key_deletion(who, gone.key_id, waiting_days=7)
        left = keys.create_key(who, KeyRequest(tags={"a.b": "yes", "n": "012"}), token="left")
        naming_keys(session, "kms").create_alias(who, "alias/Team_A/left", left.key_id)
    code, text, err = world.run("import", "--generate", "--provider", "kms")
    assert code == 0
    assert gone.key_id not in text
    assert f"{gone.key_id} waits for its deletion" in err
    assert "name: team-a-left" in text
    assert "externalName: Team_A/left\n" in text


def test_two_of_a_name_get_two_addresses(world: World) -> None:
    with world.session() as session:
        for name in ("kms", "kms-us"):
            who = caller(session, name)
            made = key_provider(session, name).create_key(who, KeyRequest(), token="twin")
            naming_keys(session, name).create_alias(who, "alias/twin", made.key_id)
    text = world.run("import", "--generate")[1]
    assert text.count("name: twin\n") == 2
    assert text.count("name: twin-2\n") == 2
    assert text.count("externalName: twin\n") == 1
    world.declare(LOADED + text)
    assert world.run("validate")[0] == 0
    world.apply()
    assert not world.plan().has_changes


def test_a_file_is_written_once(world: World) -> None:
    forget(world, "Alias/one")
    world.declare(LOADED.replace(document("Alias", "one", key="one"), ""))
    target = world.folder / "manifests" / "found.yaml"
    code, out, err = world.run("import", "--generate", "-o", str(target))
    assert (code, out) == (0, "")
    assert "1 manifest written to" in err
    assert "kind: Alias" in target.read_text()
    code, _, err = world.run("import", "--generate", "-o", str(target))
    assert code == 1
    assert "is there already; nothing was written" in err
    world.apply()
    assert not world.plan().has_changes


# --- one --------------------------------------------------------------------------------------------------------------


def test_one_object_is_recorded_and_what_the_next_plan_will_do_is_shown(world: World) -> None:
    before = rows(world)[Address("Key/one")]
    forget(world, "Key/one")
    world.declare(LOADED.replace("name: one}\nspec:\n", "name: one}\nspec:\n  description: ours\n", 1))
    code, out, err = world.run("import", "Key/one", str(before.identity))
    assert code == 0, err
    assert "~ spec.description" in out
    assert "Key/us" not in out
    after = rows(world)[Address("Key/one")]
    assert (after.identity, after.provider) == (before.identity, "kms")
    assert after.uid != before.uid
    world.apply()
    assert not world.plan().has_changes


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("Key/one",), "import takes an address and the id"),
        (("Key/one", "x"), "Key/one is in the state already"),
        (("Key/two", "x"), "No manifest declares Key/two"),
        (("Key/two", "x", "--provider", "kmz"), "Did you mean kms?"),
        (("--generate", "keys"), "Did you mean Key?"),
        (("Ky/one", "x"), '"Ky/one" is no address'),
    ],
)
def test_what_cannot_be_imported_is_told(arguments: tuple[str, ...], expected: str, world: World) -> None:
    before = rows(world)
    code, out, err = world.run("import", *arguments)
    assert (code, out) == (1, "")
    assert expected in err
    assert rows(world) == before


def test_a_wrong_id_is_told_with_what_is_near(world: World) -> None:
    forget(world, "Alias/one")
    code, _, err = world.run("import", "Alias/one", "alias/onne")
    assert code == 1
    assert "Did you mean alias/one?" in err
    assert Address("Alias/one") not in rows(world)


def test_what_another_resource_is_already_is_refused(world: World) -> None:
    identity = rows(world)[Address("Key/one")].identity
    world.declare(LOADED + document("Key", "second"))
    code, _, err = world.run("import", "Key/second", str(identity))
    assert code == 1
    assert "which Key/one is already" in err


def test_what_is_managed_as_another_and_not_declared_as_this_is_refused_too(world: World) -> None:
    identity = rows(world)[Address("Key/one")].identity
    code, out, err = world.run("import", "Key/second", str(identity), "--provider", "kms")
    assert (code, out) == (1, "")
    assert "is managed here already, as Key/one" in err
    assert "reconciler state mv Key/one Key/second" in err


def test_what_drift_tells_to_type_can_be_typed(world: World) -> None:
    forget(world, "Alias/one")
    world.declare(LOADED.replace(document("Alias", "one", key="one"), ""))
    _, out, _ = world.run("drift", "--format", "json")
    (told,) = [one["fix"] for one in json.loads(out)["findings"] if one["class"] == "resource-unmanaged"]
    code, text, err = world.run(*told.split("`")[1].split()[1:])
    assert code == 0, err
    assert "importId: " in text


def test_without_a_manifest_it_is_printed_and_nothing_is_recorded(world: World) -> None:
    forget(world, "Cluster/c")
    world.declare(PROVIDERS + document("Key", "one"))
    code, text, err = world.run("import", "Cluster/people", "c", "--provider", "dw")
    assert code == 0
    assert "Nothing is recorded yet" in err
    assert "name: people\n" in text
    assert "externalName: c\n" in text
    assert Address("Cluster/people") not in rows(world)


def test_the_example_of_a_world_has_a_provider() -> None:
    assert provider() in PROVIDERS
