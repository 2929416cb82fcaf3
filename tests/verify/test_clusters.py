"""What ``verify`` claims of a cluster: not that it is encrypted while a snapshot from before is in clear (RE15), nor
that it is in escrow under another key than the declared one (RE14)."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.providers.typed import caller, keeping_escrow, warehouse_provider
from tests.world import World, document, provider

PROVIDERS = provider("kms") + provider("dw", "warehouse") + document("Key", "one") + document("Key", "spare")
PLAIN = document("Cluster", "c", provider="dw", encryption="{enabled: false}")
UNDER_ONE = document("Cluster", "c", provider="dw", encryption="{key: one, escrow: spare}")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "project")


def test_encrypted_is_not_claimed_while_a_snapshot_from_before_is_in_clear(world: World) -> None:
    world.declare(PROVIDERS + PLAIN)
    world.apply()
    with world.session() as session:
        warehouse, who = warehouse_provider(session, "dw"), caller(session, "dw")
        warehouse.create_snapshot(who, "c", "by-hand", retention_days=None, token="by-hand")
    assert world.run("verify").code == 0
    world.declare(PROVIDERS + UNDER_ONE)
    world.apply()
    ran = world.run("verify")

    assert ran.code == 3
    assert "cluster c is encrypted, and snapshots of it from before are in clear: by-hand" in ran.out
    with world.session() as session:
        warehouse_provider(session, "dw").delete_snapshot(caller(session, "dw"), "by-hand")
    assert world.run("verify").code == 0


def test_another_escrow_than_the_declared_one_is_no_proof(world: World) -> None:
    world.declare(PROVIDERS + UNDER_ONE)
    world.apply()
    assert world.run("verify").code == 0
    with world.session() as session:
        keeping_escrow(session, "dw").set_escrow(caller(session, "dw"), "c", None, token="behind")
    ran = world.run("verify", "Cluster/c")

    assert ran.code == 3
    assert "and beside its root none opens it" in ran.out


def test_snapshots_that_stay_are_proved_under_the_root_that_they_stay_under(world: World) -> None:
    snapshot = document("Snapshot", "s", provider="dw", cluster="c")
    world.declare(PROVIDERS + UNDER_ONE + snapshot)
    world.apply()
    alone = document("Cluster", "c", provider="dw", encryption="{key: spare, snapshotsFollow: false}")
    world.declare(PROVIDERS + alone + snapshot)
    world.apply()

    ran = world.run("verify")
    assert ran.code == 0, ran.out
