"""Whoever writes to the disk is found out; whoever reads it learns nothing (T9, T13, I7, I18, I19)."""

# ruff: noqa: S608  # statements are put together from this file's own constants

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import DamagedStore, ReconcilerError
from reconciler.providers.data import ANY_KEY
from reconciler.testing.table_contract import ROWS, TableWorld, ada, make, request
from reconciler_tables.catalogue import table_named
from reconciler_tables.census import key_uses
from reconciler_tables.names import TableName
from reconciler_tables.rows import Places
from reconciler_tables.table_key import opened
from reconciler_tables.tests.worlds import ACCOUNT, REGION, opened_world, site_of, tables_of


class Disk:
    """The stores as somebody with the disk has them."""

    def __init__(self, home: Path, world: TableWorld) -> None:
        self.home = home
        self.world = world
        self.folder = home / "tables" / ACCOUNT / REGION

    def sql(self, store: str, statement: str, *values: Any) -> list[Any]:
        connection = sqlite3.connect(self.folder / f"{store}.db", isolation_level=None)
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def tables(self, statement: str, *values: Any) -> list[Any]:
        return self.sql("tables", statement, *values)

    def ring(self, statement: str, *values: Any) -> list[Any]:
        return self.sql("keyring", statement, *values)


@pytest.fixture
def disk(folder: Path) -> Iterator[Disk]:
    with opened_world(folder) as world:
        make(world, world.key)
        make(world, world.key, "returns")
        world.tables.put_rows(world.user, "shop", "orders", [{**ROWS[0], "customer": "bob"}])
        yield Disk(folder, world)


UID = "(SELECT uid FROM wide_table WHERE name = 'orders')"
OTHER = "(SELECT uid FROM wide_table WHERE name = 'returns')"
ROW = f"rowid = (SELECT min(rowid) FROM sealed_row WHERE table_uid = {UID})"
NEXT = f"rowid = (SELECT min(rowid) + 1 FROM sealed_row WHERE table_uid = {UID})"


def swap_two_rows(disk: Disk) -> None:
    ((first,),) = disk.tables(f"SELECT sealed FROM sealed_row WHERE {ROW}")
    ((second,),) = disk.tables(f"SELECT sealed FROM sealed_row WHERE {NEXT}")
    disk.tables(f"UPDATE sealed_row SET sealed = ? WHERE {ROW}", second)
    disk.tables(f"UPDATE sealed_row SET sealed = ? WHERE {NEXT}", first)


def a_row_of_another_table(disk: Disk) -> None:
    disk.tables(
        f"UPDATE sealed_row SET sealed = (SELECT sealed FROM sealed_row WHERE table_uid = {OTHER} LIMIT 1) WHERE {ROW}"
    )


def put_an_older_row_back(disk: Disk) -> None:
    before = dict(disk.tables(f"SELECT row, sealed FROM sealed_row WHERE table_uid = {UID}"))
    disk.world.tables.put_rows(disk.world.user, "shop", "orders", [{**row, "note": "newer"} for row in ROWS])
    after = dict(disk.tables(f"SELECT row, sealed FROM sealed_row WHERE table_uid = {UID}"))
    row = next(row for row in before if before[row] != after[row])
    disk.tables("UPDATE sealed_row SET sealed = ? WHERE row = ?", before[row], row)


def put_an_older_head_back(disk: Disk) -> None:
    before = disk.tables(f"SELECT partition, sealed FROM partition_head WHERE table_uid = {UID}")
    disk.world.tables.put_rows(disk.world.user, "shop", "orders", [{**ROWS[0], "note": "newer"}])
    for partition, sealed in before:
        disk.tables("UPDATE partition_head SET sealed = ? WHERE partition = ?", sealed, partition)


def drop_a_row(disk: Disk) -> None:
    disk.tables(f"DELETE FROM sealed_row WHERE {ROW}")


def double_a_row(disk: Disk) -> None:
    disk.tables(
        f"INSERT INTO sealed_row SELECT table_uid, partition, randomblob(32), sealed FROM sealed_row WHERE {ROW}"
    )


