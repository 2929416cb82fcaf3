"""Clusters whose cluster key lives in a partition of an HSM: creation, restart, the internal root key (HS2, HS3, HS5).

The token is ``token_fake``: what it does wrong is said here. ``test_hsm_tokens`` does the same with a real one.
"""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from reconciler.errors import (
    DamagedStore,
    HsmError,
    HsmFault,
    HsmUnavailable,
    IncompatibleHsm,
    InvalidClusterStateFault,
    ReconcilerError,
    ValidationException,
)
from reconciler.providers.data import Root, RootKind
from reconciler_warehouse.tests.hsm_worlds import (
    ALL,
    COUNT,
    Looks,
    arn,
    asked,
    described,
    fits,
    loaded,
    modify,
    ring,
    rotate,
)
from reconciler_warehouse.tests.worlds import OWNED, World

# --- creating ---------------------------------------------------------------------------------------------------------


def test_the_cluster_key_is_made_in_the_token_and_its_database_key_lies_under_two_layers(world: World) -> None:
    root = world.partition()
    cluster = world.create(root)
    assert (cluster.root, cluster.status, cluster.grant_id) == (root, "available", None)
    assert world.hsm().objects(arn(root)) == {cluster.cek_id}
    ((wrapped, in_ring),) = ring(world, "SELECT h.wrapped, c.wrapped FROM holding h JOIN cek c ON c.uid = h.cek")
    assert in_ring == b""  # the CEK itself is nowhere but in the token
    assert b"fake" + bytes.fromhex(cluster.cek_id) not in wrapped  # what the token made is under the outer layer
    fits(world)


def test_its_id_is_durable_before_the_token_is_asked_for_the_key(world: World) -> None:
    root, seen = world.partition(), []

    def look(call: str) -> None:
        if call == "create_cluster_key":
            seen.extend(ring(world, "SELECT key_id FROM cluster_key"))

    world.hsm().before = look
    assert seen == [] and world.create(root).cek_id == seen[0][0]


def test_the_database_key_is_opened_by_the_token_before_the_cluster_is_available(world: World) -> None:
    calls = asked(world, lambda: world.create(world.partition()))
    assert calls[0] == "verify_partition"
    assert calls.index("create_cluster_key") < calls.index("wrap_data_key") < calls.index("unwrap_data_key")


def test_a_token_that_does_not_open_what_it_wrapped_gets_no_cluster(world: World) -> None:
    root = world.partition()

    def lose(call: str) -> None:
        if call == "unwrap_data_key":
            world.hsm().lose(arn(root))

    world.hsm().before = lose
    with pytest.raises(HsmError, match="sales"):
        world.create(root)
    world.hsm().before = lambda call: None
    assert world.warehouse().describe_clusters(world.caller) == []
    assert world.create(root).status == "available"  # the same call again
    world.load(world.file("a.csv"))
    assert world.select(COUNT) == ALL
    fits(world)


@pytest.mark.parametrize("how", ["away", "unfit"])
def test_a_partition_that_fails_its_checks_leaves_a_status_and_nothing_else(world: World, how: str) -> None:
    root = world.partition()
    getattr(world.hsm(), how).add(arn(root))
    with pytest.raises(HsmUnavailable if how == "away" else IncompatibleHsm, match="incompatible-hsm") as refused:
        world.create(root)
    assert "reconciler plan" in str(refused.value.suggestion)
    cluster = described(world)
    assert (cluster.status, cluster.root.kind, cluster.cek_id) == ("incompatible-hsm", RootKind.NONE, None)
    assert world.warehouse().find_cluster(world.caller, token="create") == cluster
    assert world.hsm().objects(arn(root)) == set()
    assert world.warehouse().key_uses() == []
    assert cluster is not None
    assert cluster.manifest is None
    (proof,) = world.warehouse().prove_cluster(world.caller, "sales", root, Looks())
    assert proof.failure == "cluster sales is incompatible-hsm: nothing of it was made"
    for use in (lambda: world.load(world.file("a.csv")), lambda: world.select(COUNT), lambda: rotate(world)):
        with pytest.raises(InvalidClusterStateFault, match="was not fit"):
            use()


