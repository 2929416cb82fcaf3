"""``retiredKeys: destroy`` with a real warehouse: who is asked before a cluster key leaves its token (I3, RO1)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reconciler.errors import BlockedByGuard
from reconciler.model.address import Address
from reconciler.model.plan import Plan
from reconciler.providers.typed import caller, warehouse_provider
from tests.commands.drifting import cluster
from tests.partitions_in_memory import token
from tests.world import World, document, provider

HSM = provider() + provider("hsm", "pkcs11")
DW = provider("dw", "warehouse")
SALES = cluster("sales", encryption="{hsm: vault}") + document("Snapshot", "s", provider="dw", cluster="sales")
VAULT = Address("HsmPartition/vault")


def vault(retired: str) -> str:
    return document("HsmPartition", "vault", provider="hsm", tokenLabel="vault", pinFrom="{fd: 3}", retiredKeys=retired)


@pytest.fixture
def world(tmp_path: Path, hsm_in_memory: None) -> World:
    """A cluster and its snapshot, rotated once by hand: the key that both were under is retired."""
    made = World(tmp_path / "project")
    made.declare(HSM + DW + vault("keep") + SALES)
    made.apply()
    shutil.copytree(made.folder / ".reconciler" / "warehouse", tmp_path / "backup")
    with made.session() as session:
        warehouse, who = warehouse_provider(session, "dw"), caller(session, "dw")
        warehouse.rotate_encryption_key(who, "sales", progress=lambda *_: None, token="by hand")
    made.clock.advance(hours=1)
    assert not made.plan().has_changes
    assert keys(made) == (2, 1)
    return made


def keys(world: World) -> tuple[int, int]:
    """How many cluster keys are used, and how many retired."""
    kept = token(world.folder / ".reconciler").cluster_keys.values()
    retired = sum(key.retired_at is not None for key in kept)
    return len(kept) - retired, retired


def key_ring(world: World) -> Path:
    (found,) = (world.folder / ".reconciler" / "warehouse").rglob("keyring.db")
    return found


def damaged(world: World) -> None:
    ring = key_ring(world)
    for path in ring.parent.glob("keyring.db*"):
        path.unlink()
    ring.write_bytes(b"no key ring any more")


def forget(world: World) -> None:
    """The state knows nothing of cluster and snapshot any more: they are as unmanaged as another project's."""
    for address in ("Snapshot/s", "Cluster/sales"):
        assert world.run("state", "rm", address).code == 0


def of_the_vault(world: World) -> Plan:
    return world.plan(targets=(VAULT,))


def test_what_nothing_is_under_goes_and_cluster_and_snapshot_open(world: World) -> None:
    assert "retired cluster keys kept 1" in world.run("verify", "HsmPartition/vault").out
    world.declare(HSM + DW + vault("destroy") + SALES)
    (change,) = world.plan().changes
    assert (change.address, [str(one.verb) for one in change.operations]) == (VAULT, ["update"])
    world.apply()
    assert keys(world) == (2, 0)
    assert not world.plan().has_changes
    assert world.run("verify", "--full").code == 0


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "in no manifest any more"])
def test_a_warehouse_whose_key_ring_cannot_be_read_may_need_any(world: World, declared: bool) -> None:
    forget(world)
    damaged(world)
    world.declare(HSM + vault("destroy") + (DW if declared else ""))
    (change,) = of_the_vault(world).changes
    assert [block.guard for block in change.blocked] == ["key-in-use"]
    assert "which cannot be asked" in change.blocked[0].reason
    with pytest.raises(BlockedByGuard):
        world.apply(targets=(VAULT,))
    assert keys(world) == (2, 1)

    world.declare(HSM + vault("keep") + (DW if declared else ""))
    assert not of_the_vault(world).has_changes


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "in no manifest any more"])
def test_what_is_not_managed_keeps_what_it_needs(world: World, declared: bool) -> None:
    forget(world)
    world.declare(HSM + vault("destroy") + (DW if declared else ""))
    world.apply()
    assert keys(world) == (2, 0)
    assert not world.plan().has_changes


def test_a_key_that_a_backup_of_the_warehouse_opens_with_stays_when_that_is_put_back(world: World) -> None:
    """The HSM's record calls it retired, and what is stored names it again."""
    here = world.folder / ".reconciler" / "warehouse"
    shutil.rmtree(here)
    shutil.copytree(world.folder.parent / "backup", here)
    world.declare(HSM + DW + vault("destroy") + SALES)
    plan = of_the_vault(world)
    assert not plan.has_changes
    assert ["keeps a retired cluster key" in warning.summary for warning in plan.warnings] == [True]
    assert keys(world) == (2, 1)
