"""What whoever proves encryption keeps: nothing is found where all is sound, and what is wrong is told as a check
(CONTRACT 3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.providers.data import Root, RootKind
from reconciler.providers.proofs import KEYS_OPENED, REFUSALS, Check, ProvesTables, ProvesWarehouse, Result

OWNED = Root(kind=RootKind.OWNED)


@dataclass
class Watching:
    """A witness that keeps what it is handed."""

    is_full: bool = True
    keys: Sequence[str] = ()
    opened_keys: list[bytes] = field(default_factory=list)

    def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Nobody waits."""

    def opened(self, key: DataKey) -> None:
        self.opened_keys.append(bytes(key.expose_key_bytes()))

    def canary(self, value: bytes) -> None:
        assert len(value) >= 12, "a shorter value stands somewhere by chance"

    def in_clear(self, path: Path) -> None:
        assert path.is_absolute()

    def other_keys(self, key_arn: str) -> Sequence[str]:
        return [arn for arn in self.keys if arn != key_arn]


@dataclass(kw_only=True)
class ProvenWarehouse:
    """A warehouse with a cluster ``name`` under ``root`` that holds rows; ``other_key`` is the ARN of another key."""

    warehouse: ProvesWarehouse
    caller: Caller
    name: str
    root: Root
    other_key: str


@dataclass(kw_only=True)
class ProvenTable:
    """A table service with a table that holds rows, under ``key_arn``."""

    tables: ProvesTables
    caller: Caller
    keyspace: str
    name: str
    key_arn: str
    other_key: str


def wrong(checks: Iterable[Check]) -> list[Check]:
    """Those that did not hold; each says what and what next."""
    found = [check for check in checks if check.result is not Result.PROVED]
    assert all(check.failure and check.fix for check in found)
    return found


class WarehouseProofsContract:
    """Inherit it, and give ``proven``."""

    @pytest.fixture
    def proven(self) -> ProvenWarehouse:
        """What is to be proved."""
        raise NotImplementedError

    def test_a_sound_cluster_is_proved_and_counted(self, proven: ProvenWarehouse) -> None:
        watching = Watching(keys=[proven.other_key])
        checks = list(proven.warehouse.prove_cluster(proven.caller, proven.name, proven.root, watching))
        assert wrong(checks) == []
        assert {KEYS_OPENED, REFUSALS} <= {check.what for check in checks}
        assert watching.opened_keys, "each key that was opened is handed over, to be looked for"
        assert wrong(proven.warehouse.prove_store(proven.caller, Watching())) == []

    def test_another_root_than_the_declared_is_a_check_that_fails(self, proven: ProvenWarehouse) -> None:
        for root in (OWNED, Root(kind=RootKind.KMS, key_arn=proven.other_key)):
            found = wrong(proven.warehouse.prove_cluster(proven.caller, proven.name, root, Watching()))
            assert [check.result for check in found] == [Result.UNPROTECTED]

    @pytest.mark.parametrize("what", ["cluster", "snapshot", "copy grant"])
    def test_what_is_not_there_is_a_check_that_fails(self, proven: ProvenWarehouse, what: str) -> None:
        warehouse = proven.warehouse
        prove = {
            "cluster": warehouse.prove_cluster,
            "snapshot": warehouse.prove_snapshot,
            "copy grant": warehouse.prove_copy_grant,
        }[what]
        found = wrong(prove(proven.caller, "absent", proven.root, Watching()))
        assert [check.result for check in found] == [Result.UNPROTECTED]


class TableProofsContract:
    """Inherit it, and give ``proven``."""

    @pytest.fixture
    def proven(self) -> ProvenTable:
        raise NotImplementedError

    def prove(self, proven: ProvenTable, key_arn: str | None, name: str | None = None) -> list[Check]:
        watching = Watching(keys=[proven.other_key])
        return list(proven.tables.prove_table(proven.caller, proven.keyspace, name or proven.name, key_arn, watching))

    def test_a_sound_table_is_proved_and_counted(self, proven: ProvenTable) -> None:
        checks = self.prove(proven, proven.key_arn)
        assert wrong(checks) == []
        assert {KEYS_OPENED, REFUSALS} <= {check.what for check in checks}

    def test_another_key_than_the_declared_is_a_check_that_fails(self, proven: ProvenTable) -> None:
        for key_arn in (None, proven.other_key):
            assert [check.result for check in wrong(self.prove(proven, key_arn))] == [Result.UNPROTECTED]

    def test_what_is_not_there_is_a_check_that_fails(self, proven: ProvenTable) -> None:
        assert [check.result for check in wrong(self.prove(proven, proven.key_arn, "absent"))] == [Result.UNPROTECTED]
