"""Each other command's exit codes, streams and JSON, and the flags before it (CONTRACT 3 and 4)."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from reconciler.cli import COMMANDS, hoisted
from reconciler.commands.session import Session
from tests.commands.shop import KEY, Run, behind_our_back, declare
from tests.world import document, provider

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
