"""Each command's exit codes, streams and JSON, through the one door that users take (CONTRACT 3 and 4)."""

from __future__ import annotations

import errno
import gc
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import COMMANDS, hoisted, main
from reconciler.commands import saved_plan
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.errors import LimitExceededException
from reconciler.model.address import Address
from reconciler.providers.typed import caller, key_provider
from tests.world import document, provider

KEY = document("Key", "k", description="ours")
ALIAS = document("Alias", "a", key="k")
MANIFESTS = provider() + KEY + ALIAS
UNPROTECTED = "{preventDestroy: false}"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


class Typed(io.TextIOWrapper):
    """What stands on standard input, typed at a terminal or not."""

    is_terminal = False

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("RECONCILER_HOME", "RECONCILER_PRINCIPAL", "RECONCILER_ENVIRONMENT", "RECONCILER_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    project = tmp_path / "shop"
    (project / "manifests").mkdir(parents=True)
    (project / "reconciler.yaml").write_text("home: .reconciler\n")
    (project / "manifests" / "world.yaml").write_text(MANIFESTS)
    return project


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    def command(*arguments: str, stdin: str = "", terminal: bool = False) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        typed = Typed(io.BytesIO(stdin.encode()))
        typed.is_terminal = terminal
        with monkeypatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "stdin", typed)
            code = main(["-C", str(folder), *arguments])
        return Ran(code, out.getvalue(), err.getvalue())

    yield command
    gc.enable()  # a command ends its process, so main turned the collector off


@pytest.fixture
def applied(run: Run) -> Run:
    assert run("apply", "--auto-approve").code == 0
    return run


def declare(folder: Path, text: str) -> None:
    (folder / "manifests" / "world.yaml").write_text(text)


def session(folder: Path) -> Session:
    return Session(Globals(directory=str(folder), home=str(folder / ".reconciler")))


def behind_our_back(folder: Path, change: Callable[[Any, Any, str], object]) -> None:
    """Call ``change(service, caller, key id)``."""
    with session(folder) as opened:
        key = str(opened.attributes(Address("Key/k"))["id"])
        change(key_provider(opened, "kms"), caller(opened, "kms"), key)


# --- plan -------------------------------------------------------------------------------------------------------------


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


# --- saved plans ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_show_prints_the_bytes_that_plan_printed(run: Run, folder: Path, form: str) -> None:
    file = str(folder / "plan.json")
    planned = run("plan", "--out", file, "--format", form)
    assert planned.code == 0
    assert run("show", file, "--format", form).out == planned.out


def test_a_saved_plan_is_applied_once(run: Run, folder: Path) -> None:
    file = str(folder / "plan.json")
    run("plan", "--out", file)
    assert run("show", file, "--format", "json").json["changes"][0]["address"] == "Key/k"
    assert run("apply", file).code == 0
    again = run("apply", file)
    assert again.code == 5
    assert "applied already" in again.err


@pytest.mark.parametrize(
    ("between", "says"),
    [(KEY.replace("ours", "mine") + ALIAS, "manifests"), (KEY + ALIAS + document("Key", "x"), "manifests")],
    ids=["another description", "one more key"],
)
def test_a_saved_plan_of_other_manifests_is_stale(run: Run, folder: Path, between: str, says: str) -> None:
    file = str(folder / "plan.json")
    run("plan", "--out", file)
    declare(folder, provider() + between)
    ran = run("apply", file)
    assert ran.code == 5
    assert says in ran.err


def test_a_saved_plan_of_an_earlier_state_is_stale(applied: Run, folder: Path) -> None:
    declare(folder, MANIFESTS.replace("ours", "mine"))
    file = str(folder / "plan.json")
    applied("plan", "--out", file)
    applied("apply", "--auto-approve")
    assert applied("apply", file).code == 5


def test_a_saved_plan_is_stale_when_the_world_moved(applied: Run, folder: Path) -> None:
    """Neither manifests nor state changed, and it would do something else than what was shown."""
    declare(folder, MANIFESTS.replace("ours", "mine"))
    file = str(folder / "plan.json")
    applied("plan", "--out", file)
    behind_our_back(folder, lambda service, who, key: service.disable_key(who, key))
    assert applied("apply", file).code == 5


def test_a_saved_plan_is_stale_when_the_world_moved_though_it_would_do_the_same(applied: Run, folder: Path) -> None:
    declare(folder, MANIFESTS.replace("ours", "mine"))
    file = str(folder / "plan.json")
    applied("plan", "--out", file)
    behind_our_back(folder, lambda service, who, key: service.rotate_key(who, key, token="by hand"))
    ran = applied("apply", file)
    assert ran.code == 5
    assert "the world changed" in ran.err


