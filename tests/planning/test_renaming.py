"""``spec.renamedFrom``: which renames are carried out, and what they leave (CONTRACT 1)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import InvalidManifests
from reconciler.loading.load import load
from reconciler.model.address import Address
from reconciler.model.readdress import MARK, readdressed
from reconciler.model.recorded import Recorded
from reconciler.providers.typed import caller, naming_keys
from tests.world import World, document, provider

KMS = provider()
A, B, C = Address("Key/a"), Address("Key/b"), Address("Key/c")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "project")
    made.declare(KMS + document("Key", "a", description="a") + document("Alias", "x", key="a"))
    made.apply()
    return made


def rows(world: World) -> dict[Address, Recorded]:
    reader = world.state()
    found = {row.address: row for row in reader.all()}
    reader.close()
    return found


def key(name: str, was: str | None = None, *, description: str = "a") -> str:
    return document("Key", name, description=description, **({} if was is None else {"renamedFrom": was}))


def actions(world: World, **request: Any) -> dict[str, str]:
    return {change.address: str(change.action) for change in world.plan(**request).changes}


def test_the_row_moves_with_uid_identity_and_references_of_others(world: World) -> None:
    before = rows(world)
    world.declare(KMS + key("b", "a") + document("Alias", "x", key="b"))
    world.apply()
    after = rows(world)
    assert after.keys() == {B, Address("Alias/x")}
    assert (after[B].uid, after[B].identity) == (before[A].uid, before[A].identity)
    assert MARK not in after[B].attributes
    assert after[Address("Alias/x")].references == (B,)
    assert after[Address("Alias/x")].links.startswith("Key/b=")


def test_references_follow_also_of_what_no_manifest_declares_any_more() -> None:
    alias = Address("Alias/x")
    kept = Recorded(address=alias, uid="u", provider="kms", references=(A, C), links="Key/a=1\nKey/c=?")
    (after,) = readdressed([kept], {A: B})
    assert (after.references, after.links) == ((B, C), "Key/b=1\nKey/c=?")
    assert readdressed([kept], {Address("Key/z"): B}) == [kept]


def test_a_rename_that_was_carried_out_says_nothing_any_more(world: World) -> None:
    world.declare(KMS + key("b", "a") + document("Alias", "x", key="b"))
    world.apply()
    assert not world.plan().has_changes
    world.declare(KMS + key("b", "a", description="other") + document("Alias", "x", key="b"))
    assert [[str(op.verb) for op in change.operations] for change in world.plan().changes] == [["update"]]


def test_an_old_name_that_nobody_recorded_says_nothing(world: World) -> None:
    world.declare(KMS + key("a") + document("Alias", "x", key="a") + key("b", "never"))
    assert actions(world) == {"Key/b": "create"}


def test_where_both_are_recorded_nothing_moves_and_that_is_said(world: World) -> None:
    world.declare(KMS + key("a") + document("Alias", "x", key="a") + key("b"))
    world.apply()
    world.declare(KMS + document("Alias", "x", key="b") + key("b", "a"))
    plan = world.plan()
    assert {change.address: str(change.action) for change in plan.changes} == {"Alias/x": "update", "Key/a": "retain"}
    assert ["both are recorded" in warning.summary for warning in plan.warnings] == [True]


def test_a_swap_is_made_once(world: World) -> None:
    world.declare(KMS + key("a") + document("Alias", "x", key="a") + key("b", description="b"))
    world.apply()
    before = rows(world)
    swapped = KMS + key("b", "a") + document("Alias", "x", key="b") + key("a", "b", description="b")
    world.declare(swapped)
    world.apply()
    for _ in range(2):
        after = rows(world)
        assert (after[A].identity, after[B].identity) == (before[B].identity, before[A].identity)
        assert not world.plan().has_changes
        world.declare(swapped.replace("description: b", "description: c"))
        world.apply()


def test_with_another_change_both_are_in_one_plan(world: World) -> None:
    world.declare(KMS + key("b", "a", description="other") + document("Alias", "x", key="b"))
    (change,) = world.plan().changes
    assert [str(operation.verb) for operation in change.operations] == ["rename", "update"]
    assert [entry.path for entry in change.diff] == ["metadata.name", "spec.description"]


def test_a_retained_object_is_taken_up_again_by_its_new_name(world: World) -> None:
    world.declare(KMS)
    world.apply()
    assert rows(world)[A].standing == "retained"
    world.declare(KMS + key("b", "a"))
    world.apply()
    assert rows(world)[B].standing == "managed"


NARROWED = {
    "the new name is targeted: it moves": ({"targets": (B,)}, {B}),
    "something else is targeted: it stays, and is not let go": ({"targets": (C,)}, {A, C}),
    "the new name is excluded": ({"excludes": (B,)}, {A, C}),
    "the old name is excluded": ({"excludes": (A,)}, {A, C}),
}


@pytest.mark.parametrize("case", NARROWED, ids=str)
def test_what_a_flag_leaves_out_is_neither_moved_nor_let_go(case: str, world: World) -> None:
    request, expected = NARROWED[case]
    world.declare(KMS + key("b", "a") + document("Alias", "x", key="b") + key("c", description="c"))
    world.apply(**request)
    assert {address for address in rows(world) if address.kind == "Key"} == expected
    world.apply()
    assert rows(world).keys() == {B, C, Address("Alias/x")}


def test_destroy_knows_it_by_the_name_that_it_has(world: World) -> None:
    world.declare(KMS + key("b", "a") + document("Alias", "x", key="b"))
    assert actions(world, destroy=True) == {"Alias/x": "delete", "Key/a": "retain"}


def test_killed_after_the_rows_moved_the_next_apply_settles_them(world: World) -> None:
    world.declare(KMS + key("a") + document("Alias", "x", key="a") + key("b", description="b"))
    world.apply()
    before = rows(world)
    world.declare(KMS + key("b", "a") + document("Alias", "x", key="b") + key("a", "b", description="b"))
    with world.session() as session:
        store = session.store
        store.acquire("test", timeout=0)
        store.settle(readdressed(store.all(), {A: B, B: A}))
        store.release()
    world.apply()
    after = rows(world)
    assert (after[A].identity, after[B].identity) == (before[B].identity, before[A].identity)
    assert not world.plan().has_changes


def test_an_alias_that_was_killed_between_its_names_loses_the_old_one(world: World) -> None:
    world.declare(KMS + key("a") + document("Alias", "y", key="a", renamedFrom="x"))
    moves = {Address("Alias/x"): Address("Alias/y")}
    with world.session() as session:
        store = session.store
        store.acquire("test", timeout=0)
        made = naming_keys(session, "kms").create_alias(
            caller(session, "kms"), "alias/y", str(session.attributes(A)["id"])
        )
        left = {"id": made.name, "arn": made.arn, "replaces": "alias/x"}
        moved = [
            replace(row, attributes={**row.attributes, **left}) if row.address in moves.values() else row
            for row in readdressed(store.all(), moves)
        ]
        store.settle(moved, gone=moves)
        store.release()
    assert [str(op.verb) for change in world.plan().changes for op in change.operations] == ["retire"]
    world.apply()
    assert not world.plan().has_changes
    with world.session() as session:
        found = naming_keys(session, "kms").list_aliases(caller(session, "kms"))
    assert [alias.name for alias in found] == ["alias/y"]


REFUSED = {
    "what is still declared": (key("a") + key("b", "a"), ["renamed-and-declared"]),
    "itself": (key("a", "a"), ["renamed-and-declared"]),
    "what another was, too": (key("b", "a") + key("c", "a"), ["renamed-twice"]),
    "a ring of three is none": (key("b", "a") + key("c", "b") + key("a", "c"), []),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_a_manifest_cannot_say_that_it_was(case: str, tmp_path: Path) -> None:
    text, expected = REFUSED[case]
    (tmp_path / "m.yaml").write_text(KMS + text)
    codes: list[str] = []
    try:
        load(tmp_path, ["m.yaml"])
    except InvalidManifests as error:
        codes = [problem.code for problem in error.diagnostics()]
    assert codes == expected
