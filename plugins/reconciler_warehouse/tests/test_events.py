"""What happened to a cluster is told once, newest first (TellsEvents)."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import HsmError
from reconciler.providers.warehouse import TellsEvents
from reconciler_warehouse import events
from reconciler_warehouse.tests.worlds import OWNED, World, silent


@pytest.fixture
def told(world: World) -> World:
    world.create(OWNED)
    return world


def _note(world: World, message: str, name: str = "sales") -> None:
    warehouse = world.warehouse()
    site = warehouse._site
    (found,) = warehouse.describe_clusters(world.caller, [name])
    with site.catalogue.write() as catalogue:
        events.note(catalogue, found.uid, found.name, events.MANAGEMENT, events.INFO, message, at=site.now())


def _messages(world: World, name: str = "sales", limit: int = 20) -> list[str]:
    warehouse = world.warehouse()
    assert isinstance(warehouse, TellsEvents)
    return [one.message for one in warehouse.events(name, limit=limit)]


def test_newest_first_and_no_more_than_asked_for(told: World) -> None:
    for number in range(5):
        _note(told, f"n{number}")
    assert _messages(told, limit=3) == ["n4", "n3", "n2"]
    assert _messages(told, limit=0) == []


def test_those_from_before_a_rename_are_told_under_the_new_name(told: World) -> None:
    _note(told, "before")
    told.warehouse().rename_cluster(told.caller, "sales", "shop", token="rename")
    assert "before" in _messages(told, "shop")


def test_those_of_a_cluster_that_is_gone_are_told_under_its_last_name(told: World) -> None:
    _note(told, "before")
    told.warehouse().delete_cluster(told.caller, "sales")
    assert "before" in _messages(told)


def test_a_new_cluster_of_an_old_name_has_no_past(told: World) -> None:
    _note(told, "before")
    told.warehouse().delete_cluster(told.caller, "sales")
    told.create(OWNED, call="again")
    assert "before" not in _messages(told)


def test_nothing_is_told_of_a_cluster_that_never_was(world: World) -> None:
    assert _messages(world, "nowhere") == []


def test_a_change_that_is_not_committed_is_not_told(told: World) -> None:
    site = told.warehouse()._site
    (found,) = told.warehouse().describe_clusters(told.caller)
    with pytest.raises(ZeroDivisionError), site.catalogue.write() as catalogue:
        events.note(catalogue, found.uid, "sales", events.SECURITY, events.ERROR, "never", at=site.now())
        raise ZeroDivisionError
    assert "never" not in _messages(told)


def test_what_happens_often_does_not_grow_for_ever(
    told: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(events, "KEPT", 3)
    for number in range(6):
        _note(told, f"n{number}")
    assert _messages(told) == ["n5", "n4", "n3"]


def test_an_hsm_that_cannot_be_reached_is_told_once(world: World) -> None:
    root = world.partition()
    world.create(root)
    world.hsm().away.add(str(root.partition))
    for _ in range(3):
        with pytest.raises(HsmError):
            world.load(world.file("a.csv"))
    told = [one for one in _messages(world) if "Its HSM cannot be used" in one]
    assert len(told) == 1
    world.hsm().away.clear()
    world.load(world.file("a.csv"))
    assert world.warehouse().describe_clusters(world.caller)[0].inaccessible is None


def test_what_begins_ends_or_goes_is_told(told: World) -> None:
    warehouse = told.warehouse()
    warehouse.create_snapshot(told.caller, "sales", "snap", retention_days=None, token="snap")
    warehouse.rotate_encryption_key(told.caller, "sales", progress=silent, token="rotate")
    warehouse.modify_encryption(told.caller, "sales", told.key("k2"), progress=silent, token="switch")
    for _ in range(2):
        warehouse.resize_cluster(told.caller, "sales", node_type="ra3.large", nodes=4)
    warehouse.delete_cluster(told.caller, "sales")
    messages = _messages(told, limit=100)
    for text in (
        "It has 4 × ra3.large now",
        "The rotation of its keys began",
        "The rotation of its keys is complete",
        "Its move to another root key began",
        "Its move to another root key is complete",
        "the keys of 1 of them can no longer be rotated (RO3)",
    ):
        assert len([one for one in messages if text in one]) == 1, text
