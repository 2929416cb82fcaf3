"""Every database key a second time under an escrow key, against the loss of the root (RE14)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing

import pytest

from reconciler.envelope.data_key import DataKey
from reconciler.errors import (
    ConflictException,
    DamagedStore,
    DisabledException,
    InvalidClusterStateFault,
    NotFoundException,
    ReconcilerError,
    ThrottlingException,
    ValidationException,
)
from reconciler.providers.data import ClusterRequest, Root
from reconciler.providers.keys import KeyState
from reconciler.providers.proofs import KEYS_OPENED, REFUSALS, Check
from reconciler.providers.warehouse import KeepsEscrow
from reconciler.testing.failing_provider import failing_provider
from reconciler.testing.fault import Fault
from reconciler_warehouse.keys.hierarchy import OpenDeks, opened
from reconciler_warehouse.lost_roots.escrow import keep_new, opened_by_escrow
from reconciler_warehouse.rows import cluster_named
from reconciler_warehouse.tests.hsm_worlds import Looks
from reconciler_warehouse.tests.worlds import NONE, OWNED, THERE, World, silent

QUESTION = "SELECT count(*) FROM flights"


def arn(world: World, name: str) -> str:
    return str(world.key(name).key_arn)


def escrow(world: World, key: str | None = "escrow", call: str = "escrow", name: str = "sales") -> None:
    warehouse = world.warehouse()
    assert isinstance(warehouse, KeepsEscrow)
    warehouse.set_escrow(world.caller, name, None if key is None else arn(world, key), token=call)


def rotate(world: World, call: str = "rotate") -> None:
    world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token=call)


def snapshot(world: World, name: str) -> None:
    world.warehouse().create_snapshot(world.caller, "sales", name, retention_days=None, token=name)


def declared(world: World) -> str | None:
    (found,) = world.warehouse().describe_clusters(world.caller, ["sales"])
    return found.escrow_arn


def uses(world: World, key: str) -> list[tuple[str, str]]:
    return [(one.what, one.name) for one in world.warehouse().key_uses(arn(world, key))]


def grants(world: World, key: str) -> list[tuple[str, ...]]:
    return [tuple(one.operations) for one in world.keys().list_grants(world.caller, arn(world, key))]


def holders(world: World) -> Iterator[tuple[str, str]]:
    """Uid and name of the cluster and its snapshots."""
    warehouse = world.warehouse()
    for cluster in warehouse.describe_clusters(world.caller):
        yield cluster.uid, cluster.name
    for one in warehouse.describe_snapshots(world.caller):
        yield one.uid, one.name


def all_open_by_escrow(world: World) -> bool:
    """Whether every database key that anything holds comes out of its escrow as it comes out of its root."""
    site = world.warehouse()._site
    for uid, name in holders(world):
        with opened(site, uid, name) as by_root, opened_by_escrow(site, uid, name) as by_escrow:
            if not by_root or by_root != by_escrow:
                return False
    return True


@pytest.fixture
def loaded(world: World) -> World:
    world.create(world.key("root"))
    world.load(world.file("a.csv"))
    snapshot(world, "early")
    return world


def test_every_key_of_cluster_and_snapshots_is_under_it_and_opens(loaded: World) -> None:
    escrow(loaded)
    assert declared(loaded) == arn(loaded, "escrow")
    assert all_open_by_escrow(loaded)
    assert grants(loaded, "escrow") == [("DescribeKey", "Encrypt", "Decrypt", "RetireGrant")]
    assert uses(loaded, "escrow") == [("escrow", "sales")]
    assert {one.escrow_arn for one in loaded.warehouse().key_uses(arn(loaded, "root"))} == {arn(loaded, "escrow")}
    (held,) = [one for one in loaded.warehouse().held_grants() if one.key_arn == arn(loaded, "escrow")][:1]
    assert held.operations == ("DescribeKey", "Encrypt", "Decrypt", "RetireGrant")
    loaded.reopen()
    assert all_open_by_escrow(loaded)


def test_keys_that_are_made_later_are_under_it_before_they_count(loaded: World) -> None:
    escrow(loaded)
    rotate(loaded)
    snapshot(loaded, "late")
    assert all_open_by_escrow(loaded)
    rotate(loaded, "again")
    assert all_open_by_escrow(loaded)
    assert loaded.select(QUESTION) == [(5000,)]


def test_a_root_that_is_switched_needs_no_new_wraps(loaded: World) -> None:
    escrow(loaded)
    loaded.warehouse().modify_encryption(loaded.caller, "sales", loaded.key("k2"), progress=silent, token="switch")
    assert declared(loaded) == arn(loaded, "escrow")
    assert all_open_by_escrow(loaded)


def test_an_hsm_root_has_its_escrow_in_the_key_service(world: World) -> None:
    world.create(world.partition())
    world.load(world.file("a.csv"))
    escrow(world)
    rotate(world)
    assert all_open_by_escrow(world)


def test_no_key_is_made_that_the_escrow_key_does_not_wrap(loaded: World) -> None:
    escrow(loaded)
    (before,) = loaded.warehouse().describe_clusters(loaded.caller)
    loaded.keys().disable_key(loaded.caller, arn(loaded, "escrow"))
    with pytest.raises(DisabledException, match=f"its escrow key {arn(loaded, 'escrow')}"):
        rotate(loaded)
    assert loaded.select(QUESTION) == [(5000,)]
    (after,) = loaded.warehouse().describe_clusters(loaded.caller)
    assert (after.dek_id, after.cek_id) == (before.dek_id, before.cek_id)
    loaded.keys().enable_key(loaded.caller, arn(loaded, "escrow"))
    rotate(loaded)
    assert all_open_by_escrow(loaded)


def test_another_escrow_key_takes_the_place_of_the_first_and_its_grant_goes(loaded: World) -> None:
    escrow(loaded)
    escrow(loaded, "other", "second")
    assert declared(loaded) == arn(loaded, "other")
    assert all_open_by_escrow(loaded)
    assert (uses(loaded, "escrow"), grants(loaded, "escrow")) == ([], [])
    assert len(grants(loaded, "other")) == 1


def test_none_any_more_leaves_nothing_behind(loaded: World) -> None:
    escrow(loaded)
    for _ in range(2):
        escrow(loaded, None, "off")
    assert declared(loaded) is None
    assert (uses(loaded, "escrow"), grants(loaded, "escrow")) == ([], [])
    rotate(loaded)
    with pytest.raises(InvalidClusterStateFault, match="unrecoverable"), _by_escrow(loaded):
        pass


def _by_escrow(world: World) -> AbstractContextManager[OpenDeks]:
    ((uid, name), *_) = holders(world)
    return opened_by_escrow(world.warehouse()._site, uid, name)


def test_deleting_what_is_under_it_lets_it_go(loaded: World) -> None:
    escrow(loaded)
    loaded.warehouse().delete_cluster(loaded.caller, "sales")
    assert uses(loaded, "escrow") == [("escrow", "sales")]  # the snapshot is
    loaded.warehouse().delete_snapshot(loaded.caller, "early")
    assert (uses(loaded, "escrow"), grants(loaded, "escrow")) == ([], [])


def test_a_decrypted_cluster_has_no_keys_under_it(loaded: World) -> None:
    escrow(loaded)
    loaded.warehouse().modify_encryption(loaded.caller, "sales", NONE, progress=silent, token="off")
    assert declared(loaded) is None
    loaded.warehouse().delete_snapshot(loaded.caller, "early")
    assert (uses(loaded, "escrow"), grants(loaded, "escrow")) == ([], [])
    loaded.warehouse().modify_encryption(loaded.caller, "sales", OWNED, progress=silent, token="on")
    assert declared(loaded) is None


def test_what_cannot_be_an_escrow_key_is_refused(loaded: World) -> None:
    loaded.create(NONE, "plain", "plain")
    loaded.keys().disable_key(loaded.caller, arn(loaded, "off"))
    refused: list[tuple[str, str, type[ReconcilerError]]] = [
        ("sales", arn(loaded, "root"), ValidationException),
        ("sales", arn(loaded, "off"), DisabledException),
        ("sales", str(loaded.key("far", THERE).key_arn), ValidationException),
        ("sales", arn(loaded, "off")[:-4] + "ffff", NotFoundException),
        ("plain", arn(loaded, "escrow"), InvalidClusterStateFault),
    ]
    for number, (cluster, key, error) in enumerate(refused):
        with pytest.raises(error):
            loaded.warehouse().set_escrow(loaded.caller, cluster, key, token=f"t{number}")
    assert declared(loaded) is None
    assert grants(loaded, "escrow") == []


def test_an_escrow_key_that_somebody_wrote_into_the_catalogue_gets_no_key(loaded: World) -> None:
    """Its owner would have the next database key."""
    loaded.reopen()
    with closing(sqlite3.connect(loaded.folder() / "catalogue.db")) as catalogue, catalogue:
        catalogue.execute("UPDATE cluster SET escrow_arn = ?", (arn(loaded, "theirs"),))
    with pytest.raises(DamagedStore):
        rotate(loaded)
    assert uses(loaded, "theirs") == []


COLUMNS = ("wrapped", "context")


@pytest.mark.parametrize("column", COLUMNS)
def test_a_wrap_that_was_changed_does_not_open(loaded: World, column: str) -> None:
    escrow(loaded)
    loaded.reopen()
    with closing(sqlite3.connect(loaded.folder() / "keyring.db")) as ring, ring:
        ((before,),) = ring.execute(f"SELECT DISTINCT {column} FROM escrow_wrap")  # noqa: S608  # of two
        if column == "wrapped":
            changed: object = before[:-1] + bytes([before[-1] ^ 1])
        else:
            changed = before.replace('"escrow"', '"other"')
        ring.execute(f"UPDATE escrow_wrap SET {column} = ?", (changed,))  # noqa: S608  # of two
    with pytest.raises(ReconcilerError), _by_escrow(loaded):
        pass


def test_a_wrap_of_another_key_is_not_taken_for_this_one(loaded: World) -> None:
    """Wraps are bound to their database key: those of two are not exchanged."""
    escrow(loaded)
    rotate(loaded)
    loaded.reopen()
    with closing(sqlite3.connect(loaded.folder() / "keyring.db")) as ring, ring:
        (one, first), (other, second) = ring.execute("SELECT holder, wrapped FROM escrow_wrap")
        for holder, wrapped in ((one, second), (other, first)):
            ring.execute("UPDATE escrow_wrap SET wrapped = ? WHERE holder = ?", (wrapped, holder))
    with pytest.raises(ReconcilerError), _by_escrow(loaded):
        pass


class Stops(Fault):
    """The key service does not answer the n-th call of all."""

    def __init__(self, number: int) -> None:
        super().__init__(lambda: ThrottlingException("come again"))
        self.left = number

    def count(self, call: str) -> BaseException | None:
        self.left -= 1
        return ThrottlingException("come again") if self.left < 0 else None


@pytest.mark.parametrize("what", ["set", "changed", "taken back", "rotated"])
def test_a_key_service_that_stops_anywhere_leaves_what_the_same_call_completes(world: World, what: str) -> None:
    world.create(world.key("root"))
    world.load(world.file("a.csv"))
    snapshot(world, "early")
    if what != "set":
        escrow(world, "first", "first")
    number = 0
    while True:
        stop = Stops(number)
        world.reopen()
        world.wrap_keys = lambda inner, stop=stop: failing_provider(inner, stop)  # type: ignore[misc]
        try:
            if what == "rotated":
                rotate(world)
            else:
                escrow(world, None if what == "taken back" else "escrow", "it")
        except ThrottlingException:
            number += 1
            continue
        finally:
            world.wrap_keys = lambda inner: inner
            world.reopen()
        break
    assert number > 0
    world.warehouse().clear_up()  # a grant that could not be retired then waits for the next change
    expected = {"set": "escrow", "changed": "escrow", "taken back": None, "rotated": "first"}[what]
    assert declared(world) == (None if expected is None else arn(world, expected))
    if expected is not None:
        assert all_open_by_escrow(world)
    for key in ("first", "escrow"):
        assert len(grants(world, key)) == (key == expected)
    assert world.select(QUESTION) == [(5000,)]


def test_a_restored_backup_stands_under_another_key_when_the_root_is_gone_for_good(loaded: World) -> None:
    escrow(loaded)
    root: Root = loaded.key("root")
    loaded.keys().schedule_key_deletion(loaded.caller, str(root.key_arn), waiting_days=7)
    loaded.warehouse().do_due_work(loaded.caller, progress=silent)
    loaded.clock.advance(days=8)
    assert str(root.key_arn) not in {
        one.arn for one in loaded.keys().list_keys(loaded.caller) if one.state is not KeyState.PENDING_DELETION
    }
    loaded.warehouse().do_due_work(loaded.caller, progress=silent)
    (found,) = loaded.warehouse().describe_clusters(loaded.caller)
    assert found.inaccessible is not None
    assert found.inaccessible.escrow_arn == arn(loaded, "escrow")
    request = ClusterRequest(name="again", node_type="ra3.large", nodes=1, database="dev", root=loaded.key("k2"))
    loaded.warehouse().restore_cluster(
        loaded.caller, request, str(found.inaccessible.backup), progress=silent, token="restore"
    )
    assert loaded.select(QUESTION, "again") == [(5000,)]
    (again, _) = loaded.warehouse().describe_clusters(loaded.caller)
    assert again.root == loaded.key("k2")


def test_without_escrow_a_backup_whose_root_is_lost_is_told_to_be_unrecoverable(loaded: World) -> None:
    loaded.keys().disable_key(loaded.caller, arn(loaded, "root"))
    request = ClusterRequest(name="again", node_type="ra3.large", nodes=1, database="dev", root=loaded.key("k2"))
    with pytest.raises(DisabledException, match="unrecoverable without its root key"):
        loaded.warehouse().restore_cluster(loaded.caller, request, "early", progress=silent, token="restore")
    assert [one.name for one in loaded.warehouse().describe_clusters(loaded.caller)] == ["sales"]


def _proved(world: World) -> list[Check]:
    warehouse = world.warehouse()
    found = list(warehouse.prove_cluster(world.caller, "sales", world.key("root"), Looks()))
    return [*found, *warehouse.prove_snapshot(world.caller, "early", world.key("root"), Looks())]


def test_verify_opens_what_is_in_escrow_and_has_other_contexts_refused(loaded: World) -> None:
    before = _proved(loaded)
    escrow(loaded)
    after = _proved(loaded)
    assert [one.failure for one in after if one.failure] == []
    for what, more in ((KEYS_OPENED, 2), (REFUSALS, 6)):
        count = [sum(one.what == what for one in proofs) for proofs in (before, after)]
        assert count[1] == count[0] + more


BREAKAGES = {
    "nothing is under it": "DELETE FROM escrow_wrap",
    "another key is under it": "UPDATE escrow_wrap SET wrapped = (SELECT wrapped FROM cek LIMIT 1)",
    "it is bound to another key": "UPDATE escrow_wrap SET context = replace(context, dek, dek || 'x')",
}


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES)
def test_verify_tells_an_escrow_that_opens_nothing(loaded: World, breakage: str) -> None:
    escrow(loaded)
    loaded.reopen()
    with closing(sqlite3.connect(loaded.folder() / "keyring.db")) as ring, ring:
        ring.execute(breakage)
    assert any("escrow" in (one.failure or "") for one in _proved(loaded))


def test_a_process_that_was_overtaken_puts_no_other_key_into_escrow(loaded: World) -> None:
    """Another one took its rotation up: the same uid is another key by now."""
    escrow(loaded)
    site = loaded.warehouse()._site
    cluster = cluster_named(site, "sales")
    with (
        opened(site, cluster.uid, "sales") as deks,
        DataKey.generate(site.random) as stale,
        pytest.raises(ConflictException),
    ):
        keep_new(site, cluster, deks, "a cluster key that was dropped", {str(cluster.dek): stale})
    assert all_open_by_escrow(loaded)