def drop_the_head(disk: Disk) -> None:
    disk.tables(f"DELETE FROM partition_head WHERE table_uid = {UID}")


def heads_changed_places(disk: Disk) -> None:
    disk.tables(
        f"UPDATE partition_head SET sealed = (SELECT sealed FROM partition_head WHERE table_uid = {OTHER} LIMIT 1) "
        f"WHERE table_uid = {UID}"
    )


def move_a_row_to_another_partition(disk: Disk) -> None:
    disk.tables(
        f"UPDATE sealed_row SET partition = (SELECT partition FROM partition_head WHERE table_uid = {UID} AND "
        f"partition != sealed_row.partition) WHERE {ROW}"
    )


def change_the_schema(disk: Disk) -> None:
    disk.tables("UPDATE wide_table SET schema = replace(schema, 'DESC', 'ASC')")


def empty_row(disk: Disk) -> None:
    disk.tables(f"UPDATE sealed_row SET sealed = x'' WHERE {ROW}")


def swap_wrapped_table_keys(disk: Disk) -> None:
    disk.ring(
        "UPDATE wrap SET wrapped = (SELECT wrapped FROM wrap AS w WHERE w.name = 'returns') WHERE name = 'orders'"
    )


def swap_inner_keys(disk: Disk) -> None:
    disk.ring(
        "UPDATE inner_key SET sealed = (SELECT sealed FROM inner_key AS i WHERE i.table_uid = inner_key.table_uid AND "
        "i.purpose != inner_key.purpose) WHERE purpose = 'row'"
    )


def inner_keys_of_another_table(disk: Disk) -> None:
    disk.ring(
        "UPDATE inner_key SET sealed = (SELECT sealed FROM inner_key AS i WHERE i.table_uid != inner_key.table_uid AND "
        "i.purpose = inner_key.purpose)"
    )


def another_key_arn(disk: Disk) -> None:
    disk.ring("UPDATE wrap SET key_arn = ?", disk.world.other_key)


def another_context(disk: Disk) -> None:
    disk.ring("UPDATE wrap SET context = replace(context, 'orders', 'returns')")


def another_table_key_id(disk: Disk) -> None:
    disk.ring("UPDATE wrap SET table_key_id = 'other'")


def no_inner_keys(disk: Disk) -> None:
    disk.ring("DELETE FROM inner_key")


def no_wraps(disk: Disk) -> None:
    disk.ring("DELETE FROM wrap")


