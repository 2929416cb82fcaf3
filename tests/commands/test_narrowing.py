"""``-l`` narrows every command that looks at resources (CONTRACT 2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.world import World, document, provider

MANIFESTS = (
    provider()
    + document("Key", "ours").replace("{name: ours}", "{name: ours, labels: {team: a}}")
    + document("Key", "theirs").replace("{name: theirs}", "{name: theirs, labels: {team: b}}")
    + document("Alias", "ours", key="ours").replace("{name: ours}", "{name: ours, labels: {team: a}}")
)
OURS = {"Alias/ours", "Key/ours"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "project")
    world.declare(MANIFESTS)
    world.apply()
    return world


def ask(world: World, *arguments: str) -> Any:
    ran = world.run("-l", "team=a", *arguments, "--format", "json")
    assert ran.code == 0, ran.err
    return ran.json


@pytest.mark.parametrize("command", [["show"], ["state", "list"]], ids=" ".join)
def test_what_is_recorded_is_shown_of_the_selected_alone(world: World, command: list[str]) -> None:
    assert {resource["address"] for resource in ask(world, *command)["resources"]} == OURS


def test_the_graph_is_of_the_selected_alone(world: World) -> None:
    assert {node["address"] for node in ask(world, "graph")["nodes"]} == OURS


def test_drift_looks_at_the_selected_alone(world: World) -> None:
    assert ask(world, "drift")["summary"]["checked"] == len(OURS)


def test_a_plan_is_of_the_selected_alone(world: World) -> None:
    world.declare(
        MANIFESTS.replace("provider: kms", "provider: kms\n  description: new").replace(
            "kind: Alias\nmetadata: {name: ours, labels: {team: a}}\nspec:\n  provider: kms\n  description: new",
            "kind: Alias\nmetadata: {name: ours, labels: {team: a}}\nspec:\n  provider: kms",
        )
    )

    assert [change["address"] for change in ask(world, "plan")["changes"]] == ["Key/ours"]
    assert [str(change.address) for change in world.plan().changes] == ["Key/ours", "Key/theirs"]
