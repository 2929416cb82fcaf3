"""``plan``: exit codes, streams and JSON, through the one door that users take (CONTRACT 3 and 4)."""

from __future__ import annotations

from pathlib import Path

from reconciler.model.address import Address
from tests.commands.shop import ALIAS, Run, declare, session
from tests.world import document, provider


def test_plan_exits_0_with_changes_and_2_when_asked_for_detail(run: Run) -> None:
    assert run("plan").code == 0
    assert run("plan", "--detailed-exitcode").code == 2


def test_plan_with_nothing_to_do_exits_0(applied: Run) -> None:
    assert applied("plan", "--detailed-exitcode").code == 0


def test_plan_json_is_one_document_and_nothing_else_on_stdout(run: Run) -> None:
    document = run("plan", "--format", "json").json
    assert document["formatVersion"] == 1
    assert document["summary"]["create"] == 2
    assert [change["address"] for change in document["changes"]] == ["Key/k", "Alias/a"]
    assert document["serial"] == 0


def test_plan_markdown_is_for_a_pull_request(run: Run) -> None:
    assert "| " in run("plan", "--format", "markdown").out


def test_a_blocked_plan_exits_4_with_and_without_detail(applied: Run, folder: Path) -> None:
    declare(folder, provider() + document("Key", "k", multiRegion="true") + ALIAS)
    assert applied("plan").code == 4
    assert applied("plan", "--detailed-exitcode").code == 4


def test_a_plan_that_only_retains_exits_0(applied: Run, folder: Path) -> None:
    declare(folder, provider())
    applied("apply", "--auto-approve")
    ran = applied("plan", "--detailed-exitcode")
    assert ran.code == 0
    assert "Key/k" in ran.out


def test_plan_of_invalid_manifests_exits_1_and_tells_on_stderr(run: Run, folder: Path) -> None:
    declare(folder, provider() + document("Alias", "a", key="nowhere"))
    ran = run("plan", "--detailed-exitcode")
    assert (ran.code, ran.out) == (1, "")
    assert "nowhere" in ran.err


def test_plan_destroy_plans_the_removal(applied: Run) -> None:
    assert applied("plan", "--destroy", "--format", "json").json["summary"]["operations"] == {"delete": 1}


def test_plan_tells_of_an_interrupted_apply(applied: Run, folder: Path) -> None:
    with session(folder) as opened:
        opened.store.acquire("test", timeout=0)
        opened.store.begin(Address("Key/k"), provider="kms", step="s", verb="v", facts={}, uid="u", token="t")
        opened.store.release()
    assert "An apply was interrupted (1 unfinished: Key/k)" in applied("plan").err


def test_show_timing_speaks_on_stderr(applied: Run) -> None:
    ran = applied("plan", "--show-timing", "--format", "json")
    assert "Refreshed 2 resources" in ran.err
    assert ran.json
