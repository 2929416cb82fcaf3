"""``serve credentials make|list|revoke``: a secret is printed once, and by nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.cli import main
from reconciler.views.schemas import load_schema

APP = "arn:aws:iam::111122223333:role/app"


class Run:
    """The command in a folder, and what it printed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._capsys = folder, capsys
        self.err = ""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        found = main(["-C", str(self._folder), "--home", "home", "serve", "credentials", *arguments])
        out, self.err = self._capsys.readouterr()
        assert found == code, self.err
        return out

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--format", "json"))


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(tmp_path, capsys)


def test_what_is_made_is_printed_as_the_variables_of_an_sdk(run: Run) -> None:
    lines = dict(line.split("=", 1) for line in run("make", "--principal", APP).splitlines())
    assert set(lines) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    lines = dict(line.split("=", 1) for line in run("make", "--principal", APP, "--expires", "8h").splitlines())
    assert set(lines) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}


def test_a_list_shows_all_but_the_secrets(run: Run, tmp_path: Path) -> None:
    assert run("list") == "There is no access key.\n"
    assert not (tmp_path / "home").exists(), "a look makes nothing"
    made = run.json("make", "--principal", APP, "--tag", "team=orders", "--tag", "x=", "--administrator")
    Draft202012Validator(load_schema("credentials-made")).validate(made)
    listed = run.json("list")
    Draft202012Validator(load_schema("credentials-list")).validate(listed)
    (shown,) = listed["credentials"]
    assert shown == {key: made[key] for key in shown}
    assert (shown["principal"], shown["tags"], shown["administrator"]) == (APP, {"team": "orders", "x": ""}, True)
    text = run("list")
    assert text == f"{made['accessKeyId']}  {APP}  (team=orders, x=, administrator)\n"
    assert made["secretAccessKey"] not in json.dumps(listed) + text


def test_the_home_is_private_and_sealed_from_its_first_access_key_on(run: Run, tmp_path: Path) -> None:
    made = run.json("make", "--principal", APP)
    home = tmp_path / "home"
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "seal.key").exists()
    for path in home.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0
        if path.is_file():
            assert made["secretAccessKey"].encode() not in path.read_bytes()
    assert main(["-C", str(tmp_path), "--home", "home", "init"]) == 0, "init goes on with that seal"


def test_a_revoked_one_is_listed_no_more(run: Run) -> None:
    made = run.json("make", "--principal", APP)
    assert run("revoke", made["accessKeyId"]) == f"{made['accessKeyId']} is revoked.\n"
    assert run.json("list")["credentials"] == []
    run("revoke", made["accessKeyId"], code=1)
    assert "There is no access key" in run.err


def test_one_that_does_not_open_is_told_of_and_the_others_are_listed(run: Run, tmp_path: Path) -> None:
    good, bad = run.json("make", "--principal", APP), run.json("make", "--principal", APP)
    (tmp_path / "home" / "credentials" / bad["accessKeyId"]).write_bytes(b"x" * 200)
    out = run("list", code=1)
    assert good["accessKeyId"] in out
    assert "damaged" in run.err and f"credentials revoke {bad['accessKeyId']}" in run.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--principal", "app"], "not the ARN of a principal"),
        (["--principal", "arn:aws:iam::111122223333:user/*"], "not the ARN of a principal"),
        (["--principal", APP, "--tag", "team"], "is no tag"),
        (["--principal", APP, "--tag", "a=1", "--tag", "a=2"], "is no tag"),
        (["--principal", APP, "--expires", "soon"], "is no duration"),
        ([], "--principal"),
    ],
)
def test_make_refuses(arguments: list[str], words: str, run: Run, tmp_path: Path) -> None:
    run("make", *arguments, code=1)
    assert words in run.err
    assert not (tmp_path / "home").exists()


def test_a_state_whose_seal_is_lost_gets_no_new_one(run: Run, tmp_path: Path) -> None:
    assert main(["-C", str(tmp_path), "--home", "home", "init"]) == 0
    (tmp_path / "home" / "seal.key").unlink()
    run("make", "--principal", APP, code=1)
    assert "no project seal" in run.err
