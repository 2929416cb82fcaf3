"""Another name for a cluster: keys are wrapped for the new context, data stay as they are (RE5, SC3)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import AlreadyExistsException, DisabledException, InvalidClusterStateFault, ThrottlingException
from reconciler.errors import ResourceNotFoundException as Gone
from reconciler.providers.data import Root
from reconciler.testing.failing_provider import failing_provider
from reconciler.testing.watched_sqlite import watched_sqlite
from reconciler_warehouse.tests.test_crashes import (
    ANSWER,
    QUESTION,
    Death,
    copying,
    loaded,
    opened,
)
from reconciler_warehouse.tests.test_given_up import Stops
from reconciler_warehouse.tests.worlds import HERE, NONE, OWNED, THERE, World, silent
from tests.amounts import is_campaign

ROOTS: dict[str, Callable[[World], Root]] = {
    "a key of one's own": lambda world: world.key("k1"),
    "the owned key": lambda world: OWNED,
    "no encryption": lambda world: NONE,
}
NEW_ARN = f"arn:aws:redshift:{HERE}:111122223333:cluster:takings"


def rename(world: World, new: str = "takings", old: str = "sales", call: str = "rename") -> Any:
    return world.warehouse().rename_cluster(world.caller, old, new, token=call)


def contexts(world: World) -> set[str]:
    """The cluster ARNs in the encryption contexts of all grants on the key."""
    grants = world.keys().list_grants(world.caller, str(world.key("k1").key_arn))
    return {(grant.context_subset or {})["aws:redshift:arn"] for grant in grants}


@pytest.mark.parametrize("root", ROOTS.values(), ids=ROOTS.keys())
def test_the_same_rows_files_and_uid_under_another_name(root: Callable[[World], Root], world: World) -> None:
    loaded(root)(world)
    (before,), files = world.warehouse().describe_clusters(world.caller), world.data_files()
    made = rename(world)
    assert (made.name, made.arn, made.uid, made.status) == ("takings", NEW_ARN, before.uid, "available")
    assert world.warehouse().events("takings")[0].message == "Its renaming is complete"
    assert (made.root, made.dek_id, made.rotated_at) == (before.root, before.dek_id, before.rotated_at)
    assert world.data_files() == files
    assert world.select(QUESTION, name="takings") == ANSWER
    with pytest.raises(Gone):
        world.select(QUESTION)


def test_keys_are_wrapped_for_the_new_context_and_one_grant_is_left(world: World) -> None:
    loaded(ROOTS["a key of one's own"])(world)
    rename(world)
    assert contexts(world) == {NEW_ARN}
    assert not [use for use in world.warehouse().key_uses() if use.what == "cluster-key"]


def test_a_snapshot_keeps_its_name_and_arn_and_what_it_holds(world: World) -> None:
    loaded(ROOTS["a key of one's own"])(world)
    before = world.warehouse().describe_snapshots(world.caller)
    rename(world)
    assert world.warehouse().describe_snapshots(world.caller) == before
    world.warehouse().modify_encryption(world.caller, "takings", world.key("k2"), progress=silent, token="m")
    assert {one.root for one in world.warehouse().describe_snapshots(world.caller)} == {world.key("k2")}


def test_there_and_back_with_one_token_and_again(world: World) -> None:
    loaded(ROOTS["a key of one's own"])(world)
    for old, new in (("sales", "takings"), ("takings", "sales"), ("sales", "takings"), ("sales", "takings")):
        assert rename(world, new, old).name == new
    assert world.select(QUESTION, name="takings") == ANSWER
    assert contexts(world) == {NEW_ARN}


def test_no_other_cluster_is_renamed_or_renamed_over(world: World) -> None:
    world.create(NONE)
    world.create(NONE, name="takings", call="other")
    with pytest.raises(AlreadyExistsException, match="A cluster takings exists already"):
        rename(world)
    with pytest.raises(Gone):
        rename(world, old="absent")
    assert [one.name for one in world.warehouse().describe_clusters(world.caller)] == ["sales", "takings"]


def test_while_copying_is_on_it_is_refused_and_then_goes_on_under_the_new_name(world: World) -> None:
    copying(world)
    with pytest.raises(InvalidClusterStateFault, match="SC3"):
        rename(world)
    world.warehouse().disable_snapshot_copy(world.caller, "sales")
    rename(world)
    here, there = world.warehouse(), world.warehouse(THERE)
    here.enable_snapshot_copy(world.caller, "takings", there, grant="landing", retention_days=7)
    snapshot_of = here.create_snapshot(world.caller, "takings", "after", retention_days=7, token="after")
    for name in ("snap", snapshot_of.name):
        here.copy_snapshot(world.caller, name, there, progress=silent, token=f"copy-{name}")
    assert [one.name for one in there.describe_snapshots(world.caller)] == ["after", "snap"]


CALLS = [("create_grant", 0), ("encrypt", 0), ("re_encrypt", 0), ("re_encrypt", 1), ("decrypt", 3)]


@pytest.mark.parametrize(("call", "number"), CALLS)
def test_a_rename_that_changed_nothing_is_given_up_when_its_key_is_out_of_reach(
    call: str, number: int, world: World
) -> None:
    loaded(ROOTS["a key of one's own"])(world)
    world.reopen()
    stopping = opened(world.home, world.files)
    fault = Stops(call, number)
    stopping.wrap_keys = lambda inner: failing_provider(inner, fault)
    with pytest.raises(ThrottlingException):
        rename(stopping)
    stopping.reopen()
    assert world.select(QUESTION) == ANSWER
    arn = str(world.key("k1").key_arn)
    world.keys().disable_key(world.caller, arn)
    with pytest.raises(DisabledException):
        rename(world)
    world.keys().enable_key(world.caller, arn)
    rename(world)
    assert world.select(QUESTION, name="takings") == ANSWER
    assert contexts(world) == {NEW_ARN}


@pytest.mark.parametrize("root", ROOTS.values(), ids=ROOTS.keys())
def test_killed_anywhere_the_same_call_converges(root: Callable[[World], Root], quick: Path) -> None:
    files = quick / "files"
    files.mkdir()
    prepared = opened(quick / "prepared", files)
    loaded(root)(prepared)
    prepared.reopen()
    death = Death()
    with watched_sqlite(death.statement):
        counting = opened(Path(shutil.copytree(quick / "prepared", quick / "counted")), files, death)
        rename(counting)
        counting.reopen()
    for at in range(0, death.count, 1 if is_campaign() else 4):
        _killed(at, quick, files)


def _killed(at: int, quick: Path, files: Path) -> None:
    home = Path(shutil.copytree(quick / "prepared", quick / f"killed-{at}", dirs_exist_ok=True))
    death = Death(at)
    with watched_sqlite(death.statement):
        world = opened(home, files, death)
        with suppress(Exception):  # whatever a dead disk makes of it; nothing where only a record's batch was lost
            rename(world)
        world.reopen()
    assert death.came
    again = opened(home, files)
    try:
        (name,) = [one.name for one in again.warehouse().describe_clusters(again.caller)]
        assert again.select(QUESTION, name=name) == ANSWER
        for _ in range(2):
            assert rename(again).name == "takings"
            assert again.select(QUESTION, name="takings") == ANSWER
        assert not [use for use in again.warehouse().key_uses() if use.what == "cluster-key"]
        assert contexts(again) <= {NEW_ARN}
        snapshot_again = again.warehouse().create_snapshot(
            again.caller, "takings", "later", retention_days=1, token="later"
        )
        assert snapshot_again.cluster == "takings"
    finally:
        again.reopen()
    shutil.rmtree(home)
