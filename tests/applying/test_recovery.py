"""An apply that died in the middle: the next one finds what it made, and makes nothing twice (I10, I11)."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from reconciler.commands import applying
from reconciler.commands.session import Session
from reconciler.errors import CollectedErrors
from reconciler.model.address import Address
from reconciler.model.recorded import Recorded, Standing
from reconciler.providers.typed import caller, issuing_grants, naming_keys, warehouse_provider
from reconciler.resources import registry
from reconciler_warehouse.copies import copy_grants
from reconciler_warehouse.site import Site
from tests.world import World, document, provider

GRANTEE = "arn:aws:iam::111122223333:role/app"
SCHEMA = "{columns: [{name: id, type: uuid}], partitionKey: [id]}"
KEY, OTHER = document("Key", "k"), document("Key", "other")
ALIAS = document("Alias", "a", key="k")
CLUSTER = document("Cluster", "c", provider="dw", encryption="{key: k}")
PROVIDERS = provider() + provider("dw", "warehouse") + provider("tb", "tables")


class Death(BaseException):
    """The process ends here: nothing of ours runs on."""


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Ends the next apply in that call of a provider, right after the call's effect."""
    original = Session.provider

    class Fatal:
        def __init__(self, inner: object, method: str) -> None:
            self._inner, self._method = inner, method

        def __getattr__(self, name: str) -> Any:
            found = getattr(self._inner, name)

            def call(*arguments: Any, **named: Any) -> Any:
                found(*arguments, **named)
                monkeypatch.setattr(Session, "provider", original)
                raise Death

            return call if name == self._method else found

    def arm(method: str) -> None:
        monkeypatch.setattr(Session, "provider", lambda self, name: Fatal(original(self, name), method))

    return arm


def die(world: World) -> None:
    with pytest.raises(Death):
        world.apply()


CASES: Mapping[str, tuple[str, str]] = {
    "Key/k": ("create_key", PROVIDERS + KEY),
    "Alias/a": ("create_alias", PROVIDERS + KEY + ALIAS),
    "Grant/g": (
        "create_grant",
        PROVIDERS + KEY + document("Grant", "g", key="k", granteePrincipal=GRANTEE, operations="[Decrypt]"),
    ),
    "Cluster/c": ("create_cluster", PROVIDERS + KEY + CLUSTER),
    "Table/t": (
        "create_table",
        PROVIDERS
        + document("Keyspace", "s", provider="tb")
        + document("Table", "t", provider="tb", keyspace="s", schema=SCHEMA),
    ),
    "KeyPolicy/p": (
        "put_key_policy",
        PROVIDERS
        + KEY
        + document(
            "KeyPolicy",
            "p",
            key="k",
            document="{Version: '2012-10-17', Statement: [{Sid: all, Effect: Allow, Action: 'kms:*', Resource: '*', "
            "Principal: {AWS: 'arn:aws:iam::111122223333:root'}}]}",
        ),
    ),
    "SnapshotCopy/abroad": (
        "enable_snapshot_copy",
        PROVIDERS
        + provider("kms-us", region="us-east-1")
        + provider("dw-us", "warehouse", "us-east-1")
        + document("Cluster", "c", provider="dw", encryption="{owned: true}")
        + document("SnapshotCopy", "abroad", provider="dw", cluster="c", to="dw-us"),
    ),
}
RETRIED: Mapping[str, tuple[str, str]] = {
    "Snapshot/s": (
        "create_snapshot",
        PROVIDERS + KEY + CLUSTER + document("Snapshot", "s", provider="dw", cluster="c"),
    ),
    "Keyspace/s": ("create_keyspace", PROVIDERS + document("Keyspace", "s", provider="tb")),
}


@pytest.mark.parametrize("address", CASES)
def test_what_an_interrupted_create_made_is_adopted(tmp_path: Path, dying: Callable[[str], None], address: str) -> None:
    method, manifests = CASES[address]
    world = World(tmp_path / "project")
    world.declare(manifests)
    dying(method)
    die(world)
    assert [intent.address for intent in world.state().open_intents()] == [address]
    assert world.state().get(Address(address)) is None
    told = world.apply()
    assert "it was carried out: found" in told
    assert f"create {address}" not in told
    assert_converged(world, address)


@pytest.mark.parametrize("address", CASES)
def test_what_was_adopted_is_recorded_before_anything_is_planned(
    tmp_path: Path, dying: Callable[[str], None], address: str
) -> None:
    method, manifests = CASES[address]
    world = World(tmp_path / "project")
    world.declare(manifests)
    dying(method)
    die(world)
    with world.session() as session, redirect_stdout(io.StringIO()), applying.holding_lock(session, "test", 0, "text"):
        row = session.store.get(Address(address))
        assert row is not None
        assert row.identity is not None
        assert row.protected is registry.kind(row.address.kind).protected
        assert not row.settled
        assert not session.store.open_intents()


