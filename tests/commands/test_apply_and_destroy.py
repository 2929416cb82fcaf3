"""``apply`` and ``destroy``: who is asked, how each can end, and the lock (CONTRACT 3 and 4)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.errors import LimitExceededException
from tests.commands.shop import ALIAS, MANIFESTS, Run, declare, session
from tests.world import document, provider

# --- apply ------------------------------------------------------------------------------------------------------------


def test_apply_json_is_an_event_a_line_from_start_to_finish(run: Run) -> None:
    events = run("apply", "--auto-approve", "--format", "json").events
    assert events[0]["type"] == "apply-started"
    assert (events[0]["operations"], events[0]["steps"]) == (2, 2)
    assert {"type": "apply-finished", "done": 2, "failed": 0, "skipped": 0, "serial": 2}.items() <= events[-1].items()


def test_apply_asks_and_takes_only_yes_for_yes(run: Run) -> None:
    for answer in ("y\n", "YES\n", "\n", ""):
        refused = run("apply", stdin=answer, terminal=True)
        assert refused.code == 1
        assert "nothing was changed" in refused.err
    assert run("state", "list").out == ""
    assert run("apply", stdin="yes\n", terminal=True).code == 0
    assert run("state", "list").out.split() == ["Alias/a", "Key/k"]


def test_apply_without_anybody_to_ask_changes_nothing(run: Run) -> None:
    assert run("apply").code == 1
    assert run("state", "list").out == ""


def test_apply_with_nothing_to_do_needs_no_approval(applied: Run) -> None:
    assert applied("apply").code == 0


def test_a_blocked_apply_exits_4_and_changes_nothing(applied: Run, folder: Path) -> None:
    declare(folder, provider() + document("Key", "k", multiRegion="true") + ALIAS + document("Key", "new"))
    ran = applied("apply", "--auto-approve")
    assert ran.code == 4
    assert "1. " in ran.err  # the ordered way out
    assert applied("state", "list").out.split() == ["Alias/a", "Key/k"]


def test_an_apply_that_was_done_in_part_exits_7_and_the_next_ends_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise LimitExceededException("no room for another alias")

    with monkeypatch.context() as crowded:
        crowded.setattr("reconciler_softkms.operations.aliases.create_alias", full)
        ran = run("apply", "--auto-approve")
    assert ran.code == 7
    assert "1 operation done, 1 failed" in ran.err
    assert run("apply", "--auto-approve").code == 0
    assert run("plan", "--detailed-exitcode").code == 0


def test_the_second_of_two_applies_exits_6_and_names_the_first(run: Run, folder: Path) -> None:
    with session(folder) as opened:
        opened.initialise()
        opened.store.acquire("apply", timeout=0)
        ran = run("apply", "--auto-approve")
        assert ran.code == 6
        assert str(os.getpid()) in ran.err
        assert run("plan").code == 0, "plan takes no lock"
        assert run("drift").code == 0
        opened.store.release()
    assert run("apply", "--auto-approve").code == 0


def test_the_lock_is_given_back_however_an_apply_ends(applied: Run, folder: Path) -> None:
    declare(folder, provider() + document("Alias", "a", key="nowhere"))
    assert applied("apply", "--auto-approve").code == 1
    declare(folder, MANIFESTS)
    assert applied("apply", "--auto-approve").code == 0


# --- destroy ----------------------------------------------------------------------------------------------------------


def test_destroy_keeps_what_is_protected_unless_the_projects_name_is_given(applied: Run) -> None:
    kept = applied("destroy", "--auto-approve")
    assert (kept.code, "--confirm shop" in kept.err) == (0, True)
    assert applied("state", "list").out.startswith("Key/k  retained")
    assert applied("destroy", "--confirm", "another").code == 1
    assert applied("destroy", "--confirm", "shop").code == 0
    assert "leaving" in applied("state", "list").out


def test_destroy_of_a_target_leaves_the_key_that_it_rests_on(applied: Run, folder: Path) -> None:
    assert applied("destroy", "--target", "Alias/a", "--confirm", folder.name, "--auto-approve").code == 0
    assert applied("state", "list").out.split() == ["Key/k"]


def test_destroy_asks_for_the_name_on_a_terminal(applied: Run) -> None:
    assert applied("destroy", stdin="shop\nyes\n", terminal=True).code == 0
    assert "leaving" in applied("state", "list").out


def test_destroy_of_nothing_is_done_at_once(run: Run) -> None:
    assert run("destroy", "--auto-approve").code == 0
