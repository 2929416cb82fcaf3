"""Table: its own table key under the key that is declared, in both directions (KS1, KS2, KS5, I17, I18)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ConflictException, InvalidRequestException
from reconciler.model.address import Address
from reconciler.model.change import KNOWN_AFTER_APPLY, Action
from reconciler.model.recorded import Intent
from reconciler.providers import tables
from reconciler.resources.keyspace.kind import KIND as KEYSPACE
from reconciler.resources.keyspace.spec import KeyspaceSpec
from reconciler.resources.table.kind import KIND
from reconciler.resources.table.spec import TableSpec
from reconciler.resources.table.steps import DeleteTable, VerifyTableKey
from tests.resources.in_memory import World, shape

NAME = "bookings"
ADDRESS = Address("Table/bookings")
PLACE = ("travel", "bookings")
SWITCH = ["switch-key: switch-key verify-key"]
OWNED = {"type": "AWS_OWNED_KMS_KEY"}
SCHEMA: dict[str, Any] = {
    "columns": [
        {"name": "passenger", "type": "uuid"},
        {"name": "departs", "type": "timestamp"},
        {"name": "seat", "type": "text"},
        {"name": "gate", "type": "text"},
    ],
    "partitionKey": ["passenger"],
    "clusteringKey": [{"name": "departs", "order": "DESC"}, {"name": "gate"}],
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.key("one")
    made.key("two")
    for name in ("travel", "other"):
        made.apply(KEYSPACE, name, KeyspaceSpec(provider="tables"))
    return made


def table(**spec: Any) -> TableSpec:
    return TableSpec.model_validate({"provider": "tables", "keyspace": "travel", "schema": SCHEMA, **spec})


def under(key: Any) -> TableSpec:
    return table(encryption={"type": "CUSTOMER_MANAGED_KMS_KEY", "key": key})


def shaped(**changes: Any) -> TableSpec:
    return table(schema={**SCHEMA, **changes})


def observed(**changes: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.tables.tables[PLACE] = replace(world.tables.tables[PLACE], **changes)

    return change


@dataclass(frozen=True, kw_only=True)
class Case:
    """``before`` is applied, ``behind`` changes the world behind our back, ``after`` is planned."""

    before: TableSpec
    after: TableSpec
    expect: list[str]
    behind: Callable[[World], None] = lambda world: None


COLUMNS: list[dict[str, str]] = SCHEMA["columns"]
CASES = {
    "nothing differs: nothing to do": Case(before=under("one"), after=under("one"), expect=[]),
    "the same key by its ARN: nothing to do": Case(
        before=under("one"), after=under({"arn": "arn:aws:kms:eu-west-1:111122223333:key/one"}), expect=[]
    ),
    "the owned key by default, written out later: nothing to do": Case(
        before=table(), after=table(encryption=OWNED), expect=[]
    ),
    "another key: switch (KS2)": Case(before=under("one"), after=under("two"), expect=SWITCH),
    "from the owned key to a customer's: switch": Case(before=table(), after=under("one"), expect=SWITCH),
    "and back, written out: switch": Case(before=under("one"), after=table(encryption=OWNED), expect=SWITCH),
    "to a key that is yet to be made: switch": Case(before=table(), after=under("new"), expect=SWITCH),
    "the key is left out: no silent downgrade (I18)": Case(
        before=under("one"), after=table(), expect=["blocked: silent-downgrade"]
    ),
    "somebody put it under the owned key: switched back": Case(
        before=under("one"), behind=observed(key_arn=None), after=under("one"), expect=SWITCH
    ),
    "a switch that was interrupted is finished or taken back": Case(
        before=under("one"), behind=observed(status="UPDATING"), after=under("one"), expect=SWITCH
    ),
    "columns in another order are the same columns": Case(
        before=table(), after=shaped(columns=list(reversed(COLUMNS))), expect=[]
    ),
    "varchar is text": Case(
        before=table(),
        after=shaped(columns=[{**one, "type": one["type"].replace("text", "varchar")} for one in COLUMNS]),
        expect=[],
    ),
    "a column more": Case(
        before=table(),
        after=shaped(columns=[*COLUMNS, {"name": "fare", "type": "int"}]),
        expect=["blocked: fixed-attribute"],
    ),
    "another partition key": Case(
        before=table(),
        after=shaped(partitionKey=["seat"], clusteringKey=[{"name": "departs"}]),
        expect=["blocked: fixed-attribute"],
    ),
    "clustering columns in another order are another clustering": Case(
        before=table(),
        after=shaped(clusteringKey=[{"name": "gate"}, {"name": "departs", "order": "DESC"}]),
        expect=["blocked: fixed-attribute"],
    ),
    "another keyspace": Case(before=table(), after=table(keyspace="other"), expect=["blocked: fixed-attribute"]),
    "another name": Case(before=table(), after=table(externalName="other"), expect=["blocked: fixed-attribute"]),
    "its data are gone: it is not made again, empty (I17)": Case(
        before=table(),
        behind=lambda world: world.tables.tables.clear(),
        after=table(),
        expect=["blocked: data-missing"],
    ),
    "another table of its name stands there: left alone": Case(
        before=table(), behind=observed(uid="foreign"), after=under("one"), expect=["blocked: other-object"]
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_table_that_exists(world: World, case: Case) -> None:
    world.apply(KIND, NAME, case.before)
    case.behind(world)
    verdict = world.plan(KIND, NAME, case.after)
    assert shape(verdict) == case.expect
    assert all(block.way_out for block in verdict.blocked)
    if verdict.operations:
        world.key("new")
        world.apply(KIND, NAME, case.after)
        assert shape(world.plan(KIND, NAME, case.after)) == []


def test_a_new_table_is_under_the_owned_key_unless_it_says_otherwise(world: World) -> None:
    verdict = world.apply(KIND, NAME, table())
    assert (verdict.action, shape(verdict)) == (Action.CREATE, ["create: create-table"])
    assert world.tables.tables[PLACE].key_arn is None
    world.apply(KIND, "second", under("one"))
    made = world.tables.tables["travel", "second"]
    assert made.key_arn == "arn:aws:kms:eu-west-1:111122223333:key/one"
    assert made.schema.clustering_key == (
        tables.ClusteringColumn(name="departs", order="DESC"),
        tables.ClusteringColumn(name="gate"),
    )


def test_a_switch_rewrites_no_data_and_lets_the_old_key_go(world: World) -> None:
    world.apply(KIND, NAME, under("one"))
    verdict = world.plan(KIND, NAME, under("new"))
    (switch,) = verdict.operations
    assert switch.impact.bytes == 0
    assert switch.lets_go == (world.tables.tables[PLACE].arn,)
    (entry,) = verdict.diff
    assert (entry.before, entry.after) == ("arn:aws:kms:eu-west-1:111122223333:key/one", KNOWN_AFTER_APPLY)


def test_a_switch_that_did_not_take_is_not_called_done(world: World) -> None:
    world.apply(KIND, NAME, under("one"))
    step = VerifyTableKey(
        id="v", summary="", address=ADDRESS, provider="tables", keyspace="travel", table=NAME, key=None
    )
    with pytest.raises(InvalidRequestException, match="after its switch of key"):
        step.run(world)


def test_removing_it_drops_it_for_good(world: World) -> None:
    world.apply(KIND, NAME, under("one"))
    arn = world.tables.tables[PLACE].arn
    verdict = world.apply(KIND, NAME, None)
    assert (verdict.action, shape(verdict)) == (Action.DELETE, ["delete: delete-table"])
    assert verdict.operations[0].is_final
    assert verdict.operations[0].lets_go == (arn,)
    assert world.tables.tables == {}
    assert KIND.protected


def test_removing_what_is_gone_or_not_ours_forgets_it(world: World) -> None:
    world.apply(KIND, NAME, table())
    observed(uid="foreign")(world)
    assert world.plan(KIND, NAME, None).action is Action.FORGET
    world.tables.tables.clear()
    assert world.plan(KIND, NAME, None).action is Action.FORGET
    world.rows.clear()
    assert world.plan(KIND, NAME, None).action is Action.NOOP


def test_a_table_that_took_the_name_in_the_meantime_is_not_dropped(world: World) -> None:
    world.apply(KIND, NAME, table())
    step = DeleteTable(
        id="d", summary="", address=ADDRESS, provider="tables", keyspace="travel", table=NAME, uid="older"
    )
    with pytest.raises(ConflictException, match="left alone"):
        step.run(world)
    assert PLACE in world.tables.tables


def test_an_interrupted_create_is_recovered_by_its_token(world: World) -> None:
    world.apply(KIND, NAME, under("one"))
    token = next(token for token, place in world.tables.tokens.items() if place == PLACE)
    intent = Intent(
        number=1, address=ADDRESS, uid="u", provider="tables", step="create-table", verb="create", token=token
    )
    assert KIND.recover(intent, world) == dict(world.attributes(ADDRESS))
    assert KIND.recover(replace(intent, token="never-used"), world) is None
    assert KIND.recover(replace(intent, step="switch-key"), world) is None


DRIFT = {
    "nothing moved": (lambda world: None, []),
    "rows came: no drift": (observed(rows=5, bytes=99), []),
    "its key was replaced by the owned one": (observed(key_arn=None), ["key-replaced-by-owned"]),
    "it was put under another key": (observed(key_arn="arn:aws:kms:eu-west-1:1:key/x"), ["attribute-changed"]),
    "its key is out of reach": (observed(status="INACCESSIBLE_ENCRYPTION_CREDENTIALS"), ["warehouse-inaccessible"]),
    "another stands in its place": (observed(uid="foreign"), ["resource-missing"]),
    "it is gone": (lambda world: world.tables.tables.clear(), ["resource-missing"]),
}


@pytest.mark.parametrize(("behind", "classes"), DRIFT.values(), ids=DRIFT.keys())
def test_drift(world: World, behind: Callable[[World], None], classes: list[str]) -> None:
    world.apply(KIND, NAME, under("one"))
    behind(world)
    assert [finding.drift_class for finding in world.drift(KIND, NAME)] == classes