def test_a_saved_plan_is_stale_under_another_version_of_a_plugin(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(folder / "plan.json")
    run("plan", "--out", file)
    made_with = saved_plan.versions
    monkeypatch.setattr(saved_plan, "versions", lambda session: {**made_with(session), "softkms": "99"})
    ran = run("apply", file)
    assert ran.code == 5
    assert "softkms was" in ran.err


def test_a_plan_of_another_time_is_for_looking_ahead(run: Run, folder: Path) -> None:
    file = folder / "plan.json"
    for arguments in (("plan", "--at", "2030-01-01", "--out", str(file)), ("apply", "--at", "2030-01-01")):
        ran = run(*arguments)
        assert ran.code == 1
        assert "--at" in ran.err
    assert not file.exists()
    assert run("state", "list").out == ""


def test_a_saved_plan_carries_its_selection(run: Run, folder: Path) -> None:
    file = str(folder / "plan.json")
    run("plan", "--target", "Key/k", "--out", file)
    assert run("apply", file).code == 0
    assert run("state", "list").out.split() == ["Key/k"]


@pytest.mark.parametrize("flags", [["--target", "Key/k"], ["--refresh-only"]], ids=str)
def test_flags_beside_a_saved_plan_are_refused(run: Run, folder: Path, flags: list[str]) -> None:
    file = str(folder / "plan.json")
    run("plan", "--out", file)
    ran = run("apply", file, *flags)
    assert ran.code == 1
    assert flags[0] in ran.err


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


# --- drift ------------------------------------------------------------------------------------------------------------


def test_drift_exits_0_without_and_2_with_a_benign_finding(applied: Run, folder: Path) -> None:
    clean = applied("drift", "--format", "json")
    assert (clean.code, clean.json["findings"]) == (0, [])
    behind_our_back(folder, lambda service, who, key: service.update_key_description(who, key, "theirs"))
    found = applied("drift", "--format", "json")
    assert found.code == 2
    (finding,) = found.json["findings"]
    assert (finding["class"], finding["severity"]) == ("attribute-changed", "benign")
    assert (finding["expected"], finding["observed"]) == ("ours", "theirs")


def test_drift_that_weakens_protection_exits_3(applied: Run, folder: Path) -> None:
    behind_our_back(folder, lambda service, who, key: service.disable_key(who, key))
    assert applied("drift").code == 3
    behind_our_back(folder, lambda service, who, key: service.update_key_description(who, key, "theirs"))
    assert applied("drift").code == 3, "whatever else was found"
    assert "key-disabled" in applied("drift", "--format", "markdown").out


@pytest.mark.parametrize("command", ["plan", "drift", "validate"])
def test_a_home_that_git_would_take_along_is_warned_of(run: Run, folder: Path, command: str) -> None:
    (folder / ".git").mkdir()
    ran = run(command)
    assert ran.code == 0
    assert "lies in the git work tree" in ran.err


def test_what_is_only_retained_is_watched(applied: Run, folder: Path) -> None:
    declare(folder, provider())
    applied("apply", "--auto-approve")
    assert applied("drift").code == 0
    behind_our_back(folder, lambda service, who, key: service.disable_key(who, key))
    assert applied("drift").code == 3
    assert [one["class"] for one in applied("plan", "--format", "json").json["drift"]] == ["key-disabled"]


def test_drift_looks_only_at_what_is_named(applied: Run, folder: Path) -> None:
    behind_our_back(folder, lambda service, who, key: service.disable_key(who, key))
    assert applied("drift", "Alias/a").code == 0
    assert applied("drift", "alias/a", "key/k").code == 3


# --- state, graph, validate, show, init, version ----------------------------------------------------------------------


def test_state_list_show_and_rm(applied: Run) -> None:
    listed = applied("state", "list", "--format", "json").json
    assert [row["address"] for row in listed["resources"]] == ["Alias/a", "Key/k"]
    assert listed["serial"] == 2
    shown = applied("state", "show", "key/k", "--format", "json").json
    assert shown["resources"][0]["address"] == "Key/k"
    assert "arn:aws:kms:eu-west-1:111122223333:key/" in applied("state", "show", "Key/k").out
    removed = applied("state", "rm", "Alias/a")
    assert removed.code == 0
    assert "serial 3" in removed.err
    assert applied("state", "list").out.split() == ["Key/k"]
    assert applied("state", "rm", "Alias/a").code == 1
    forgotten = applied("plan", "--detailed-exitcode")
    assert forgotten.code == 4, "what is declared and forgotten is there, and not ours any more"
    assert "importId: alias/a" in forgotten.out


def test_show_without_a_file_shows_the_state(applied: Run) -> None:
    assert "Key/k" in applied("show").out
    assert applied("show", "--format", "json").json["serial"] == 2


def test_graph_prints_an_arrow_to_what_is_waited_for(run: Run) -> None:
    assert '"Alias/a" -> "Key/k"' in run("graph").out
    assert run("graph", "--format", "json").json["edges"] == [{"from": "Alias/a", "to": "Key/k"}]
    assert run("graph", "--format", "mermaid").out.startswith("flowchart")


def test_validate_tells_all_problems_in_one_run(run: Run, folder: Path) -> None:
    assert run("validate").out == "3 resources are valid.\n"
    declare(folder, provider() + document("Key", "k", colour="red") + document("Alias", "a", key="nowhere"))
    ran = run("validate", "--format", "json")
    assert ran.code == 1
    assert {problem["code"] for problem in ran.json["diagnostics"]} == {"unknown-field", "unknown-reference"}
    assert all(problem["file"].endswith("world.yaml") and problem["line"] for problem in ran.json["diagnostics"])


def test_init_can_be_repeated(run: Run) -> None:
    assert "made" in run("init").out
    again = run("init")
    assert again.code == 0
    assert "made" not in again.out


def test_version_names_the_plugins(run: Run) -> None:
    assert run("version", "--format", "json").json["formatVersion"] == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(run: Run, command: str) -> None:
    ran = run(command, "--help")
    assert ran.code == 0
    assert f"reconciler {command}" in ran.out
    assert "Example: reconciler" in ran.out


# --- the flags before the command -------------------------------------------------------------------------------------


def test_labels_narrow_a_command(run: Run, folder: Path) -> None:
    labelled = KEY.replace("{name: k}", "{name: k, labels: {tier: gold}}")
    declare(folder, provider() + labelled + document("Key", "other"))
    document_of = run("-l", "tier=gold", "plan", "--format", "json").json
    assert [change["address"] for change in document_of["changes"]] == ["Key/k"]
    nothing = run("-l", "tier=silver", "plan", "--detailed-exitcode")
    assert nothing.code == 0
    assert "fits no resource" in nothing.err


def test_as_names_who_calls(applied: Run) -> None:
    denied = applied("--as", "arn:aws:iam::444455556666:role/stranger", "plan")
    assert denied.code == 1
    assert "role/stranger is not authorized to perform: kms:" in denied.err


@pytest.mark.parametrize("text", ["platform", "arn:aws:iam", "a:b:c:d:e:f"])
def test_a_principal_is_an_arn(applied: Run, text: str) -> None:
    ran = applied("--as", text, "plan")
    assert ran.code == 1
    assert f'"{text}" is not the ARN of a principal' in ran.err


def test_manifests_may_stand_on_standard_input(run: Run) -> None:
    ran = run("plan", "-f", "-", "--format", "json", stdin=provider() + document("Key", "piped"))
    assert [change["address"] for change in ran.json["changes"]] == ["Key/piped"]


def test_whoever_calls_it_as_a_function_stays_where_they_were(run: Run) -> None:
    before = Path.cwd()
    run("plan")
    assert Path.cwd() == before


HOISTED = {
    "a flag after the command": (["plan", "-C", "x"], ["-C", "x", "plan"]),
    "several": (["plan", "-l", "a=b", "--out", "f", "-e", "prod"], ["-l", "a=b", "-e", "prod", "plan", "--out", "f"]),
    "with an equals sign": (["plan", "--home=/h", "--as=arn"], ["--home=/h", "--as=arn", "plan"]),
    "nothing past two dashes": (["sql", "--", "-C"], ["sql", "--", "-C"]),
    "a flag without its value": (["plan", "-C"], ["-C", "plan"]),
}


@pytest.mark.parametrize("case", HOISTED, ids=str)
def test_global_flags_may_stand_anywhere(case: str) -> None:
    given, expected = HOISTED[case]
    assert hoisted(given) == expected


def test_what_the_system_refuses_where_nobody_has_better_words_is_one_message(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Session) -> object:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "somewhere")

    monkeypatch.setattr(Session, "declared", property(fail))
    ran = run("plan")
    assert ran.code == 1
    assert "somewhere cannot be used: Input/output error" in ran.err


def test_an_unforeseen_error_is_one_message_without_its_text(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Session) -> object:
        raise ZeroDivisionError("the key is hunter2")

    monkeypatch.setattr(Session, "declared", property(fail))
    ran = run("plan")
    assert ran.code == 1
    assert "ZeroDivisionError" in ran.err
    assert "hunter2" not in ran.out + ran.err
    monkeypatch.setenv("RECONCILER_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run("plan")