ATTACKS: list[Callable[[Disk], None]] = [
    *(swap_two_rows, a_row_of_another_table, put_an_older_row_back, put_an_older_head_back, drop_a_row, double_a_row),
    *(drop_the_head, heads_changed_places, move_a_row_to_another_partition, change_the_schema, empty_row),
    *(swap_wrapped_table_keys, swap_inner_keys, inner_keys_of_another_table, another_key_arn, another_context),
    *(another_table_key_id, no_inner_keys, no_wraps),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_change_on_disk_is_found_when_it_is_read(disk: Disk, attack: Callable[[Disk], None]) -> None:
    attack(disk)
    # The other context is refused by the key service itself: the grant does not cover it.
    expected = ReconcilerError if attack is another_context or attack is another_key_arn else DamagedStore
    with pytest.raises(expected) as caught:
        for customer in ("ada", "bob"):
            disk.world.tables.get_rows(disk.world.user, "shop", "orders", {"customer": customer})
    assert caught.value.suggestion


@pytest.mark.parametrize("place", ["row", "head", "inner key", "wrap"])
def test_every_flipped_bit_is_found(disk: Disk, place: str) -> None:
    store, select, update = {
        "row": (
            "tables",
            f"SELECT sealed FROM sealed_row WHERE {ROW}",
            f"UPDATE sealed_row SET sealed = ? WHERE {ROW}",
        ),
        "head": (
            "tables",
            f"SELECT sealed FROM partition_head WHERE table_uid = {UID} ORDER BY rowid",
            "UPDATE partition_head SET sealed = ? WHERE rowid = (SELECT min(rowid) FROM partition_head WHERE "
            f"table_uid = {UID})",
        ),
        "inner key": (
            "keyring",
            "SELECT sealed FROM inner_key WHERE purpose = 'row' AND table_uid = (SELECT table_uid FROM wrap WHERE name "
            "= 'orders')",
            "UPDATE inner_key SET sealed = ? WHERE purpose = 'row' AND table_uid = (SELECT table_uid FROM wrap WHERE "
            "name = 'orders')",
        ),
        "wrap": (
            "keyring",
            "SELECT wrapped FROM wrap WHERE name = 'orders'",
            "UPDATE wrap SET wrapped = ? WHERE name = 'orders'",
        ),
    }[place]
    original = bytes(disk.sql(store, select)[0][0])
    found = 0
    for at in range(0, len(original), 3):
        changed = bytearray(original)
        changed[at] ^= 1 << at % 8
        disk.sql(store, update, bytes(changed))
        # A flip in the wrap's key id is a key that does not exist: the key service refuses that itself.
        with pytest.raises(ReconcilerError if place == "wrap" else DamagedStore):
            ada(disk.world)
        found += 1
    for length in (0, 1, len(original) // 2, len(original) - 1):
        disk.sql(store, update, original[:length])
        with pytest.raises(ReconcilerError):
            ada(disk.world)
    disk.sql(store, update, original)
    assert len(ada(disk.world)) == 4
    assert found > 20


def test_a_row_opens_in_its_place_only(disk: Disk) -> None:
    """Beside the head's sum, each ciphertext itself is bound to table, partition and row (I7)."""
    site = site_of(disk.world.tables)
    with site.catalogue.read() as reading:
        assert reading is not None
        table = table_named(reading, TableName("shop", "orders"))
        assert table is not None
        found = reading.execute(
            "SELECT partition, row, sealed FROM sealed_row WHERE table_uid = ?", (table.uid,)
        ).fetchall()
    with opened(site, table, "read") as keys:
        places = Places(table, keys)
        for partition, row, sealed in found:
            places.open_row(partition, row, sealed)
            for other_partition, other_row, _ in found:
                if (other_partition, other_row) != (partition, row):
                    with pytest.raises(DamagedStore):
                        places.open_row(other_partition, other_row, sealed)


def spellings(secret: bytes) -> Iterator[bytes]:
    """How a secret may show: as it is, hexadecimal, base64 at each offset, UTF-16."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for offset in range(3):
        inside = base64.b64encode(bytes(offset) + secret)[4 if offset else 0 : -4]
        yield inside
        yield inside.translate(bytes.maketrans(b"+/", b"-_"))
    with suppress(UnicodeDecodeError):
        yield secret.decode().encode("utf-16-le")


def disk_holds(home: Path, secret: bytes) -> list[str]:
    return [
        f"{file.name}: {spelling[:12]!r}"
        for file in home.rglob("*")
        if file.is_file()
        for spelling in spellings(secret)
        if spelling in file.read_bytes()
    ]


def test_no_value_no_key_value_and_no_key_is_on_disk(folder: Path) -> None:
    canaries = [b"customer-canary-7391", b"note-canary-48213", b"tier-canary-99117"]
    with opened_world(folder) as world:
        make(world)
        row = {**ROWS[0], "customer": canaries[0].decode(), "note": canaries[1].decode(), "tier": canaries[2].decode()}
        for key in (world.key, None, world.other_key):
            world.tables.update_table_encryption(world.user, "shop", "orders", key, token="t")
            world.tables.put_rows(world.user, "shop", "orders", [row])
        disk = Disk(folder, world)
        service = Caller(principal=f"cassandra.{REGION}.amazonaws.com", account=ACCOUNT)
        ((wrapped,),) = disk.ring("SELECT wrapped FROM wrap")
        context = {
            "aws:cassandra:keyspaceName": "shop",
            "aws:cassandra:tableName": "orders",
            "aws:cassandra:subscriberId": ACCOUNT,
        }
        with world.keys.decrypt(service, wrapped, context).plaintext as table_key:
            canaries.append(bytes(table_key.expose_key_bytes()))
        for canary in canaries:
            assert disk_holds(folder, canary) == []
        assert disk_holds(folder, b"partitionKey")  # the scan does find what is there
    for canary in canaries:
        assert disk_holds(folder, canary) == []


def test_a_message_never_holds_a_value(disk: Disk) -> None:
    for row in (
        {**ROWS[0], "id": "secret-7"},
        {**ROWS[0], "total": "secret-7"},
        {**ROWS[0], "placed": "secret-7"},
        {**ROWS[0], "note": "secret-7" * (1 << 20)},
    ):
        with pytest.raises(ReconcilerError) as caught:
            disk.world.tables.put_rows(disk.world.user, "shop", "orders", [row])
        for diagnostic in caught.value.diagnostics():
            assert "secret-7" not in str(diagnostic)


def test_a_table_whose_keys_are_lost_is_never_described_as_absent(disk: Disk) -> None:
    """An absent table would be made anew, beside rows that nothing opens any more."""
    disk.ring(f"DELETE FROM wrap WHERE table_uid = '{disk.tables(f'SELECT {UID}')[0][0]}'")
    orders, returns = disk.world.tables.describe_tables(disk.world.user)
    assert (orders.name, orders.status, orders.table_key_id) == ("orders", "INACCESSIBLE_ENCRYPTION_CREDENTIALS", "")
    assert (returns.name, returns.status) == ("returns", "ACTIVE")


def test_a_table_whose_keys_are_lost_counts_for_every_key_until_it_is_dropped(disk: Disk) -> None:
    disk.ring(f"DELETE FROM wrap WHERE table_uid = '{disk.tables(f'SELECT {UID}')[0][0]}'")
    site = site_of(disk.world.tables)
    for key in (None, disk.world.key, "arn:aws:kms:eu-west-1:111122223333:key/another"):
        assert [use.name for use in key_uses(site, key) if use.key_arn == ANY_KEY] == ["shop.orders"]
    disk.world.tables.delete_table(disk.world.user, "shop", "orders")
    assert [use.name for use in key_uses(site, disk.world.key)] == ["shop.returns"]
    assert not [use for use in key_uses(site) if use.key_arn == ANY_KEY]


def test_a_table_that_the_catalogue_lost_still_counts_among_its_keys_uses(disk: Disk) -> None:
    """What is put back from a copy may need that key (I3)."""
    disk.tables(f"DELETE FROM wide_table WHERE uid = {UID}")
    assert {(use.key_arn, use.name) for use in key_uses(site_of(disk.world.tables))} == {
        (disk.world.key, "shop.orders"),
        (disk.world.key, "shop.returns"),
    }
    disk.world.tables.delete_table(disk.world.user, "shop", "returns")
    assert [use.name for use in key_uses(site_of(disk.world.tables))] == ["shop.orders"]


def test_describing_asks_no_key_service_and_makes_nothing(folder: Path) -> None:
    class NoKeys:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"the key service was asked for {name}")

    def look(home: Path) -> list[str]:
        tables = tables_of(home, NoKeys(), "look")
        found = [table.name for table in tables.describe_tables(Caller(principal="x", account=ACCOUNT))]
        tables.describe_keyspaces(Caller(principal="x", account=ACCOUNT))
        tables.find_table(Caller(principal="x", account=ACCOUNT), token="t")
        tables.key_uses()
        tables.close()
        return found

    assert look(folder / "never used") == []
    assert list(folder.iterdir()) == []
    with opened_world(folder / "used") as world:
        make(world, world.key)
        world.tables.create_table(world.user, request("empty"), token="t")
    before = {file.name: file.read_bytes() for file in (folder / "used").rglob("*.db")}
    assert look(folder / "used") == ["empty", "orders"]
    assert {file.name: file.read_bytes() for file in (folder / "used").rglob("*.db")} == before
