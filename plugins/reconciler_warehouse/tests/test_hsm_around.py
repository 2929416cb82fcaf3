"""What else happens to a cluster in an HSM: snapshots, names, copies, the census, proofs."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from reconciler.errors import (
    ConflictException,
    ReconcilerError,
)
from reconciler.providers.data import Root, RootKind
from reconciler_warehouse.backups import snapshots
from reconciler_warehouse.rows import cluster_named
from reconciler_warehouse.tests.hsm_worlds import ALL, COUNT, Looks, arn, described, fits, loaded, modify, ring, rotate
from reconciler_warehouse.tests.test_fencing import site_of
from reconciler_warehouse.tests.worlds import HERE, NONE, THERE, World, silent

# --- snapshots, names, copies -----------------------------------------------------------------------------------------


def test_the_key_of_a_deleted_cluster_stays_for_its_snapshots_and_is_retired_with_the_last(world: World) -> None:
    root = world.partition()
    loaded(world, root)
    key = described(world).cek_id
    world.warehouse().delete_cluster(world.caller, "sales")
    assert world.warehouse().retired_cluster_keys() == []
    assert [(use.what, use.name) for use in world.warehouse().key_uses(arn(root))] == [("snapshot", "snap")]
    world.warehouse().delete_snapshot(world.caller, "snap")
    assert [one.key_id for one in world.warehouse().retired_cluster_keys()] == [key]
    assert world.warehouse().key_uses() == []
    fits(world)


def test_a_snapshot_is_not_taken_of_a_key_that_opens_by_the_next_one_only(world: World) -> None:
    """Another process is in the middle of a rotation: its new keys are switched to, the catalogue does not say so."""
    loaded(world, world.partition())
    site, cluster = site_of(world.warehouse()), cluster_named(site_of(world.warehouse()), "sales")
    halted = RuntimeError("the process was killed")
    with patch("reconciler_warehouse.changes.rotation.manifest.check", side_effect=halted), pytest.raises(RuntimeError):
        rotate(world)
    with pytest.raises(ConflictException, match="was changed while its snapshot was taken"):
        snapshots.create(site, cluster, "later", keep=None, token="later")
    world.warehouse().create_snapshot(world.caller, "sales", "later", retention_days=None, token="later")
    proof = list(world.warehouse().prove_snapshot(world.caller, "later", world.partition(), Looks()))
    assert [check.failure for check in proof if check.failure] == []
    fits(world)


def test_a_snapshot_that_expires_lets_its_key_go(world: World) -> None:
    world.create(world.partition())
    world.warehouse().create_snapshot(world.caller, "sales", "short", retention_days=1, token="short")
    rotate(world)
    keys = {one for (one,) in ring(world, "SELECT material FROM cek")}
    world.clock.advance(days=2)
    assert world.warehouse().expire() == ["short"]
    (left,) = {one for (one,) in ring(world, "SELECT material FROM cek")}
    assert {one.key_id for one in world.warehouse().retired_cluster_keys()} >= keys - {left}
    fits(world)


def test_a_renamed_cluster_is_bound_to_its_new_name_under_the_same_key(world: World) -> None:
    root = world.partition()
    loaded(world, root)
    before, files = described(world), world.data_files()
    blobs = ring(world, "SELECT wrapped FROM holding")
    world.warehouse().rename_cluster(world.caller, "sales", "revenue", token="rename")
    (after,) = world.warehouse().describe_clusters(world.caller)
    assert (after.name, after.cek_id, after.dek_id, after.root) == ("revenue", before.cek_id, before.dek_id, root)
    assert not set(ring(world, "SELECT wrapped FROM holding")) & set(blobs)
    assert world.data_files() == files
    assert {one["aws:redshift:arn"].rpartition(":")[2] for one in world.hsm().contexts[-2:]} == {"revenue"}
    assert world.select(COUNT, name="revenue") == ALL
    assert world.warehouse().retired_cluster_keys() == []
    proof = list(world.warehouse().prove_cluster(world.caller, "revenue", root, Looks()))
    assert [check.failure for check in proof if check.failure] == []
    world.create(NONE, call="other")  # the old name is free
    fits(world)


@pytest.mark.parametrize(("first", "second"), [("k1", "k2"), ("k1", "a"), ("a", "k1"), ("a", "b")])
def test_a_snapshot_from_under_another_root_stands_in_no_renames_way(world: World, first: str, second: str) -> None:
    roots = {name: world.key(name) if name.startswith("k") else world.partition(name) for name in (first, second)}
    loaded(world, roots[first])
    modify(world, NONE, "off")
    modify(world, roots[second], "on")
    world.warehouse().rename_cluster(world.caller, "sales", "revenue", token="rename")
    assert world.select(COUNT, name="revenue") == ALL
    proof = list(world.warehouse().prove_snapshot(world.caller, "snap", roots[first], Looks()))
    assert [check.failure for check in proof if check.failure] == []
    world.warehouse().rotate_encryption_key(world.caller, "revenue", progress=silent, token="rotate")
    fits(world)


def test_a_copy_leaves_the_hsm_by_the_token_and_stands_under_the_other_regions_root(world: World) -> None:
    root, there = world.partition(), world.key("there", THERE)
    loaded(world, root)
    far = world.warehouse(THERE)
    far.create_snapshot_copy_grant(world.caller, "landing", there, token="g")
    world.warehouse().enable_snapshot_copy(world.caller, "sales", far, grant="landing", retention_days=7)
    copied = world.warehouse().copy_snapshot(world.caller, "snap", far, progress=silent, token="copy")
    assert copied.root == there
    assert not (world.folder(THERE) / "internal-root").exists()
    world.hsm().away.add(arn(root))
    world.reopen()
    proof = list(world.warehouse(THERE).prove_snapshot(world.caller, copied.name, there, Looks()))
    assert [check.failure for check in proof if check.failure] == []


def test_a_partition_stands_for_no_copies(world: World) -> None:
    with pytest.raises(ReconcilerError):
        world.warehouse(THERE).create_snapshot_copy_grant(
            world.caller, "landing", Root(kind=RootKind.HSM, partition=world.hsm(THERE).partition("a")), token="g"
        )
    assert world.warehouse(THERE).describe_snapshot_copy_grants(world.caller) == []


def test_what_is_under_a_partition_is_told_and_asks_no_key_service(world: World) -> None:
    root = world.partition()
    loaded(world, root)
    found = [(use.what, use.name) for use in world.warehouse().key_uses(arn(root))]
    assert found == [("cluster", "sales"), ("snapshot", "snap")]
    dependents = world.warehouse().list_dependents(arn(root))
    assert [(one.what, one.accesses) for one in dependents] == [("cluster", ()), ("snapshot", ())]
    asks = {one.operation for one in world.warehouse().list_accesses_to_adopt("cluster", "sales")}
    assert "ReEncryptTo" not in asks  # nothing is re-encrypted that the key service does not have
    (cluster, snapshot) = world.warehouse().key_versions()
    assert cluster.version == snapshot.version == described(world).cek_id


# --- proving ----------------------------------------------------------------------------------------------------------


def failures(world: World, root: Root) -> list[str]:
    checks = world.warehouse().prove_cluster(world.caller, "sales", root, Looks())
    return [check.failure for check in checks if check.failure is not None]


def test_verify_opens_under_the_declared_partition_and_is_refused_by_others(world: World) -> None:
    root = world.partition("a")
    loaded(world, root)
    world.create(root, "more", "more")
    other = world.partition("b")
    tried: list[str] = []
    operations = world.hsm().operations
    operations.clear()
    assert failures(world, root) == []
    tried = [where for call, where in operations if call == "unwrap_data_key"]
    assert tried.count(arn(other)) >= 1 and tried.count(arn(root)) >= 4
    (failure,) = failures(world, other)
    assert arn(root) in failure and arn(other) in failure


def test_verify_notices_another_partition_that_opens_it(world: World) -> None:
    root, other = world.partition("a"), world.partition("b")
    loaded(world, root)
    objects = world.hsm().lose(arn(root))
    world.hsm().put_back(arn(root), objects)
    world.hsm().put_back(arn(other), objects)
    world.hsm().adopt_cluster_key(world.caller, arn(other), described(world).cek_id)
    (failure,) = failures(world, root)
    assert f"in partition {arn(other)} too" in failure


def test_verify_cannot_look_while_the_partition_is_away_and_says_so(world: World) -> None:
    root = world.partition()
    loaded(world, root)
    world.hsm().away.add(arn(root))
    checks = list(world.warehouse().prove_cluster(world.caller, "sales", root, Looks()))
    assert {check.result for check in checks if check.failure} == {"unchecked"}
    world.hsm().away.clear()
    world.hsm().lose(arn(root))
    checks = list(world.warehouse().prove_cluster(world.caller, "sales", root, Looks()))
    assert {check.result for check in checks if check.failure} == {"unprotected"}


def test_keys_of_other_roots_beside_an_hsm_are_proved_as_before(world: World) -> None:
    loaded(world, world.key("k1"))
    world.create(world.partition(), "vault", "vault")
    assert failures(world, world.key("k1")) == []


def test_describing_asks_no_hsm(world: World) -> None:
    loaded(world, world.partition())
    world.reopen()

    def never(call: str) -> None:
        raise AssertionError(call)

    world.hsm().before = never
    warehouse = world.warehouse(HERE)
    for look in (warehouse.key_uses, warehouse.held_grants, warehouse.key_versions, warehouse.plaintext_found):
        look()
    assert described(world).encrypted
    assert warehouse.retired_cluster_keys() == []
