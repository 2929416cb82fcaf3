"""What one table costs does not grow with how many there are: no call about one reads a whole table of the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.providers.data import CountsKeyUses
from reconciler.testing.query_plans import begun_by, scans
from reconciler.testing.table_contract import ROWS, TableWorld, make
from reconciler_tables.tests.worlds import ACCOUNT, REGION, opened_world, site_of

CALLS: dict[str, Callable[[TableWorld], object]] = {
    "describe": lambda world: world.tables.describe_tables(world.user, [("shop", "orders")]),
    "find": lambda world: world.tables.find_table(world.user, token="orders"),
    "keyspace": lambda world: world.tables.describe_keyspaces(world.user, ["shop"]),
    "make": lambda world: make(world, world.key, "returns"),
    "switch": lambda world: world.tables.update_table_encryption(
        world.user, "shop", "orders", world.other_key, token="switch"
    ),
    "put": lambda world: world.tables.put_rows(world.user, "shop", "orders", ROWS),
    "get": lambda world: world.tables.get_rows(world.user, "shop", "orders", {"customer": "ada"}),
    "drop": lambda world: world.tables.delete_table(world.user, "shop", "orders"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_no_call_about_one_reads_a_whole_table(folder: Path, call: Callable[[TableWorld], object]) -> None:
    with opened_world(folder) as world:
        make(world, world.key)
        world.tables.put_rows(world.user, "shop", "orders", ROWS)
        site = site_of(world.tables)
        site.close()
        stores = [folder / "tables" / ACCOUNT / REGION / name for name in ("tables.db", "keyring.db")]
        assert scans(begun_by(lambda: call(world)), stores) == {}


def test_what_each_of_many_keys_opens_is_not_each_time_a_look_at_everything(folder: Path) -> None:
    with opened_world(folder) as world:
        make(world, world.key)
        tables = world.tables
        assert isinstance(tables, CountsKeyUses)
        assert len(tables.key_uses(world.key)) == 1  # the first look is for what has lost its keys
        stores = [folder / "tables" / ACCOUNT / REGION / name for name in ("tables.db", "keyring.db")]
        site_of(world.tables).close()
        assert scans(begun_by(lambda: tables.key_uses(world.key)), stores) == {}
