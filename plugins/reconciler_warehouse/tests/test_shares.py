"""Tables of one cluster that another selects from, and loses with it (RE8)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import pytest

from reconciler.errors import (
    AlreadyExistsException,
    DamagedStore,
    DisabledException,
    ReconcilerError,
    ResourceNotFoundException,
    ValidationException,
)
from reconciler.providers.data import Root
from reconciler.providers.warehouse import DataShareDescription, SharesData
from reconciler_warehouse.tests.worlds import NONE, OWNED, World, silent

QUESTION = "SELECT count(*), sum(f.id) FROM trips.flights f"
ANSWER = [(5000, sum(range(5000)))]


def share(world: World, tables: Sequence[str] = ("flights",), name: str = "trips", call: str = "share") -> Any:
    warehouse = world.warehouse()
    assert isinstance(warehouse, SharesData)
    return warehouse.create_data_share(world.caller, name, producer="sales", consumer="shop", tables=tables, token=call)


def described(world: World) -> list[DataShareDescription]:
    return world.warehouse().describe_data_shares(world.caller)


def ask(world: World, statement: str = QUESTION) -> list[tuple[Any, ...]]:
    return world.select(statement, "shop")


def modify(world: World, root: Root, call: str = "modify") -> None:
    world.warehouse().modify_encryption(world.caller, "sales", root, progress=silent, token=call)


@pytest.fixture
def two(world: World) -> World:
    """sales under k1 with two tables, shop under k2 with one of the same name."""
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.load(world.file("b.csv", "id,tail,delay\n7,x,1.5\n"), table="crews")
    world.create(world.key("k2"), "shop", "shop")
    world.load(world.file("c.csv", "id,name\n7,seven\n"), name="shop")
    return world


def test_the_consumer_selects_and_joins_with_its_own(two: World) -> None:
    made = share(two)
    assert (made.producer, made.consumer, made.tables, made.status) == ("sales", "shop", ("flights",), "ACTIVE")
    assert made.arn.endswith(":datashare:" + made.arn.rsplit(":", 1)[1])
    assert ask(two) == ANSWER
    assert ask(two, "SELECT f.tail, o.name FROM trips.flights f JOIN flights o ON o.id = f.id") == [
        ("CANARY-TAIL-00007", "seven")
    ]
    assert ask(two, "SELECT flights.id FROM trips.flights WHERE flights.id < 1") == [(0,)]
    assert ask(two, 'SELECT max(id) FROM "trips"."flights"') == [(4999,)]
    assert share(two) == made


def test_what_is_not_shared_is_not_there(two: World) -> None:
    share(two)
    for statement in (
        "SELECT * FROM trips.crews",
        "SELECT * FROM sales.flights",
        "SELECT * FROM nowhere.flights",
        "SELECT * FROM dev.trips.flights",
        'SELECT * FROM " trips flights"',
    ):
        with pytest.raises(ValidationException):
            ask(two, statement)
    with pytest.raises(ValidationException):
        two.select(QUESTION)  # the producer is not its consumer


def test_nothing_is_shared_that_is_not_there(two: World) -> None:
    refused: list[tuple[Callable[[], object], type[ReconcilerError]]] = [
        (lambda: share(two, ["absent"]), ResourceNotFoundException),
        (lambda: share(two, name="public"), ValidationException),
        (lambda: share(two, name="../etc"), ValidationException),
        (lambda: share(two, name='a"; DROP'), ValidationException),
        (
            lambda: two.warehouse().create_data_share(
                two.caller, "own", producer="sales", consumer="sales", tables=["flights"], token="own"
            ),
            ValidationException,
        ),
        (
            lambda: two.warehouse().create_data_share(
                two.caller, "x", producer="gone", consumer="sales", tables=["flights"], token="x"
            ),
            ResourceNotFoundException,
        ),
    ]
    for call, error in refused:
        with pytest.raises(error):
            call()
    assert described(two) == []
    share(two)
    with pytest.raises(AlreadyExistsException):
        share(two, call="another")


def test_its_tables_are_changed_and_it_goes(two: World) -> None:
    share(two)
    for _ in range(2):
        assert two.warehouse().alter_data_share(two.caller, "trips", tables=["crews"]).tables == ("crews",)
    assert ask(two, "SELECT id FROM trips.crews") == [(7,)]
    with pytest.raises(ValidationException):
        ask(two)
    for _ in range(2):
        two.warehouse().delete_data_share(two.caller, "trips")
    assert described(two) == []
    with pytest.raises(ResourceNotFoundException):
        two.warehouse().alter_data_share(two.caller, "trips", tables=["crews"])


def off_and_on(world: World) -> None:
    modify(world, NONE)
    modify(world, OWNED, "on")


CHANGES: dict[str, Callable[[World], object]] = {
    "rotated": lambda world: world.warehouse().rotate_encryption_key(
        world.caller, "sales", progress=silent, token="change"
    ),
    "encrypted again": lambda world: world.warehouse().re_encrypt(
        world.caller, "sales", progress=silent, token="change"
    ),
    "under another key": lambda world: modify(world, world.key("k3")),
    "decrypted": lambda world: modify(world, NONE),
    "decrypted and encrypted": off_and_on,
    "renamed": lambda world: world.warehouse().rename_cluster(world.caller, "sales", "revenue", token="change"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_it_outlives_what_becomes_of_its_producer(two: World, change: Callable[[World], object]) -> None:
    share(two)
    change(two)
    assert ask(two) == ANSWER
    two.load(two.file("d.csv", "id,tail,delay\n1,y,1\n"), name=described(two)[0].producer)
    assert ask(two, "SELECT count(*) FROM trips.flights") == [(5001,)]


@pytest.mark.parametrize("gone", ["sales", "shop"])
def test_it_goes_with_either_cluster(two: World, gone: str) -> None:
    share(two)
    two.warehouse().delete_cluster(two.caller, gone)
    assert described(two) == []
    assert two.warehouse().describe_clusters(two.caller) != []


def test_it_is_lost_with_its_producers_root_and_back_with_it(two: World) -> None:
    share(two)
    key = str(two.key("k1").key_arn)
    two.keys().disable_key(two.caller, key)
    with pytest.raises(DisabledException, match="Cluster sales is inaccessible-kms-key"):
        ask(two)
    assert [one.status for one in described(two)] == ["UNAVAILABLE"]
    assert ask(two, "SELECT count(*) FROM flights") == [(1,)]  # its own tables are there
    two.keys().enable_key(two.caller, key)
    assert ask(two) == ANSWER
    assert [one.status for one in described(two)] == ["ACTIVE"]


def test_a_consumer_whose_own_root_is_lost_asks_nothing(two: World) -> None:
    share(two)
    two.keys().disable_key(two.caller, str(two.key("k2").key_arn))
    with pytest.raises(DisabledException, match="Cluster shop is inaccessible-kms-key"):
        ask(two)
    assert [one.status for one in described(two)] == ["UNAVAILABLE"]


FORGERIES = {
    "another table": "UPDATE data_share_table SET data_table = (SELECT uid FROM data_table WHERE name = 'crews')",
    "a table beside": """INSERT INTO data_share_table (share, data_table, proof) SELECT share,
        (SELECT uid FROM data_table WHERE name = 'crews'), proof FROM data_share_table""",
    "another consumer": "UPDATE data_share SET consumer = (SELECT uid FROM cluster WHERE name = 'thief')",
    "another name": "UPDATE data_share SET name = 'thefts'",
    "no proof": "UPDATE data_share_table SET proof = NULL",
    "a proof of something else": "UPDATE data_share_table SET proof = randomblob(32)",
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_row_shares_nothing(two: World, forgery: str) -> None:
    share(two)
    two.create(two.key("k3"), "thief", "thief")
    two.reopen()
    with closing(sqlite3.connect(two.folder() / "catalogue.db")) as catalogue, catalogue:
        catalogue.execute("PRAGMA foreign_keys = ON")
        catalogue.execute(forgery)
    for _ in range(2):
        for who in ("shop", "thief"):
            for table in ("trips.crews", "thefts.flights", "trips.flights"):
                is_honest = forgery == FORGERIES["a table beside"] and (who, table) == ("shop", "trips.flights")
                if is_honest:
                    assert ask(two) == ANSWER
                    continue
                with pytest.raises((DamagedStore, ValidationException)):
                    two.select(f"SELECT count(*) FROM {table}", who)  # noqa: S608  # of three
        CHANGES["rotated"](two)  # nor does a rotation bless it


def test_a_table_that_was_given_the_name_of_another_is_not_shared(two: World) -> None:
    two.reopen()
    with closing(sqlite3.connect(two.folder() / "catalogue.db")) as catalogue, catalogue:
        for old, new in (("crews", "x"), ("flights", "crews"), ("x", "flights")):
            catalogue.execute(
                """UPDATE data_table SET name = ? WHERE name = ?
                   AND cluster = (SELECT uid FROM cluster WHERE name = 'sales')""",
                (new, old),
            )
    with pytest.raises(DamagedStore):
        share(two, ["crews"])
    assert described(two) == []
