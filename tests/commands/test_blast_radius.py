"""blast-radius in a world with everything in it: what ends with each key, when it can go, how a key is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.model.blast_radius import BlastRadius, Loss
from reconciler.planning.blast_radius import blast_radius
from reconciler.providers.data import ClusterRequest, Root, RootKind
from reconciler.providers.keys import GrantRequest, IssuesGrants, KeyRequest
from reconciler.providers.typed import caller, key_provider, warehouse_provider
from tests.resources.test_existing import MANAGED
from tests.world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = World(Path(tmp_path_factory.mktemp("radius")) / "project")
    made.declare(MANAGED)
    made.apply()
    with made.session() as opened:
        who, warehouse = caller(opened, "dw"), warehouse_provider(opened, "dw")
        root = Root(kind=RootKind.KMS, key_arn=arn(opened, "Key/one"))
        request = ClusterRequest(name="elsewhere", node_type="ra3.large", nodes=1, database="dev", root=root)
        warehouse.create_cluster(who, request, token="by-hand")
        key_provider(opened, "kms").create_key(who, KeyRequest(description="unused"), token="unused")
    return made


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    with world.session() as opened:
        yield opened


def arn(session: Session, address: str) -> str:
    return str(session.attributes(Address(address))["arn"])


def radius(session: Session, address: str, *, all_keys: bool = False) -> BlastRadius:
    key = arn(session, address)
    return blast_radius(session.inventory(None if all_keys else [key]), key, session.clock.now())


def test_what_is_only_shown_is_what_is_decided_by(session: Session) -> None:
    """Of the state it reads the rows that the heads tell to be concerned; of every key that gives the same answer."""
    keys = [arn(session, address) for address in session.declared if address.kind == "Key"]
    assert len(keys) > 1
    for key in keys:
        shown = blast_radius(session.inventory([key], to_show=True), key, session.clock.now())
        assert shown == blast_radius(session.inventory([key]), key, session.clock.now()), key
        assert shown.lost(Loss.UNREADABLE) or shown.dependents, key


def groups(found: BlastRadius, loss: Loss) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for one in found.lost(loss):
        named.setdefault(one.group, []).append(one.name)
    return {group: sorted(names) for group, names in named.items()}


def test_everything_under_a_key_is_named_managed_or_not(session: Session) -> None:
    found = radius(session, "Key/one")
    assert groups(found, Loss.UNREADABLE) == {"cluster": ["c", "elsewhere"], "snapshot": ["s"], "table": ["ks.t"]}
    managed = {one.name: one.address for one in found.lost(Loss.UNREADABLE)}
    assert managed == {"c": "Cluster/c", "elsewhere": None, "s": "Snapshot/s", "ks.t": "Table/t"}


def test_what_stops_working_with_it_is_named_too(session: Session) -> None:
    found = groups(radius(session, "Key/one"), Loss.UNUSABLE)
    assert found["alias"] == ["alias/one"]
    assert len(found["policy"]) == 1
    assert len(found["grant"]) == 4, "ours, the cluster's, the table's, and that of the cluster made by hand"
    assert found["copying"] == ["c to us-east-1"]
    assert set(found["state row"]) >= {"Key/one", "Alias/one", "Cluster/c", "Snapshot/s", "SnapshotCopy/c", "Table/t"}
    assert "Keyspace/ks" not in found["state row"]


def test_a_key_that_receives_copies_ends_with_them(session: Session) -> None:
    found = radius(session, "Key/us")
    assert groups(found, Loss.UNREADABLE) == {"copy from another Region": ["s"]}
    unusable = groups(found, Loss.UNUSABLE)
    assert (unusable["snapshot-copy-grant"], unusable["copying"]) == (["g"], ["c to us-east-1"])
    assert {one.name for one in found.holding} == {"s", "g"}, "both keep the key from being deleted"
    assert {one.region for one in found.lost(Loss.UNREADABLE)} == {"us-east-1"}


def test_what_is_managed_here_is_called_by_its_address(session: Session) -> None:
    named = {one.group: str(one.address) for one in radius(session, "Key/one").lost(Loss.UNUSABLE) if one.address}
    assert named["alias"] == "Alias/one"
    assert named["policy"] == "KeyPolicy/one"
    assert named["copying"] == "SnapshotCopy/c"


@pytest.mark.parametrize("address", ["Key/one", "Key/us"])
def test_asked_of_one_key_it_says_what_the_whole_inventory_says(session: Session, address: str) -> None:
    def shown(found: BlastRadius) -> set[str]:
        return {f"{one}" for one in found.dependents}

    assert shown(radius(session, address)) == shown(radius(session, address, all_keys=True))


def test_the_whole_inventory_has_what_is_under_no_key_of_ours_too(session: Session) -> None:
    found = session.inventory()
    assert len(found.keys) == 3
    assert "Keyspace/ks" in {str(entry.address) for entry in found.entries}


def test_a_key_that_a_cluster_holds_never_goes_by_itself(session: Session) -> None:
    found = radius(session, "Key/one")
    assert (found.earliest, found.is_held) == (None, True)
    assert [way.split(",")[0] for way in found.way_forward] == [
        "Put Cluster/c under another root (`encryption.key`",
        "Bring in cluster elsewhere (`reconciler import --generate` writes manifests)",
        "Put Table/t under another key (`encryption`)",
        "Then remove the manifest of Key/one (`lifecycle: {preventDestroy: false}`",
    ]


def test_a_key_goes_by_every_name_that_it_has(world: World, session: Session) -> None:
    answers = [
        json.loads(world.run("blast-radius", name, "--format", "json")[1])
        for name in (
            *("Key/one", "key/one", arn(session, "Key/one"), "alias/one", "one", arn(session, "Alias/one")),
            *(
                "Alias/one",
                "Cluster/c",
                "KeyPolicy/one",
                "Grant/one",
                str(session.attributes(Address("Key/one"))["id"]),
            ),
        )
    ]
    assert {answer["key"] for answer in answers} == {arn(session, "Key/one")}


REFUSED = {
    "nothing of the sort": ("alias/nowhere", "names no key"),
    "a kind that there is not": ("Kee/one", "is no address"),
    "not in the state": ("Key/two", "not in the state"),
    "under no key": ("Keyspace/ks", "is no key"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_names_no_key_is_refused_with_what_does(world: World, case: str) -> None:
    name, said = REFUSED[case]
    code, out, err = world.run("blast-radius", name)
    assert (code, out) == (1, "")
    assert said in err


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_each_form_tells_of_what_nobody_manages(world: World, form: str) -> None:
    code, out, _ = world.run("blast-radius", "Key/one", "--format", form)
    assert code == 0
    assert "elsewhere" in out
    assert "unrecoverable" in out


def test_a_key_that_nothing_uses_says_so(world: World, session: Session) -> None:
    who = caller(session, "kms")
    unused = next(key for key in key_provider(session, "kms").list_keys(who) if key.description == "unused")
    found = blast_radius(session.inventory([unused.arn]), unused.arn, session.clock.now())
    assert groups(found, Loss.UNREADABLE) == {}
    assert found.earliest is not None
    assert "It can be gone by" in world.run("blast-radius", unused.arn)[1]


def test_a_services_grant_that_no_data_plane_knows_of_holds_its_key(world: World) -> None:
    with world.session() as opened:
        who, keys = caller(opened, "kms"), key_provider(opened, "kms")
        made = keys.create_key(who, KeyRequest(description="foreign"), token="foreign")
        request = GrantRequest(key_id=made.arn, grantee_principal="redshift.amazonaws.com", operations=("Decrypt",))
        cast(IssuesGrants, keys).create_grant(who, request)
        found = blast_radius(opened.inventory([made.arn]), made.arn, opened.clock.now())
    assert [one.group for one in found.holding] == ["grant"]
    assert "no declared Provider knows of" in found.way_forward[0]


def without(world: World, provider: str) -> BlastRadius:
    """What is said of Key/one when no manifest declares that Provider, nor what came through it."""
    kept = [part for part in MANAGED.split("---\n") if part and f"name: {provider}}}" not in part]
    other = World(world.folder, clock=world.clock)
    other.declare("---\n" + "---\n".join(part for part in kept if f"provider: {provider}\n" not in part))
    try:
        with other.session() as opened:
            return radius(opened, "Key/one")
    finally:
        world.declare(MANAGED)


def test_a_provider_that_no_manifest_declares_any_more_counts_as_using_every_key(world: World) -> None:
    found = without(world, "tb")
    assert found.unreachable == ("Provider/tb, which no manifest declares,",)
    assert found.earliest is None
    assert any("Provider/tb" in way for way in found.way_forward)


def test_a_data_plane_whose_store_is_broken_counts_as_using_every_key(tmp_path: Path) -> None:
    world = World(tmp_path / "project")
    world.declare(MANAGED)
    world.apply()
    for store in (world.folder / ".reconciler").rglob("us-east-1/catalogue.db"):
        store.write_bytes(b"no database")
    with world.session() as opened:
        found = radius(opened, "Key/one")
    assert found.unreachable == ("Provider/dw-us",)
    assert groups(found, Loss.UNREADABLE)["cluster"] == ["c"], "what can be asked is still told"


def plan_json(world: World) -> Any:
    return world.run("plan", "--format", "json").json


def test_a_plan_that_touches_a_key_shows_what_it_opens(world: World) -> None:
    world.declare(
        MANAGED.replace("  key: one\n", "  key: one\n", 1).replace(
            "kind: Key\nmetadata: {name: one}\nspec:\n  provider: kms\n",
            "kind: Key\nmetadata: {name: one}\nspec:\n  provider: kms\n  description: other words\n",
        )
    )
    try:
        (change,) = plan_json(world)["changes"]
    finally:
        world.declare(MANAGED)
    (shown,) = change["blastRadius"]
    assert shown["counts"]["unreadable"] == {"cluster": 2, "snapshot": 1, "table": 1}
    assert shown["recovery"] == "unrecoverable"


def test_a_plan_that_touches_no_key_takes_no_census(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(session: Session, keys: object = None) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(Session, "inventory", asked)
    assert plan_json(world)["changes"] == []
    world.declare(
        MANAGED.replace(
            "kind: Keyspace\nmetadata: {name: ks}\nspec:\n",
            "kind: Keyspace\nmetadata: {name: ks}\nspec:\n  replicationClass: MultiRegionStrategy\n",
        )
    )
    try:
        assert plan_json(world)["changes"][0]["blastRadius"] == []
    finally:
        world.declare(MANAGED)


NOBODY = "arn:aws:iam::111122223333:role/nobody"


def test_a_key_that_its_service_does_not_have_is_said_to_be_none(world: World, session: Session) -> None:
    known = arn(session, "Key/one")
    code, out, _ = world.run("blast-radius", f"{known[:-12]}{'0' * 12}")
    assert code == 0
    assert "has no such key" in out
    assert "It can be gone by" not in out
    assert "Bring the key in" not in out


def test_a_key_of_ours_stays_ours_for_whoever_may_not_look_at_it(world: World, session: Session) -> None:
    code, out, _ = world.run("blast-radius", arn(session, "Key/one"), "--as", NOBODY)
    assert code == 0
    assert out.startswith("Without Key/one:")
    assert "The key itself could not be looked at" in out
    assert "remove the manifest of Key/one" in out


def test_the_first_thing_to_do_is_not_told_as_the_second(world: World) -> None:
    declared = (
        f"{MANAGED}---\napiVersion: reconciler/v1alpha1\nkind: Key\nmetadata: {{name: idle}}\nspec: {{provider: kms}}\n"
    )
    world.declare(declared)
    try:
        world.apply()
        way = json.loads(world.run("blast-radius", "Key/idle", "--format", "json")[1])["wayForward"]
    finally:
        world.declare(MANAGED)
    assert [step.split()[0] for step in way] == ["Remove"]
