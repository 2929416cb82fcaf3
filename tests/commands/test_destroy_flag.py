"""What destroying says; `apply --destroy` is `destroy` without its confirmation (CONTRACT 3, 5)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.world import World, document, provider

MANIFESTS = provider() + document("Key", "orders") + document("Alias", "orders", key="orders")


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "project")
    world.declare(MANIFESTS)
    world.apply()
    return world


def recorded(world: World) -> list[str]:
    with world.session() as session:
        return sorted(row.address for row in session.reader.all())


@pytest.mark.parametrize("command", [["destroy"], ["apply", "--destroy"]], ids=" ".join)
def test_what_is_protected_stays_and_is_not_called_undeclared(world: World, command: list[str]) -> None:
    code, out, err = world.run(*command, "--auto-approve")
    assert code == 0
    assert "= Key/orders stays: it is protected, or what stays needs it" in out
    assert "no manifest declares" not in out
    assert "Still there, protected or needed by what is: 1 resource. `reconciler destroy --confirm project`" in err
    assert recorded(world) == ["Key/orders"]


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_a_plan_to_destroy_says_what_would_stay_and_how_that_goes_too(world: World, form: str) -> None:
    code, out, err = world.run("plan", "--destroy", "--format", form)
    assert code == 0
    assert "Key/orders stays: it is protected" in out
    assert "Would stay, protected or needed by what is: 1 resource. `reconciler destroy --confirm project`" in err


def test_apply_destroy_says_its_events_as_json(world: World) -> None:
    _, out, _ = world.run("apply", "--destroy", "--auto-approve", "--format", "json")
    assert json.loads(out.splitlines()[-1])["type"] == "apply-finished"
    assert recorded(world) == ["Key/orders"]


REFUSED = {
    "a saved plan says itself whether it destroys": (
        ["apply", "p.plan", "--destroy"],
        "--destroy cannot be given with it",
    ),
    "looking only does not go with destroying": (["plan", "--destroy", "--refresh-only"], "does not go with"),
    "an outage is accepted of what there is": (["plan", "--accept-outage", "key/order"], "Did you mean Key/orders?"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_flags_that_mean_nothing_are_refused(world: World, case: str) -> None:
    arguments, said = REFUSED[case]
    code, out, err = world.run(*arguments)
    assert (code, out) == (1, "")
    assert said in err