def test_a_row_without_an_object_is_no_reason_not_to_look_for_one(tmp_path: Path, dying: Callable[[str], None]) -> None:
    world = World(tmp_path / "project")
    world.declare(PROVIDERS + KEY)
    dying("create_key")
    die(world)
    with world.session() as session:
        session.store.acquire("test", timeout=0)
        session.store.settle([Recorded(address=Address("Key/k"), uid="u", provider="kms")])
        session.store.release()
    assert "it was carried out: found" in world.apply()
    assert_converged(world, "Key/k")


@pytest.mark.parametrize("address", RETRIED)
def test_what_has_no_need_to_be_adopted_is_made_once_by_its_token_or_name(
    tmp_path: Path, dying: Callable[[str], None], address: str
) -> None:
    method, manifests = RETRIED[address]
    world = World(tmp_path / "project")
    world.declare(manifests)
    dying(method)
    die(world)
    assert "nothing of it is recorded; taken up again, it goes on under its token" in world.apply()
    assert_converged(world, address)


def assert_converged(world: World, address: str) -> None:
    reader = world.state()
    row = reader.get(Address(address))
    assert row is not None
    assert row.settled
    assert row.identity is not None
    assert not reader.open_intents()
    assert not world.plan().has_changes


def test_the_token_of_an_interrupted_step_is_used_again(tmp_path: Path, dying: Callable[[str], None]) -> None:
    world = World(tmp_path / "project")
    world.declare(PROVIDERS + KEY)
    dying("create_key")
    die(world)
    (first,) = world.state().open_intents()
    with world.session() as session:
        session.store.acquire("test", timeout=0)
        again = session.store.begin(
            Address("Key/k"), provider="kms", step="create-key", verb="create", facts={}, uid="other", token="other"
        )
        session.store.release()
    assert (again.token, again.uid) == (first.token, first.uid)


def test_an_alias_that_is_somebody_elses_is_not_adopted(tmp_path: Path) -> None:
    """A create that was refused leaves an open step as well; that a thing of the name exists does not make it ours."""
    world = World(tmp_path / "project")
    world.declare(PROVIDERS + OTHER)
    world.apply()
    with world.session() as session:
        other = str(session.attributes(Address("Key/other"))["id"])
        naming_keys(session, "kms").create_alias(caller(session, "kms"), "alias/a", other)
    world.declare(PROVIDERS + OTHER + KEY + ALIAS)
    for _ in range(2):
        with pytest.raises(CollectedErrors):
            world.apply()
        with world.session() as session:
            (alias,) = naming_keys(session, "kms").list_aliases(caller(session, "kms"))
            assert alias.target_key_id == other
    assert world.state().get(Address("Alias/a")) is None


def test_an_interrupted_grant_on_a_key_that_was_forgotten_since_hinders_nobody(
    tmp_path: Path, dying: Callable[[str], None]
) -> None:
    method, manifests = CASES["Grant/g"]
    world = World(tmp_path / "project")
    world.declare(manifests)
    dying(method)
    die(world)
    with world.session() as session:
        session.store.acquire("test", timeout=0)
        session.store.settle((), gone=[Address("Key/k")])
        session.store.release()
    world.apply()
    assert_converged(world, "Grant/g")


def test_a_step_that_a_later_plan_no_longer_needs_is_closed(tmp_path: Path, dying: Callable[[str], None]) -> None:
    world = World(tmp_path / "project")
    world.declare(PROVIDERS + document("Key", "k", description="one"))
    world.apply()
    world.declare(PROVIDERS + document("Key", "k", description="two"))
    dying("update_key_description")
    die(world)
    assert world.state().open_intents()
    told = world.apply()
    assert "the next plan is made from what is there now" in told
    assert_converged(world, "Key/k")


def cluster_of(world: World, encryption: str, path: str = "manifests/a.csv") -> None:
    """Declare it; the files are those of before."""
    tables = f"[{{name: t, load: [{path}]}}]"
    world.declare(PROVIDERS + KEY + document("Cluster", "c", provider="dw", encryption=encryption, tables=tables))
    for name, number in (("a", 1), ("b", 2)):
        (world.folder / f"manifests/{name}.csv").write_text(f"id\n{number}\n")


