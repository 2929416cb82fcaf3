"""With ``--format json`` errors and warnings are documents on stderr, each problem with its code (CONTRACT 4)."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.world import World, document, provider

SCHEMA = json.loads(files("reconciler.views.schemas").joinpath("diagnostics.json").read_text())
MANIFESTS = provider() + document("Key", "orders") + document("Alias", "orders", key="orders")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(Path(tmp_path_factory.mktemp("json")) / "project")
    world.declare(MANIFESTS)
    world.apply()
    return world


def told(err: str) -> list[dict[str, Any]]:
    (line,) = err.splitlines()
    document = json.loads(line)
    jsonschema.validate(document, SCHEMA)
    return list(document["diagnostics"])


FAILING = {
    "nothing of that name": (["plan", "--target", "key/order"], 1, "usage"),
    "a flag that there is not": (["drift", "--formatt", "x"], 1, "usage"),
    "a plan that is none": (["apply", "reconciler.yaml"], 5, "stale-plan"),
    "manifests that are not there": (["plan", "-f", "nowhere.yaml"], 1, "unreadable"),
    "nobody to approve": (["apply", "--refresh-only", "--destroy"], 1, "usage"),
    "a key that names none": (["blast-radius", "alias/nowhere"], 1, "usage"),
}


@pytest.mark.parametrize("flag", [["--format", "json"], ["--format=json"]], ids=" ".join)
@pytest.mark.parametrize("case", FAILING)
def test_what_fails_says_its_code(world: World, case: str, flag: list[str]) -> None:
    arguments, exit_code, name = FAILING[case]
    code, out, err = world.run(*arguments, *flag)
    assert (code, out) == (exit_code, "")
    assert {problem["code"] for problem in told(err)} == {name}


def test_what_a_guard_refuses_has_the_guard_as_its_code_and_the_way_out(world: World) -> None:
    code, out, err = world.run("apply", "--replace", "key/orders", "--auto-approve", "--format", "json")
    assert (code, out) == (4, "")
    (problem,) = told(err)
    assert (problem["code"], problem["address"]) == ("replace-of-data", "Key/orders")
    assert problem["suggestion"].startswith("1. Declare a second Key")


def test_warnings_beside_a_result_are_documents_too(world: World) -> None:
    code, out, err = world.run("plan", "-l", "team=nobody", "--format", "json")
    assert code == 0
    assert json.loads(out)["changes"] == []
    (warning,) = told(err)
    assert (warning["code"], warning["severity"]) == ("nothing-selected", "warning")


def test_as_text_they_are_for_people(world: World) -> None:
    _, _, err = world.run("plan", "--target", "key/order")
    assert err.startswith("Error: Key/order is neither declared")
