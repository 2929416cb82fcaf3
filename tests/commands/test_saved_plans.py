"""Saved plans: shown as they were printed, applied once, and refused when anything moved (CONTRACT 4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.commands import saved_plan
from tests.commands.shop import ALIAS, KEY, MANIFESTS, Run, behind_our_back, declare
from tests.world import document, provider


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


def test_rows_that_are_written_meanwhile_make_no_plan_stale(run: Run, folder: Path) -> None:
    """An encryption online is approved for the cluster, not for as many bytes as it had then (RE9)."""
    providers = provider() + provider("dw", "warehouse")
    plain = document("Cluster", "c", provider="dw", encryption="{enabled: false}", tables="[{name: t, load: [t.csv]}]")
    (folder / "t.csv").write_text("a\n1\n")
    declare(folder, providers + plain)
    assert run("apply", "--auto-approve").code == 0
    declare(folder, providers + plain.replace("{enabled: false}", "{owned: true}"))
    file = str(folder / "plan.json")
    assert run("plan", "--out", file, "--format", "json").json["changes"][0]["operations"][0]["impact"]["bytes"] > 0
    assert run("sql", "-c", "c", "INSERT INTO t VALUES (2), (3)").code == 0
    ran = run("apply", file)

    assert (ran.code, ran.err) == (0, "")
    assert run("sql", "-c", "c", "--format", "csv", "SELECT sum(a) FROM t").out.split()[-1] == "6"
