"""The embedded warehouse meets the contract of each capability that it has."""

from __future__ import annotations

import pytest

from reconciler.testing.warehouse_backups_contract import (
    BackupsWorld,
    KeepsEscrowContract,
    ListsDueWorkContract,
    LosesItsRootContract,
    RestoresSnapshotsContract,
    SchedulesSnapshotsContract,
)
from reconciler.testing.warehouse_changes_contract import (
    EstimatesChangesContract,
    LeavesSnapshotsBehindContract,
    ReEncryptsContract,
    SharesDataContract,
    TellsEventsContract,
)
from reconciler.testing.warehouse_contract import WarehouseWorld
from reconciler_warehouse.tests.test_contract import parts
from reconciler_warehouse.tests.worlds import HERE, World


class Changes:
    @pytest.fixture(name="world")
    def contract_world(self, world: World) -> WarehouseWorld:
        return WarehouseWorld(**parts(world))


class Backups:
    @pytest.fixture(name="world")
    def contract_world(self, world: World) -> BackupsWorld:
        return BackupsWorld(
            **parts(world),
            capable=world.warehouse(HERE),
            pass_time=lambda span: world.clock.advance(seconds=span.total_seconds()),
            now=world.clock.now,
            escrow=str(world.key("escrow").key_arn),
        )


class TestSchedules(Backups, SchedulesSnapshotsContract): ...


class TestRestoring(Backups, RestoresSnapshotsContract): ...


class TestEscrow(Backups, KeepsEscrowContract): ...


class TestLosingARoot(Backups, LosesItsRootContract): ...


class TestDueWork(Backups, ListsDueWorkContract): ...


class TestReEncrypting(Changes, ReEncryptsContract): ...


class TestEstimates(Changes, EstimatesChangesContract): ...


class TestSnapshotsThatStay(Changes, LeavesSnapshotsBehindContract): ...


class TestShares(Changes, SharesDataContract): ...


class TestEvents(Changes, TellsEventsContract): ...
