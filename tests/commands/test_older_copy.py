"""An older copy of a whole warehouse, catalogue and key ring together, is authentic: only the state tells (I16)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from reconciler.providers.warehouse import ExecutesStatements
from tests.command_line import Ran
from tests.commands.drifting import hands
from tests.commands.shop import Run
from tests.world import World, document, provider

MANIFESTS = (
    provider()
    + provider("dwh", plugin="warehouse")
    + document("Key", "data")
    + document("Cluster", "sales", provider="dwh", nodeType="ra3.large", nodes=1, encryption="{key: data}")
    + document("Cluster", "plain", provider="dwh", nodeType="ra3.large", nodes=1, encryption="{enabled: false}")
)
CLUSTERS = ("sales", "plain")
FOUND = [(f"Cluster/{name}", "manifest-rolled-back") for name in sorted(CLUSTERS)]


def said(ran: Ran, code: int) -> str:
    assert ran.code == code, ran.out + ran.err
    return ran.out + ran.err


class Copies:
    """Copies of the warehouse's folder, to be put back."""

    def __init__(self, folder: Path) -> None:
        self._home = folder / ".reconciler" / "warehouse"
        self._kept = folder / "kept"

    def keep(self, name: str) -> None:
        shutil.copytree(self._home, self._kept / name)

    def put_back(self, name: str) -> None:
        shutil.rmtree(self._home)
        shutil.copytree(self._kept / name, self._home)


def inserted(run: Run, value: int) -> None:
    for name in CLUSTERS:
        said(run("sql", "-c", name, f"INSERT INTO t VALUES ({value})"), 0)  # noqa: S608  # a number


@pytest.fixture(name="copies")
def older(folder: Path, run: Run) -> Copies:
    """Rows were written after the copy that stands there now, and an apply with nothing to do saw them."""
    (folder / "manifests" / "world.yaml").write_text(MANIFESTS)
    said(run("apply", "--auto-approve"), 0)
    for name in CLUSTERS:
        said(run("sql", "-c", name, "CREATE TABLE t (n int)"), 0)
    copies = Copies(folder)
    copies.keep("older")
    inserted(run, 1)
    assert "No changes" in said(run("apply", "--auto-approve"), 0)
    copies.keep("newest")
    copies.put_back("older")
    return copies


def found(run: Run) -> list[tuple[str, str]]:
    return [(one["address"], one["class"]) for one in run("drift", "--format", "json").json["findings"]]


def test_it_is_drift_and_told_until_the_newest_is_back(run: Run, copies: Copies) -> None:
    ran = run("drift", "--format", "json")
    assert ran.code == 3
    assert [(one["address"], one["class"]) for one in ran.json["findings"]] == FOUND
    assert "Put the newest folder" not in ran.json["findings"][0]["observed"]
    assert "put the newest folder of its warehouse back" in ran.json["findings"][0]["fix"]
    assert "is an older copy" in said(run("verify"), 3)
    copies.put_back("newest")
    assert found(run) == []
    said(run("verify"), 0)


def test_no_plan_changes_it(run: Run, copies: Copies, folder: Path) -> None:
    text = said(run("plan"), 4)
    assert text.count("older-copy") == len(CLUSTERS)
    assert "--refresh-only" in text
    (folder / "manifests" / "world.yaml").write_text(MANIFESTS.replace("{key: data}", "{owned: true}"))
    said(run("apply", "--auto-approve"), 4)
    without = [part for name in CLUSTERS for part in ("--exclude", f"Cluster/{name}")]
    said(run("apply", "--auto-approve", *without), 0)
    assert found(run) == FOUND, "an apply of the rest does not make the older copy the truth"


@pytest.mark.parametrize(
    "arguments",
    [
        ("sql", "-c", "sales", "SELECT count(*) FROM t"),
        ("sql", "-c", "plain", "INSERT INTO t VALUES (2)"),
        ("export", "-c", "plain", "--to", "out", "--form", "parquet"),
        ("restore-table", "-c", "sales", "--snapshot", "none", "--to", "back", "t"),
    ],
    ids=" ".join,
)
def test_no_statement_goes_to_it(run: Run, copies: Copies, folder: Path, arguments: tuple[str, ...]) -> None:
    assert "is an older copy" in said(run(*arguments), 1)
    assert not (folder / "out").exists()


def test_it_is_accepted_by_name_and_the_journal_says_so(run: Run, copies: Copies) -> None:
    said(run("apply", "--refresh-only", "--auto-approve", "--target", "Cluster/plain"), 0)
    assert found(run) == [("Cluster/sales", "manifest-rolled-back")]
    said(run("apply", "--refresh-only", "--auto-approve"), 0)
    assert found(run) == []
    history = said(run("state", "history"), 0)
    for name in CLUSTERS:
        assert f"Cluster/{name}  accept: what was observed is recorded as it is" in history
    inserted(run, 2)
    said(run("apply", "--auto-approve"), 0)
    assert found(run) == []
    copies.put_back("older")
    assert found(run) == FOUND


def test_one_that_went_on_from_there_is_seen_too(run: Run, copies: Copies, folder: Path) -> None:
    """As many commits as the newest had, and others: the version is the same, the tag is not."""
    with hands(World(folder)) as somebody:
        warehouse = somebody.warehouse("dwh")
        assert isinstance(warehouse, ExecutesStatements)
        for name in CLUSTERS:
            statement = "INSERT INTO t VALUES (9)"
            warehouse.execute(somebody.who, name, statement, open_file=no_file, token=f"forked-{name}")
    ran = run("drift", "--format", "json")
    assert found(run) == FOUND
    for one in ran.json["findings"]:
        version = one["expected"].partition(" (")[0]
        assert one["observed"].startswith(f"{version} (")
        assert one["observed"] != one["expected"]


def no_file(path: str) -> NoReturn:
    pytest.fail(f"no statement here names a file, but {path} was asked for")