def test_a_file_whose_load_was_interrupted_is_known_when_another_takes_its_place(
    tmp_path: Path, dying: Callable[[str], None]
) -> None:
    """Else nobody would know whose rows they are, and the next file would look like the same one, changed."""
    world = World(tmp_path / "project")
    cluster_of(world, "{key: k}")
    dying("load_table")
    die(world)
    world.apply()
    cluster_of(world, "{key: k}", "manifests/b.csv")
    assert "load manifests/b.csv into table t" in world.apply()


def test_an_encryption_that_was_interrupted_is_not_followed_by_a_rotation(
    tmp_path: Path, dying: Callable[[str], None]
) -> None:
    """It made every key anew; its trigger is recorded with it, or by whoever takes it up."""
    world = World(tmp_path / "project")
    cluster_of(world, "{enabled: false}")
    world.apply()
    cluster_of(world, "{key: k, rotation: {trigger: now}}")
    dying("modify_encryption")
    die(world)
    assert "rotate" not in world.apply()
    row = world.state().get(Address("Cluster/c"))
    assert row is not None
    assert (row.attributes["root"], row.attributes["trigger"]) == ("kms", "now")


def test_a_key_whose_scheduling_was_interrupted_leaves_as_any_other(
    tmp_path: Path, dying: Callable[[str], None]
) -> None:
    """Else its deletion, which we asked for, would be drift for as long as it can be cancelled."""
    world = World(tmp_path / "project")
    world.declare(PROVIDERS + document("Key", "k", lifecycle="{preventDestroy: false}"))
    world.apply()
    world.declare(PROVIDERS)
    dying("schedule_key_deletion")
    die(world)
    world.apply()
    row = world.state().get(Address("Key/k"))
    assert row is not None
    assert row.standing is Standing.LEAVING


def test_a_copy_that_was_interrupted_at_its_end_is_not_made_again_when_it_has_expired(
    tmp_path: Path, dying: Callable[[str], None]
) -> None:
    """The state remembers what was copied, and until when: the provider no longer does by then."""
    world = World(tmp_path / "project")
    there = provider("kms-us", region="us-east-1") + provider("dw-us", "warehouse", "us-east-1")
    copying = document("SnapshotCopy", "abroad", provider="dw", cluster="c", to="dw-us", retention="7d")
    snapshot = document("Snapshot", "s", provider="dw", cluster="c")
    owned = document("Cluster", "c", provider="dw", encryption="{owned: true}")
    world.declare(PROVIDERS + there + owned + snapshot + copying)
    dying("copy_snapshot")
    die(world)
    world.apply()
    with world.session() as session:
        warehouse_provider(session, "dw-us").delete_snapshot(caller(session, "dw-us"), "s")
    world.clock.advance(days=8)
    assert "copy-snapshot" not in world.apply()


@pytest.mark.parametrize("address", ["KeyPolicy/p", "SnapshotCopy/abroad"])
def test_what_an_interrupted_apply_set_is_taken_back_when_its_manifest_is_gone(
    tmp_path: Path, dying: Callable[[str], None], address: str
) -> None:
    """Else a policy would stand, or snapshots go abroad, and nobody would know of it."""
    method, manifests = CASES[address]
    world = World(tmp_path / "project")
    world.declare(manifests)
    dying(method)
    die(world)
    world.declare("---".join(part for part in manifests.split("---") if address.partition("/")[0] + "\n" not in part))
    told = world.apply()
    assert "give its key the default policy" in told or "disable-copy" in told
    assert world.state().get(Address(address)) is None


def test_what_an_interrupted_removal_left_at_its_provider_goes_with_the_next_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy grant is gone, so nothing is planned for it; its grant would keep the key from going."""
    world = World(tmp_path / "project")
    world.declare(PROVIDERS + KEY + document("SnapshotCopyGrant", "landing", provider="dw", key="k"))
    world.apply()
    world.declare(PROVIDERS + KEY)
    delete = copy_grants.delete

    def dies(site: Site, name: str) -> None:
        delete(site, name)
        raise Death

    monkeypatch.setattr(copy_grants, "delete", dies)
    die(world)
    monkeypatch.undo()
    assert len(grants_of_services(world)) == 1
    world.apply()
    assert grants_of_services(world) == []
    assert not world.state().open_intents()


def grants_of_services(world: World) -> list[str]:
    with world.session() as session:
        key = str(session.attributes(Address("Key/k"))["id"])
        found = issuing_grants(session, "kms").list_grants(caller(session, "kms"), key)
        return [grant.grant_id for grant in found if grant.grantee_principal.endswith(".amazonaws.com")]
