"""DataShare: tables of one cluster that another one queries (RE8)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import MissingCapability
from reconciler.model.address import Address
from reconciler.model.change import Action
from reconciler.model.recorded import Intent
from reconciler.resources.cluster.kind import KIND as CLUSTER
from reconciler.resources.data_share.kind import KIND
from reconciler.resources.data_share.spec import DataShareSpec
from tests.resources.clusters import cluster
from tests.resources.in_memory import World, shape

NAME = "bi"
ADDRESS = Address("DataShare/bi")
CREATE = "create: create-share"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    for name in ("orders", "reports", "audits"):
        made.apply(CLUSTER, name, cluster())
    return made


def share(*tables: str, **more: Any) -> DataShareSpec:
    fields = {"provider": "eu", "producer": "orders", "consumer": "reports", "tables": list(tables), **more}
    return DataShareSpec.model_validate(fields)


def test_a_share_is_made_changed_and_removed_and_each_time_there_is_nothing_left_to_do(world: World) -> None:
    assert shape(world.apply(KIND, NAME, share("a", "b"))) == [CREATE]
    assert world.eu.shares[NAME].tables == ("a", "b")
    assert shape(world.plan(KIND, NAME, share("b", "a"))) == []

    verdict = world.apply(KIND, NAME, share("a"))
    assert shape(verdict) == ["update: alter-share"]
    assert [entry.path for entry in verdict.diff] == ["spec.tables"]
    assert shape(world.plan(KIND, NAME, share("a"))) == []

    assert shape(world.apply(KIND, NAME, None)) == ["delete: delete-share"]
    assert world.eu.shares == {}


def test_between_other_clusters_it_is_another_share(world: World) -> None:
    world.apply(KIND, NAME, share("a"))
    verdict = world.apply(KIND, NAME, share("a", consumer="audits"))

    assert (verdict.action, shape(verdict)) == (Action.REPLACE, ["replace: delete-share create-share"])
    assert world.eu.shares[NAME].consumer == "audits"
    assert shape(world.plan(KIND, NAME, share("a", consumer="audits"))) == []


def test_one_that_went_with_its_producer_is_shared_again(world: World) -> None:
    world.apply(KIND, NAME, share("a"))
    world.eu.shares.clear()
    assert shape(world.apply(KIND, NAME, share("a"))) == [CREATE]
    world.eu.shares.clear()
    assert world.plan(KIND, NAME, None).action is Action.FORGET


def test_replace_makes_it_anew(world: World) -> None:
    world.apply(KIND, NAME, share("a"))
    assert KIND.replace is not None
    assert shape(KIND.replace(world.given(KIND, NAME, share("a")))) == ["replace: delete-share create-share"]


def test_a_warehouse_that_shares_nothing_is_refused_at_plan_and_has_none(world: World) -> None:
    step = world.plan(KIND, NAME, share("a")).operations[0].steps[0]
    world.providers["eu"] = object()
    assert KIND.existing is not None
    assert KIND.existing("eu", world) == []
    with pytest.raises(MissingCapability, match="share tables between clusters"):
        step.check(world)


def test_what_exists_is_found_by_its_name_and_its_arn(world: World) -> None:
    world.apply(KIND, NAME, share("a"))
    assert KIND.existing is not None
    (found,) = KIND.existing("eu", world)
    assert {name: world.rows[ADDRESS].attributes[name] for name in found.attributes} == found.attributes
    assert found.others == (world.eu.shares[NAME].arn,)


def test_an_interrupted_create_is_recognised_by_what_it_was_to_make(world: World) -> None:
    world.apply(KIND, NAME, share("a", "b"))
    facts: dict[str, Any] = {
        "share": NAME,
        "producer": {"address": "Cluster/orders", "arn": None},
        "consumer": {"address": "Cluster/reports", "arn": None},
        "tables": ["b", "a"],
    }
    begun = Intent(
        number=1,
        address=ADDRESS,
        uid="u",
        provider="eu",
        step="create-share",
        verb="create",
        token="t",
        facts=facts,
    )
    assert KIND.recover(begun, world) == world.rows[ADDRESS].attributes
    assert KIND.recover(replace(begun, facts={**facts, "tables": ["c"]}), world) is None
    assert KIND.recover(replace(begun, step="alter-share"), world) is None


def drifted(world: World, **changes: Any) -> list[tuple[str, str, str]]:
    world.apply(KIND, NAME, share("a", "b"))
    world.eu.shares[NAME] = replace(world.eu.shares[NAME], **changes)
    return [(one.drift_class, one.path, str(one.severity)) for one in world.drift(KIND, NAME)]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"tables": ("a", "b", "salaries")}, [("grant-widened", "tables", "security")]),
        ({"tables": ("a",)}, [("attribute-changed", "tables", "benign")]),
        ({"status": "UNAVAILABLE"}, [("warehouse-inaccessible", "status", "security")]),
        ({"producer": "orders-renamed"}, []),
    ],
)
def test_a_share_that_shows_more_is_graver_than_one_that_shows_less(
    world: World, changes: dict[str, Any], found: list[tuple[str, str, str]]
) -> None:
    assert drifted(world, **changes) == found


def test_a_share_that_is_gone_is_told(world: World) -> None:
    world.apply(KIND, NAME, share("a"))
    world.eu.shares.clear()
    assert [one.drift_class for one in world.drift(KIND, NAME)] == ["resource-missing"]
