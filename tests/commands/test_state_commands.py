"""``state mv``, ``state rm``, ``state history`` and ``state reseal``, through the one door that users take."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.providers.marks import Mark
from reconciler.views import schemas
from tests.command_line import Ran
from tests.commands.test_marks import copy
from tests.world import World, document, provider

MANIFESTS = provider() + document("Key", "k") + document("Key", "other") + document("Alias", "a", key="k")


Run = Callable[..., Ran]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "project")
    world.declare(MANIFESTS)
    world.apply()
    return world


@pytest.fixture
def run(world: World) -> Run:
    return world.run


def change(world: World, statement: str) -> None:
    with world.session() as session, closing(sqlite3.connect(session.settings.state_path)) as connection:
        connection.execute(statement)
        connection.commit()


def as_declared(schema: str, text: str) -> Any:
    document = json.loads(text)
    Draft202012Validator(
        json.loads((Path(schemas.__file__).parent / f"{schema}.json").read_text()),
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    ).validate(document)
    return document


# --- mv ---------------------------------------------------------------------------------------------------------------


def test_mv_renames_and_the_renamed_manifest_has_nothing_to_do(world: World, run: Run) -> None:
    said = run("state", "mv", "key/k", "key/new")
    assert (said.code, said.out) == (0, "Key/k is Key/new now; the object stays as it is.\n")
    assert "1 resource that referred to it follow: Alias/a." in said.err
    world.declare(MANIFESTS.replace("name: k}", "name: new}").replace("key: k\n", "key: new\n"))
    before = run("state", "show", "Key/new", "--format", "json").out
    world.apply()
    assert not world.plan().has_changes
    after = run("state", "show", "Key/new", "--format", "json").out
    assert json.loads(before)["resources"][0]["id"] == json.loads(after)["resources"][0]["id"], "made anew"


def test_a_dry_run_of_mv_changes_nothing(world: World, run: Run) -> None:
    before = run("show", "--format", "json").out
    said = run("state", "mv", "Key/k", "Key/new", "--dry-run")
    assert (said.code, said.out) == (
        0,
        "Alias/a would refer to Key/new.\nKey/k would be Key/new. Nothing was changed.\n",
    )
    assert run("show", "--format", "json").out == before


def test_show_of_a_resource_says_which_command_shows_it(run: Run) -> None:
    said = run("show", "key/k")
    assert (said.code, said.out) == (1, "")
    assert "reconciler state show Key/k" in said.err


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        ("Key/absent", "Key/new", "is not in the state"),
        ("Key/k", "Key/other", "is in the state already"),
        ("Key/k", "Alias/k", "a Key is no Alias"),
        ("Key/k", "Kay/k", "did you mean Key/k"),
    ],
)
def test_mv_refuses_what_cannot_be(run: Run, source: str, target: str, why: str, flags: list[str]) -> None:
    said = run("state", "mv", source, target, *flags)
    assert (said.code, said.out) == (1, "")
    assert why in said.err


def test_mv_waits_for_nobody_unless_told(world: World, run: Run) -> None:
    with world.session() as session:
        session.store.acquire("apply", timeout=0)
        assert run("state", "mv", "Key/k", "Key/new").code == 6
        session.store.release()


# --- history ----------------------------------------------------------------------------------------------------------


def test_history_tells_of_steps_runs_and_what_was_forgotten(world: World, run: Run) -> None:
    run("state", "rm", "Alias/a")
    said = run("state", "history", "--verify")
    lines = said.out.splitlines()
    assert said.code == 0
    assert "token 1  the lock is taken by" in lines[0]
    assert any("Key/k  create: create-key  done (serial " in line for line in lines)
    assert "Alias/a  forget: by state rm; the object stays" in lines[-1]
    assert "Proved to be what was written, with none missing: 2 resources," in said.err
    (only,) = [line for line in run("state", "history", "key/other").out.splitlines() if "Key/other" in line]
    assert "Key/k" not in only


def test_history_for_pipelines_is_as_its_schema_says(run: Run) -> None:
    found = as_declared("state-history", run("state", "history", "--format", "json").out)
    assert [entry["what"] for entry in found["entries"]].count("begun") == 3
    assert found["verified"] is False
    assert as_declared("state-history", run("state", "history", "--format", "json", "--verify").out)["verified"] is True


def test_verifying_finds_what_reading_does_not(world: World, run: Run) -> None:
    change(world, "UPDATE journal SET verb = 'decrypt' WHERE seq = 2")
    assert run("state", "history").code == 0
    said = run("state", "history", "--verify")
    assert (said.code, said.out) == (1, "")
    assert "entry 2 of its journal was changed" in said.err


# --- reseal -----------------------------------------------------------------------------------------------------------


def test_there_is_nothing_to_reseal_in_a_sound_state(run: Run) -> None:
    said = run("state", "reseal", "--auto-approve")
    assert (said.code, said.out) == (0, "Everything in the state is what was written; there is nothing to seal anew.\n")


def test_reseal_asks_first(world: World, run: Run) -> None:
    change(world, "UPDATE resource SET attributes = '{}' WHERE address = 'Key/k'")
    before = (world.folder / ".reconciler" / "state.db").read_bytes()
    said = run("state", "reseal")
    assert said.code == 1
    assert "the row of Key/k is not what was written" in said.err
    assert "Nobody is there to approve it; nothing was changed" in said.err
    assert (world.folder / ".reconciler" / "state.db").read_bytes() == before


def test_reseal_takes_over_what_the_provider_confirms_and_the_next_apply_settles_it(world: World, run: Run) -> None:
    change(world, "UPDATE resource SET observed = '{}', protected = 0 WHERE address = 'Key/k'")
    assert run("plan").code == 1
    said = run("state", "reseal", "--auto-approve")
    assert said.code == 0, said.err
    assert "2 resources as recorded" in said.err
    assert "Key/k: only that it is " in said.err
    assert run("state", "history", "--verify").code == 0
    assert "Key/k  unfinished: the next apply takes it up\n" in run("state", "list").out
    (kept,) = (world.folder / ".reconciler").glob("state.db.before-reseal-*")
    assert kept.stat().st_mode & 0o777 == 0o600
    world.apply()
    assert not world.plan().has_changes
    assert json.loads(run("state", "show", "Key/k", "--format", "json").out)["resources"][0]["protected"] is True


def test_a_forged_row_is_forgotten_where_no_provider_confirms_it(world: World, run: Run) -> None:
    change(world, "UPDATE resource SET attributes = '{\"id\":\"k-evil\"}' WHERE address = 'Key/k'")
    said = run("state", "reseal", "--auto-approve")
    assert "forgotten: Key/k, which no provider shows as it is recorded" in said.err
    assert "Key/k\n" not in run("state", "list").out


def test_forged_attributes_are_no_traceback(world: World, run: Run) -> None:
    change(world, "UPDATE resource SET attributes = '[1]' WHERE address = 'Key/k'")
    change(world, "UPDATE resource SET attributes = '{\"id\":7,\"arn\":[]}' WHERE address = 'Alias/a'")
    assert run("state", "reseal", "--auto-approve").code == 0
    assert run("state", "list").out == "Key/other\n"


def test_a_lost_seal_is_made_anew_and_everything_is_asked_of_the_providers(world: World, run: Run) -> None:
    (world.folder / ".reconciler" / "seal.key").unlink()
    for command in ("plan", "apply", "init"):
        said = run(command)
        assert said.code == 1
        assert "no project seal" in said.err
        assert "state reseal" in said.err
    said = run("state", "reseal", "--auto-approve")
    assert said.code == 0, said.err
    assert "the project seal is lost; a new one will be made" in said.err
    world.apply()
    assert not world.plan().has_changes
    assert run("state", "history", "--verify").code == 0


def test_an_older_copy_is_taken_over_by_breaking_the_glass(world: World, run: Run) -> None:
    put_back = copy(world)
    world.declare(MANIFESTS + document("Key", "third"))
    world.apply()
    put_back()
    said = run("plan")
    assert (said.code, "an older copy was put back" in said.err) == (1, True)
    said = run("state", "reseal", "--auto-approve")
    assert said.code == 0, said.err
    assert "an older copy was put back" in said.err
    assert run("plan").code in {0, 4}
    assert "reseal: " in run("state", "history").out


def test_a_truncated_journal_is_resealed_without_what_was_open(world: World, run: Run) -> None:
    change(world, "DELETE FROM journal WHERE seq > 3")
    said = run("apply", "--auto-approve")
    assert (said.code, "journal is truncated" in said.err) == (1, True)
    said = run("state", "reseal", "--auto-approve")
    assert "3 resources as recorded" in said.err
    assert "forgotten: the journal" in said.err
    assert run("apply", "--auto-approve").code == 0


@pytest.mark.parametrize("table", ["meta", "lease"])
def test_a_state_without_its_first_row_is_sealed_anew_as_well(world: World, run: Run, table: str) -> None:
    change(world, f"DELETE FROM {table}")  # noqa: S608  # from the line above
    assert run("plan").code == 1
    assert run("state", "reseal", "--auto-approve").code == 0
    world.apply()
    assert not world.plan().has_changes


def test_marks_are_reset_and_audited(world: World, run: Run) -> None:
    with world.session() as session:
        keeper: Any = session.provider("kms")
        lineage = session.reader.lineage
        keeper.reset_mark(lineage, Mark(token=900, serial=900))
    assert run("plan").code == 1
    assert run("state", "reseal", "--auto-approve").code == 0
    with world.session() as session:
        keeper = session.provider("kms")
        mark = keeper.mark(lineage)
        assert (mark.token, mark.serial) == (901, 901)
        assert mark.head == session.reader.position().head
    assert os.listdir(world.folder / ".reconciler")
