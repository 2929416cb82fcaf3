"""``show Cluster/x``: what the warehouse says of it now, and what happened to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.world import World, document, provider

MANIFESTS = (
    provider("kms")
    + provider("dw", "warehouse")
    + document("Key", "one")
    + document(
        "Cluster",
        "sales",
        provider="dw",
        nodeType="ra3.large",
        encryption="{key: one}",
        snapshots="{every: 8h, retention: 2d}",
    )
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = World(Path(tmp_path_factory.mktemp("show")) / "project")
    made.declare(MANIFESTS)
    made.apply()
    return made


def test_people_read_status_root_schedule_and_what_happened(world: World) -> None:
    ran = world.run("show", "cluster/sales")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "Cluster/sales"
    words = dict(line.split(maxsplit=1) for line in lines[1:] if line.startswith("  "))
    assert words["status"] == "available"
    assert words["root"].startswith("arn:aws:kms:eu-west-1:111122223333:key/")
    assert words["snapshots"] == "every 8h, kept for 2d"
    assert words["escrow"].startswith("none: unrecoverable")
    assert "events, newest first:" in lines
    assert any("management:" in line for line in lines)


def test_pipelines_read_the_same_by_name(world: World) -> None:
    shown = json.loads(world.run("show", "Cluster/sales", "--format", "json").out)
    assert shown["address"] == "Cluster/sales"
    assert shown["description"]["root"] == "kms"
    assert shown["description"]["snapshots"] == {"every": "8h", "retention": "2d"}
    assert shown["description"]["change"] is None
    assert shown["events"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("Cluster/none",), "Cluster/none is not in the state"),
        (("Key/one",), "show takes the file of a saved plan, and Key/one is a resource"),
        (("Cluster/sales", "--format", "markdown"), "Markdown is for saved plans"),
    ],
)
def test_what_cannot_be_shown_is_one_error_with_a_way_on(world: World, arguments: tuple[str, ...], says: str) -> None:
    ran = world.run("show", *arguments)
    assert ran.code == 1
    assert says in ran.err
    assert "reconciler" in ran.err.split(says)[1]