@pytest.mark.parametrize("way", ["delete and create", "create with another token", "the same call again"])
def test_out_of_incompatible_hsm(world: World, way: str) -> None:
    root = world.partition()
    world.hsm().away.add(arn(root))
    for _ in range(2):  # and it stays what it is for as long as the link is down
        with pytest.raises(HsmUnavailable):
            world.create(root)
    world.hsm().away.clear()
    if way == "delete and create":
        for _ in range(2):
            world.warehouse().delete_cluster(world.caller, "sales")
        assert world.warehouse().describe_clusters(world.caller) == []
    token = "create" if way == "the same call again" else "again"
    for _ in range(2):
        assert world.create(root, call=token).status == "available"
    world.load(world.file("a.csv"))
    assert world.select(COUNT) == ALL
    fits(world)


def test_a_root_that_is_no_partition_leaves_nothing(world: World) -> None:
    for partition in (None, "p1"):
        with pytest.raises(ValidationException, match="ARN of its partition"):
            world.create(Root(kind=RootKind.HSM, partition=partition))
    assert world.warehouse().describe_clusters(world.caller) == []


def test_what_a_killed_creation_made_is_gone_when_the_link_is_down_at_the_next(world: World) -> None:
    root = world.partition()

    def die(call: str) -> None:
        if call == "wrap_data_key":
            raise HsmUnavailable("the link broke", fault=HsmFault.CLOSED)

    world.hsm().before = die
    with pytest.raises(HsmUnavailable):
        world.create(root)
    world.hsm().before = lambda call: None
    world.hsm().away.add(arn(root))
    with pytest.raises(HsmUnavailable, match="incompatible-hsm"):
        world.create(root)
    world.reopen()
    world.hsm().away.clear()
    world.warehouse().clear_up()
    assert world.hsm().objects(arn(root)) == set()
    assert described(world).status == "incompatible-hsm"


# --- restart ----------------------------------------------------------------------------------------------------------


def test_a_restart_is_one_operation_of_the_token_whatever_the_size(world: World) -> None:
    world.create(world.partition())
    for number in range(4):
        world.load(world.file(f"{number}.csv", f"id,tail\n{number},a\n"), table=f"t{number}")
    world.reopen()
    assert asked(world, lambda: world.select("SELECT count(*) FROM t0 JOIN t1 ON true JOIN t2 ON true")) == [
        "unwrap_data_key"
    ]


def test_and_in_the_middle_of_a_rotation_too(world: World) -> None:
    loaded(world, world.partition())
    halted = "the process was stopped"

    def stop() -> None:
        raise RuntimeError(halted)

    world.checkpoint = stop
    with pytest.raises(RuntimeError, match=halted):
        rotate(world)
    world.checkpoint = lambda: None
    world.reopen()
    assert len(ring(world, "SELECT dek FROM holding WHERE holder NOT IN (SELECT uid FROM cek) GROUP BY dek")) == 2
    assert asked(world, lambda: world.select(COUNT)) == ["unwrap_data_key"]
    rotate(world)
    assert asked(world, lambda: world.select(COUNT)) == ["unwrap_data_key"]


def test_a_token_that_is_away_stops_reading_by_name_and_nothing_else_happens(world: World) -> None:
    root = world.partition()
    loaded(world, root)
    files = world.data_files()
    world.hsm().away.add(arn(root))
    with pytest.raises(HsmUnavailable, match=r"Cluster sales cannot be opened: its HSM partition .* does not answer"):
        world.select(COUNT)
    assert described(world).status == "available"
    assert world.data_files() == files
    world.hsm().away.clear()
    assert world.select(COUNT) == ALL


