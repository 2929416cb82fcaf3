"""``verify`` of a table: nothing is found where all is sound, and whatever was changed on the disk is (CONTRACT 3,
T9)."""

# ruff: noqa: S608  # statements are put together from constants

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.providers.keys import Context, DecryptedKey
from reconciler.providers.proofs import KEYS_OPENED, REFUSALS, ROWS, SAMPLES, Check, ProvesTables, Result
from reconciler.testing.proofs_contract import ProvenTable, TableProofsContract
from reconciler.testing.table_contract import ROWS as SAMPLE_ROWS
from reconciler.testing.table_contract import KeysWithGrants, make
from reconciler_tables.site import Site
from reconciler_tables.tests.test_tampering import ATTACKS, UID, Disk
from reconciler_tables.tests.worlds import opened_world, site_of

ROW = f"rowid = (SELECT min(rowid) FROM sealed_row WHERE table_uid = {UID})"


@dataclass
class Looking:
    """A witness that keeps what it is handed."""

    is_full: bool = False
    keys: Sequence[str] = ()
    opened_keys: set[bytes] = field(default_factory=set)
    canaries: set[bytes] = field(default_factory=set)

    def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Nobody waits."""

    def opened(self, key: DataKey) -> None:
        self.opened_keys.add(bytes(key.expose_key_bytes()))

    def canary(self, value: bytes) -> None:
        self.canaries.add(value)

    def in_clear(self, path: Path) -> None:
        raise AssertionError(f"a table service holds no values in clear: {path}")

    def other_keys(self, key_arn: str) -> Sequence[str]:
        return [arn for arn in self.keys if arn != key_arn]


@pytest.fixture
def disk(folder: Path) -> Iterator[Disk]:
    """As ``test_tampering`` has it, with one note that is long enough to be a canary."""
    with opened_world(folder) as world:
        make(world, world.key)
        make(world, world.key, "returns")
        row = {**SAMPLE_ROWS[0], "customer": "bob", "note": "CANARY-NOTE-0123456789-abcdefghij-ABCDEFGHIJ"}
        world.tables.put_rows(world.user, "shop", "orders", [row])
        yield Disk(folder, world)


def prove(disk: Disk, key_arn: str | None = "", looking: Looking | None = None) -> list[Check]:
    tables = disk.world.tables
    assert isinstance(tables, ProvesTables)
    declared = disk.world.key if key_arn == "" else key_arn
    return list(tables.prove_table(disk.world.user, "shop", "orders", declared, looking or Looking()))


def failures(checks: list[Check]) -> list[tuple[str, str]]:
    return [(check.what, check.failure or "") for check in checks if check.result is not Result.PROVED]


def counted(checks: list[Check], what: str) -> int:
    return sum(check.count for check in checks if check.what == what)


def test_a_sound_table_is_proved_row_by_row(disk: Disk) -> None:
    looking = Looking(keys=[disk.world.key, disk.world.other_key])
    checks = prove(disk, looking=looking)
    assert failures(checks) == []
    ((rows,),) = disk.tables(f"SELECT count(*) FROM sealed_row WHERE table_uid = {UID}")
    assert counted(checks, ROWS) == counted(checks, SAMPLES) == rows > 4
    assert counted(checks, KEYS_OPENED) == 3 == len(looking.opened_keys)
    assert counted(checks, REFUSALS) == 1 + 2 + 3 + 2
    assert any(b"CANARY" in value or b"0123456789" in value for value in looking.canaries)


def test_looking_changes_nothing(disk: Disk) -> None:
    files = [path for path in sorted(disk.folder.iterdir()) if not path.name.endswith("-shm")]  # who reads, no data
    before = [path.read_bytes() for path in files]
    prove(disk)
    assert [path.read_bytes() for path in files] == before


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_each_change_on_disk_breaks_a_proof(disk: Disk, attack: Callable[[Disk], None]) -> None:
    attack(disk)
    assert failures(prove(disk))


def a_whole_partition_gone(disk: Disk) -> None:
    for place in ("sealed_row", "partition_head"):
        disk.tables(
            f"DELETE FROM {place} WHERE partition = (SELECT min(partition) FROM {place} WHERE table_uid = {UID})"
        )


def every_row_of_a_partition_gone(disk: Disk) -> None:
    first = f"SELECT min(partition) FROM sealed_row WHERE table_uid = {UID}"
    disk.tables(f"DELETE FROM sealed_row WHERE partition = ({first})")


@pytest.mark.parametrize("attack", [a_whole_partition_gone, every_row_of_a_partition_gone])
def test_rows_that_are_gone_together_are_missed(disk: Disk, attack: Callable[[Disk], None]) -> None:
    """What reading one partition cannot see: that another is gone, its head included."""
    attack(disk)
    assert {what for what, _ in failures(prove(disk))} == {ROWS}


@pytest.mark.parametrize("declared", [None, "other"])
def test_another_key_than_the_declared_one_is_found(disk: Disk, declared: str | None) -> None:
    wanted = None if declared is None else disk.world.other_key
    assert "is declared to be under" in failures(prove(disk, wanted))[0][1]
    disk.world.tables.update_table_encryption(disk.world.user, "shop", "orders", wanted, token="t")
    assert failures(prove(disk, wanted)) == []


def test_a_locked_key_is_a_finding_not_an_error(disk: Disk) -> None:
    disk.world.keys.disable_key(disk.world.user, disk.world.key)
    ((what, failure),) = failures(prove(disk))
    assert (what, "disabled" in failure) == (KEYS_OPENED, True)


def test_a_revoked_grant_is_a_finding_not_an_error(disk: Disk) -> None:
    for grant in disk.world.keys.list_grants(disk.world.user, disk.world.key):
        disk.world.keys.revoke_grant(disk.world.user, disk.world.key, grant.grant_id)
    ((what, _),) = failures(prove(disk))
    assert what == KEYS_OPENED


def test_a_table_that_is_gone_is_a_finding(disk: Disk) -> None:
    disk.world.tables.delete_table(disk.world.user, "shop", "orders")
    assert failures(prove(disk)) == [(ROWS, "there is no table shop.orders in eu-west-1")]


def test_a_row_that_a_broken_cipher_left_in_clear_is_seen_though_it_opens(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = b'{"note":"CANARY-NOTE-0123456789"}'
    disk.tables(f"UPDATE sealed_row SET sealed = ? WHERE {ROW}", b"\0" * 76 + plain + b"\0" * 16)
    monkeypatch.setattr("reconciler_tables.rows.open_sealed", lambda key, sealed, aad: bytes(sealed[76:-16]))
    assert (SAMPLES, True) in [(what, "is stored in clear" in failure) for what, failure in failures(prove(disk))]


class LaxKeys:
    """A key service that opens what it saw once under any context or key."""

    def __init__(self, inner: KeysWithGrants) -> None:
        self._inner = inner
        self._known: dict[bytes, tuple[Caller, Context, str | None]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def decrypt(
        self, caller: Caller, ciphertext: bytes, context: Context, *, key_id: str | None = None
    ) -> DecryptedKey:
        known = self._known.setdefault(ciphertext, (caller, context, key_id))
        return self._inner.decrypt(known[0], ciphertext, known[1], key_id=known[2])


def test_a_key_service_that_opens_too_much_is_found(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    lax = cast(KeysWithGrants, LaxKeys(disk.world.keys))
    monkeypatch.setattr(Site, "keys", property(lambda site: lax))
    assert site_of(disk.world.tables).keys is lax
    found = failures(prove(disk, looking=Looking(keys=[disk.world.other_key])))
    assert [what for what, _ in found] == [REFUSALS] * 3


class TestContract(TableProofsContract):
    @pytest.fixture
    def proven(self, disk: Disk) -> ProvenTable:
        world = disk.world
        assert isinstance(world.tables, ProvesTables)
        return ProvenTable(
            tables=world.tables,
            caller=world.user,
            keyspace="shop",
            name="orders",
            key_arn=world.key,
            other_key=world.other_key,
        )
