"""A request that was held up while another one did the same thing, or the opposite (C6): it may fail, but it takes
nothing away from what the other has finished."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ReconcilerError
from reconciler.testing.table_contract import TableWorld, ada, grants_of, make, request
from reconciler_tables import Tables
from reconciler_tables.tests.worlds import opened_world, tables_of


class Overtaken:
    """The key service as a slow process sees it: before its first ``call``, another process has come and gone."""

    def __init__(self, world: TableWorld, call: str, other: Callable[[], object], *, after: bool = False) -> None:
        self._world = world
        self._call = call
        self._after = after
        self._others = [other]

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._world.keys, name)
        if name != self._call or not self._others:
            return real

        def overtaken(*arguments: Any, **named: Any) -> Any:
            answer = real(*arguments, **named) if self._after else None
            self._others.pop()()
            return answer if self._after else real(*arguments, **named)

        return overtaken


def slow(folder: Path, keys: object, do: Callable[[Tables], object]) -> None:
    tables = tables_of(folder, keys, "slow")
    try:
        do(tables)
    except ReconcilerError:
        pass
    finally:
        tables.close()


CREATE_CALLS = ("create_grant", "generate_data_key", "decrypt")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", CREATE_CALLS)
def test_a_create_that_was_overtaken_by_its_own_token_leaves_the_finished_table(
    folder: Path, call: str, after: bool
) -> None:
    with opened_world(folder) as world:
        world.tables.create_keyspace(world.user, "shop", replication="SINGLE_REGION", token="k")

        def other() -> None:
            make(world, world.key)

        keys = Overtaken(world, call, other, after=after)
        slow(folder, keys, lambda tables: tables.create_table(world.user, request(key=world.key), token="table orders"))
        assert len(ada(world)) == 4
        assert len(grants_of(world, world.key)) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", ["create_grant", "re_encrypt", "decrypt"])
def test_a_switch_that_was_overtaken_by_the_same_switch_leaves_the_table_its_key(
    folder: Path, call: str, after: bool
) -> None:
    with opened_world(folder) as world:
        make(world, world.key)

        def switch(tables: Any) -> object:
            return tables.update_table_encryption(world.user, "shop", "orders", world.other_key, token="s")

        slow(folder, Overtaken(world, call, lambda: switch(world.tables), after=after), switch)
        assert len(ada(world)) == 4
        assert world.tables.describe_tables(world.user)[0].key_arn == world.other_key


@pytest.mark.parametrize("call", ["create_grant", "re_encrypt", "decrypt"])
def test_a_switch_that_was_overtaken_by_another_leaves_the_table_a_key(folder: Path, call: str) -> None:
    with opened_world(folder) as world:
        make(world, world.key)

        def other() -> object:
            return world.tables.update_table_encryption(world.user, "shop", "orders", None, token="o")

        def switch(tables: Tables) -> object:
            return tables.update_table_encryption(world.user, "shop", "orders", world.other_key, token="s")

        slow(folder, Overtaken(world, call, other), switch)
        assert len(ada(world)) == 4


def test_clearing_away_a_half_made_table_leaves_one_that_was_finished_meanwhile(folder: Path) -> None:
    """Another token wants the name of a table whose creation was only slow."""
    with opened_world(folder) as world:
        world.tables.create_keyspace(world.user, "shop", replication="SINGLE_REGION", token="k")

        def other() -> None:  # looks while the table is half made, clears it away when it is finished
            late = Overtaken(world, "retire_grant", lambda: None)
            slow(folder, late, lambda tables: tables.create_table(world.user, request(key=world.key), token="another"))

        keys = Overtaken(world, "decrypt", other)
        slow(folder, keys, lambda tables: tables.create_table(world.user, request(key=world.key), token="table orders"))
        described = world.tables.describe_tables(world.user)
        assert [table.status for table in described] == ["ACTIVE"]
        world.tables.put_rows(world.user, "shop", "orders", [])
        make_rows = world.tables.get_rows(world.user, "shop", "orders", {"customer": "ada"})
        assert make_rows == []


def test_a_lost_catalogue_takes_no_key_with_it(folder: Path) -> None:
    """Absence alone is no proof that a table was dropped (I3): its catalogue may be put back from a backup."""
    with opened_world(folder) as world:
        make(world, world.key)
    (store,) = folder.rglob("tables.db")
    aside = {path: path.read_bytes() for path in store.parent.glob("tables.db*")}
    for path in aside:
        path.unlink()
    with opened_world(folder) as world:
        slow(folder, world.keys, lambda tables: make_anew(world, tables))
    for path in store.parent.glob("tables.db*"):
        path.unlink()
    for path, content in aside.items():
        path.write_bytes(content)
    with opened_world(folder) as world:
        assert len(ada(world)) == 4


def make_anew(world: TableWorld, tables: Tables) -> None:
    tables.create_keyspace(world.user, "shop", replication="SINGLE_REGION", token="again")
    tables.create_table(world.user, request(key=world.key), token="again")