def test_a_key_that_is_gone_fails_the_restart_and_no_other_is_made(world: World) -> None:
    root = world.partition()
    loaded(world, root)
    lost = world.hsm().lose(arn(root))
    for call in (lambda: world.select(COUNT), lambda: rotate(world), lambda: modify(world, OWNED)):
        with pytest.raises(HsmError, match="Cluster sales cannot be opened") as refused:
            call()
        assert refused.value.fault is HsmFault.KEY_MISSING
        assert "No other key is made" in str(refused.value.suggestion)
    assert world.hsm().objects(arn(root)) == set()
    world.hsm().put_back(arn(root), lost)
    assert world.select(COUNT) == ALL


def test_another_key_under_the_same_id_is_damage(world: World) -> None:
    root = world.partition()
    loaded(world, root)
    lost = world.hsm().lose(arn(root))
    world.hsm().put_back(arn(root), dict.fromkeys(lost, "11" * 32))
    with pytest.raises(DamagedStore, match="is not what was written"):
        world.select(COUNT)


# --- the internal root key --------------------------------------------------------------------------------------------


def internal_root(world: World) -> Path:
    return world.folder() / "internal-root" / "key"


def test_the_internal_root_key_is_made_once_for_all_in_a_file_of_its_own(world: World) -> None:
    world.create(world.partition())
    before = internal_root(world).read_bytes()
    assert stat.S_IMODE(internal_root(world).stat().st_mode) == 0o600
    for name in ("more", "others"):
        world.create(world.partition("b"), name=name, call=name)
    world.reopen()
    rotate(world)
    assert internal_root(world).read_bytes() == before
    secret = before[-32:]
    assert [path for path in world.home.rglob("*") if path.is_file() and secret in path.read_bytes()] == [
        internal_root(world)
    ]


def test_a_warehouse_without_an_hsm_has_none(world: World) -> None:
    world.create(world.key("k1"))
    assert not internal_root(world).parent.exists()


@pytest.mark.parametrize("damage", ["gone", "another", "no key"])
def test_without_its_internal_root_key_nothing_opens_and_no_other_is_made(world: World, damage: str) -> None:
    root = world.partition()
    loaded(world, root)
    file = internal_root(world)
    kept = file.read_bytes()
    file.unlink()
    if damage == "another":
        file.write_bytes(kept[:-32] + b"\x01" * 32)
    if damage == "no key":
        file.write_bytes(b"")
    world.reopen()
    for call in (lambda: world.select(COUNT), lambda: rotate(world), lambda: world.create(root, "more", "more")):
        with pytest.raises(DamagedStore, match="internal root key"):
            call()
    assert file.exists() is (damage != "gone")
    file.write_bytes(kept)
    assert world.select(COUNT) == ALL
    assert world.create(root, "more", "more").status == "available"
    fits(world)


def test_neither_the_token_nor_the_key_ring_alone_opens_a_database_key(world: World) -> None:
    """The outer layer is really there: what the token is handed is not what the key ring has."""
    root = world.partition()
    cluster = world.create(root)
    ((wrapped, dek),) = ring(world, "SELECT wrapped, dek FROM holding")
    with pytest.raises(ReconcilerError):
        world.hsm().unwrap_data_key(world.caller, arn(root), cluster.cek_id, wrapped, {})
    assert dek == cluster.dek_id


def test_a_key_ring_that_was_set_back_to_before_its_first_hsm_goes_on_with_the_key_that_is_there(world: World) -> None:
    world.create(world.key("k1"))
    world.reopen()
    copy = world.files / "keyring"
    shutil.copytree(world.folder(), copy)
    world.create(world.partition(), "more", "more")
    kept = internal_root(world).read_bytes()
    world.reopen()
    shutil.rmtree(world.folder())
    shutil.copytree(copy, world.folder())
    internal_root(world).parent.mkdir()
    internal_root(world).write_bytes(kept)
    world.create(world.partition(), "again", "again")
    assert internal_root(world).read_bytes() == kept
