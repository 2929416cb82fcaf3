"""The embedded warehouse, with the software KMS under it, meets the contract of every warehouse."""

from __future__ import annotations

import pytest

from reconciler.access.caller import Caller
from reconciler.testing.warehouse_contract import WarehouseContract, WarehouseWorld
from reconciler_warehouse.tests.worlds import ACCOUNT, HERE, THERE, World


class TestWarehouse(WarehouseContract):
    @pytest.fixture(name="world")
    def contract_world(self, world: World) -> WarehouseWorld:
        keys = [str(world.key(name).key_arn) for name in ("first", "second")]
        return WarehouseWorld(
            warehouse=world.warehouse(HERE),
            elsewhere=world.warehouse(THERE),
            keys=world.keys(HERE),
            keys_elsewhere=world.keys(THERE),
            user=world.caller,
            stranger=Caller(principal=f"arn:aws:iam::{ACCOUNT}:role/Stranger", account=ACCOUNT),
            key=keys[0],
            other_key=keys[1],
            key_elsewhere=str(world.key("there", THERE).key_arn),
            folder=world.files,
        )
