"""No snapshot is called encrypted that refers to a row in clear: not of a cluster that another process encrypts or
decrypts just now (RE10)."""

from __future__ import annotations

import pytest

from reconciler.errors import ReconcilerError
from reconciler_warehouse.backups import snapshots
from reconciler_warehouse.rows import cluster_named
from reconciler_warehouse.tests.online_worlds import CHANGES, filled, one_by_one
from reconciler_warehouse.tests.statement_worlds import site_of
from reconciler_warehouse.tests.test_crashes import opened
from reconciler_warehouse.tests.worlds import World


@pytest.mark.parametrize("kind", ["encrypt", "decrypt"])
def test_a_snapshot_is_sealed_as_a_whole_or_plain_as_a_whole(world: World, kind: str) -> None:
    before, run_it = CHANGES[kind]
    filled(world, before)
    other = opened(world.home, world.files)
    refused: list[str] = []

    def take_one() -> None:
        """As a call does that saw no change under way when it began."""
        name = f"halfway-{len(refused)}"
        try:
            snapshots.create(site_of(other), cluster_named(site_of(other), "sales"), name, keep=None, token=name)
        except ReconcilerError as error:
            refused.append(error.summary)

    world.checkpoint = take_one
    with one_by_one():
        run_it(world)
    world.checkpoint = lambda: None
    with site_of(other).catalogue.read() as catalogue:
        assert catalogue is not None
        mixed = catalogue.execute(
            """SELECT p.name FROM snapshot p JOIN snapshot_segment s ON s.snapshot = p.uid
               JOIN key_table k ON k.id = s.key_table WHERE p.dek IS NOT NULL AND k.dek IS NULL"""
        ).fetchall()
    other.reopen()
    assert mixed == []
    assert refused
