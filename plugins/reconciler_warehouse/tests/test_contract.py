"""The embedded warehouse, with the software KMS under it, meets the contracts of every warehouse."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.testing.hsm_roots_contract import HsmRootsContract, HsmRootsWorld
from reconciler.testing.manifests_contract import ManifestsContract
from reconciler.testing.statements_contract import StatementsContract
from reconciler.testing.warehouse_contract import WarehouseContract, WarehouseWorld
from reconciler_warehouse.tests.hsm_worlds import arn
from reconciler_warehouse.tests.worlds import ACCOUNT, HERE, THERE, World


class TestWarehouse(WarehouseContract):
    @pytest.fixture(name="world")
    def contract_world(self, world: World) -> WarehouseWorld:
        return WarehouseWorld(**parts(world))


class TestStatements(StatementsContract):
    @pytest.fixture(name="world")
    def contract_world(self, world: World) -> WarehouseWorld:
        return WarehouseWorld(**parts(world))


class TestManifests(ManifestsContract):
    @pytest.fixture(name="world")
    def contract_world(self, world: World) -> WarehouseWorld:
        return WarehouseWorld(**parts(world))


class TestHsmRoots(HsmRootsContract):
    """On a token that is a fake; ``test_hsm_tokens`` has real ones."""

    @pytest.fixture(name="world")
    def contract_world(self, world: World) -> HsmRootsWorld:
        both = [arn(world.partition(name)) for name in ("a", "b")]
        return HsmRootsWorld(
            **parts(world),
            hsm=world.hsm(),
            partition=both[0],
            other_partition=both[1],
            unplug=lambda: world.hsm().away.update(both),
            plug_in=world.hsm().away.clear,
        )


def parts(world: World) -> dict[str, Any]:
    keys = [str(world.key(name).key_arn) for name in ("first", "second")]
    return {
        "warehouse": world.warehouse(HERE),
        "elsewhere": world.warehouse(THERE),
        "keys": world.keys(HERE),
        "keys_elsewhere": world.keys(THERE),
        "user": world.caller,
        "stranger": Caller(principal=f"arn:aws:iam::{ACCOUNT}:role/Stranger", account=ACCOUNT),
        "key": keys[0],
        "other_key": keys[1],
        "key_elsewhere": str(world.key("there", THERE).key_arn),
        "folder": world.files,
    }
