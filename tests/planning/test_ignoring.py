"""``lifecycle.ignoreChanges``: what others may change (CONTRACT 1, 6)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import InvalidManifests
from reconciler.loading.load import load
from reconciler.model.address import Address
from reconciler.planning.drift import findings
from reconciler.planning.refresh import refresh
from reconciler.providers.data import Root, RootKind
from reconciler.providers.typed import caller, key_provider, rotating_keys, warehouse_provider
from tests.world import World, document, provider

KMS = provider()
KEY = Address("Key/k")
TAGS = "{cost-centre: '1', team: blue}"


def ignoring(*paths: str) -> str:
    return f"{{ignoreChanges: [{', '.join(paths)}]}}"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "project")


def drift(world: World) -> list[str]:
    with world.session() as session:
        rows = session.reader.all()
        return [one.drift_class for one in findings(rows, refresh(rows, session), world.clock.now())]


def tagged(world: World, **tags: str) -> None:
    with world.session() as session:
        key_provider(session, "kms").tag_resource(caller(session, "kms"), session.attributes(KEY)["id"], tags)


def described(world: World) -> None:
    with world.session() as session:
        service = key_provider(session, "kms")
        service.update_key_description(caller(session, "kms"), session.attributes(KEY)["id"], "theirs")


def both(world: World) -> None:
    tagged(world, team="red")
    described(world)


def unrotated(world: World) -> None:
    with world.session() as session:
        rotating_keys(session, "kms").disable_key_rotation(caller(session, "kms"), session.attributes(KEY)["id"])


CASES: dict[str, tuple[tuple[str, ...], Callable[[World], None], list[str], list[str]]] = {
    "nothing ignored, all put back": ((), lambda w: tagged(w, team="red"), ["update"], ["attribute-changed"]),
    "a whole field": (("tags",), lambda w: tagged(w, team="red"), [], []),
    "as a plan spells it": (("spec.tags",), lambda w: tagged(w, team="red"), [], []),
    "one key of a mapping": (("tags.team",), lambda w: tagged(w, team="red"), [], []),
    "another key of it is not": (
        ("tags.cost-centre",),
        lambda w: tagged(w, team="red"),
        ["update"],
        ["attribute-changed"],
    ),
    "one key of it where both changed": (
        ("tags.team",),
        lambda w: tagged(w, team="red", **{"cost-centre": "2"}),
        ["update"],
        ["attribute-changed"],
    ),
    "a key that others add": (("tags.x.y",), lambda w: tagged(w, **{"x.y": "z"}), [], []),
    "both of what changed": (("tags.team", "description"), both, [], []),
    "one of what changed": (
        ("tags",),
        both,
        ["update"],
        ["attribute-changed"],
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ignored(case: str, world: World) -> None:
    paths, meanwhile, verbs, classes = CASES[case]
    world.declare(KMS + document("Key", "k", description="ours", tags=TAGS, lifecycle=ignoring(*paths)))
    world.apply()
    meanwhile(world)
    assert drift(world) == classes
    plan = world.plan()
    assert [str(operation.verb) for change in plan.changes for operation in change.operations] == verbs
    world.apply()
    assert (drift(world), world.plan().has_changes) == ([], False)


def test_what_is_put_back_beside_it_is_only_that(world: World) -> None:
    world.declare(KMS + document("Key", "k", tags=TAGS, lifecycle=ignoring("tags.team")))
    world.apply()
    tagged(world, team="red", **{"cost-centre": "2"})
    world.apply()
    with world.session() as session:
        service, identity = key_provider(session, "kms"), session.attributes(KEY)["id"]
        tags = service.describe_keys(caller(session, "kms"), [identity])[identity].tags
    assert tags == {"cost-centre": "1", "team": "red"}


def test_at_creation_everything_is_as_declared(world: World) -> None:
    world.declare(KMS + document("Key", "k", description="ours", lifecycle=ignoring("description")))
    world.apply()
    with world.session() as session:
        service, identity = key_provider(session, "kms"), session.attributes(KEY)["id"]
        assert service.describe_keys(caller(session, "kms"), [identity])[identity].description == "ours"


def test_a_change_of_the_manifest_there_is_ignored_too(world: World) -> None:
    world.declare(KMS + document("Key", "k", description="ours", lifecycle=ignoring("description")))
    world.apply()
    world.declare(KMS + document("Key", "k", description="new", lifecycle=ignoring("description")))
    assert not world.plan().has_changes


def test_a_trigger_rotates_though_the_period_is_left_to_others(world: World) -> None:
    manifest = document("Key", "k", rotation="{every: 90d, trigger: a}", lifecycle=ignoring("rotation"))
    world.declare(KMS + manifest)
    world.apply()
    unrotated(world)
    assert not world.plan().has_changes
    world.declare(KMS + manifest.replace("trigger: a", "trigger: b"))
    assert [str(op.verb) for change in world.plan().changes for op in change.operations] == ["rotate"]


def test_lost_encryption_is_told_though_the_plan_lets_it_be(world: World) -> None:
    """Never a downgrade by surprise."""
    cluster = document("Cluster", "c", provider="dw", encryption="{owned: true}", lifecycle=ignoring("encryption"))
    world.declare(KMS + provider("dw", "warehouse") + cluster)
    world.apply()
    with world.session() as session:
        who, warehouse = caller(session, "dw"), warehouse_provider(session, "dw")
        none = Root(kind=RootKind.NONE)
        warehouse.modify_encryption(who, "c", none, progress=lambda text, done, total: None, token="off")
    assert "encryption-lost" in drift(world)
    plan = world.plan()
    assert not plan.has_changes
    assert "encryption-lost" in [finding.drift_class for finding in plan.drift]


REFUSED = {
    "descripton": "Did you mean description?",
    "tag.x": "Did you mean tags?",
    "rotation.evry": "Did you mean rotation.every?",
    "description.long": "Write description to ignore all of it.",
    "provider": "which is nothing that a provider has",
    "lifecycle.retain": "which is nothing that a provider has",
    "deletionWindow": "which no provider reports",
    "rotation.trigger": "which no provider reports",
    "colour": "Its fields are description",
}


@pytest.mark.parametrize("path", REFUSED)
def test_a_path_that_names_nothing_is_refused(path: str, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(KMS + document("Key", "k", lifecycle=ignoring(path)))
    with pytest.raises(InvalidManifests) as told:
        load(tmp_path, ["m.yaml"])
    (problem,) = told.value.diagnostics()
    assert problem.path == "spec.lifecycle.ignoreChanges"
    assert REFUSED[path] in f"{problem.summary} {problem.suggestion}"


ACCEPTED = {
    "Cluster": ("tables", "tables.flights", "tables.flights.backup", "encryption.key", "nodes"),
    "Grant": ("operations", "constraints.encryptionContextSubset", "constraints.encryptionContextSubset.a.b"),
    "Table": ("schema.columns.age", "schema.columns.age.type", "encryption"),
    "KeyPolicy": ("document", "document.Statement"),
    "Key": ("tags.a.b.c", "rotation.every", "rotation"),
}
REST = {
    "Cluster": {},
    "Grant": {"key": "k", "granteePrincipal": "arn:aws:iam::111122223333:role/r", "operations": "[Decrypt]"},
    "Table": {"keyspace": "ks", "schema": "{columns: [{name: id, type: int}], partitionKey: [id]}"},
    "KeyPolicy": {"key": "k", "document": "{Statement: [{Effect: Allow, Principal: '*', Action: '*', Resource: '*'}]}"},
    "Key": {},
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_a_path_of_something_that_is_reported_is_accepted(kind: str, tmp_path: Path) -> None:
    others = "" if kind == "Key" else document("Key", "k")
    space = document("Keyspace", "ks")
    text = document(kind, "it", lifecycle=ignoring(*ACCEPTED[kind]), **REST[kind])
    (tmp_path / "m.yaml").write_text(KMS + others + space + text)
    assert load(tmp_path, ["m.yaml"]).resources
