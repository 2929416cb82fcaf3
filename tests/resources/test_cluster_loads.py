"""Cluster: which files are loaded into which tables, once each (RE10)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import MissingCapability, ReconcilerError
from reconciler.resources.cluster.kind import KIND
from reconciler.resources.cluster.spec import ClusterSpec
from tests.resources.clusters import ADDRESS, NAME, cluster, observed, table, with_two_keys
from tests.resources.in_memory import World, shape


@pytest.fixture
def world(tmp_path: Path) -> World:
    return with_two_keys(tmp_path)


def test_loads_that_were_interrupted_go_on_where_they_stopped(world: World) -> None:
    desired = cluster(tables=[table(world, "flights", "a", "f.csv"), table(world, "planes", "b", "p.csv")])
    verdict = world.plan(KIND, NAME, desired)
    world.carry_out(ADDRESS, desired, verdict.operations[:2])
    assert shape(world.plan(KIND, NAME, desired)) == ["load: load-planes"]


def test_a_load_whose_outcome_was_lost_does_not_double_its_rows(world: World) -> None:
    desired = cluster(tables=[table(world, "flights", "a", "f.csv")])
    world.apply(KIND, NAME, desired)
    row = world.rows[ADDRESS]
    forgotten = {name: value for name, value in row.attributes.items() if not name.startswith("loads.")}
    world.rows[ADDRESS] = replace(row, attributes=forgotten)
    assert shape(world.plan(KIND, NAME, desired)) == []
    changed = cluster(tables=[table(world, "flights", "changed", "f.csv")])
    assert shape(world.plan(KIND, NAME, changed)) == ["blocked: changed-load"]


def loaded(world: World, content: str = "a", **more: Any) -> ClusterSpec:
    return cluster(tables=[table(world, "flights", content, "f.csv", **more)])


def test_a_file_that_is_added_is_loaded_beside_the_others(world: World) -> None:
    world.apply(KIND, NAME, loaded(world))
    both = table(world, "flights", "a", "f.csv")
    both["load"] += table(world, "flights", "b", "g.csv")["load"]
    verdict = world.apply(KIND, NAME, cluster(tables=[both]))
    assert shape(verdict) == ["load: load-flights"]
    assert len(world.eu.clusters[NAME].tables[0].loads) == 2


def test_a_changed_file_is_an_error_unless_a_mode_says_what_it_means(world: World) -> None:
    world.apply(KIND, NAME, loaded(world))
    assert shape(world.plan(KIND, NAME, loaded(world, "changed"))) == ["blocked: changed-load"]


def test_mode_append_adds_a_changed_file(world: World) -> None:
    world.apply(KIND, NAME, loaded(world))
    desired = loaded(world, "changed", mode="append")
    verdict = world.apply(KIND, NAME, desired)
    assert [entry.path for entry in verdict.diff] == ["spec.tables.flights.load.f.csv"]
    assert len(world.eu.clusters[NAME].tables[0].loads) == 2
    assert shape(world.plan(KIND, NAME, desired)) == []


def test_mode_replace_puts_a_changed_file_in_the_place_of_all_rows(world: World) -> None:
    world.apply(KIND, NAME, loaded(world))
    desired = loaded(world, "changed", mode="replace")
    verdict = world.apply(KIND, NAME, desired)
    assert verdict.operations[0].is_final
    assert world.eu.clusters[NAME].tables[0].loads == (desired.tables[0].load[0].sha256,)
    assert shape(world.plan(KIND, NAME, desired)) == []


def test_a_warehouse_that_cannot_replace_rows_says_so(world: World) -> None:
    world.apply(KIND, NAME, loaded(world))
    verdict = world.plan(KIND, NAME, loaded(world, "changed", mode="replace"))
    world.providers["eu"] = world.tables
    with pytest.raises(MissingCapability, match='"eu" does not replace the rows of a table'):
        verdict.operations[0].steps[0].run(world)


def test_a_table_that_was_dropped_is_loaded_again(world: World) -> None:
    world.apply(KIND, NAME, loaded(world))
    observed(tables=())(world)
    assert shape(world.plan(KIND, NAME, loaded(world))) == ["load: load-flights"]


def test_the_backup_mark_of_a_table_stays(world: World) -> None:
    world.apply(KIND, NAME, loaded(world))
    assert shape(world.plan(KIND, NAME, loaded(world, backup=False))) == ["blocked: fixed-attribute"]


def test_a_file_that_changes_between_plan_and_load_is_noticed(world: World) -> None:
    desired = loaded(world)
    verdict = world.plan(KIND, NAME, desired)
    (world.project / "f.csv").write_text("changed")
    with pytest.raises(ReconcilerError, match=r"f\.csv changed while it was loaded"):
        world.carry_out(ADDRESS, desired, verdict.operations)
