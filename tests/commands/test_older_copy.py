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


def cluster(name: str, encryption: str, **spec: str) -> str:
    return document("Cluster", name, provider="dwh", nodeType="ra3.large", nodes=1, encryption=encryption, **spec)


PLAIN = cluster("plain", "{enabled: false}")
MANIFESTS = (
    provider() + provider("dwh", plugin="warehouse") + document("Key", "data") + cluster("sales", "{key: data}") + PLAIN
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


@pytest.mark.parametrize("more", [0, 3], ids=["as far", "further"])
def test_one_that_went_on_from_there_is_seen_too(run: Run, copies: Copies, folder: Path, more: int) -> None:
    """As many commits as the newest had, and others: the version is the same, the tag is not. Or more of them."""
    written_by_hand(folder, 1 + more)
    ran = run("drift", "--format", "json")
    assert found(run) == FOUND
    for one in ran.json["findings"]:
        version = one["expected"].partition(" (")[0]
        assert one["observed"].startswith(f"{version} (") == (not more)
        assert one["observed"].endswith("to which it came on another way") == bool(more)
        assert one["observed"] != one["expected"]
    said(run("apply", "--refresh-only", "--auto-approve"), 0)
    assert found(run) == []


def test_nothing_that_is_due_makes_it_look_newer(run: Run, copies: Copies, folder: Path) -> None:
    """Else it would be accepted by no one: a compaction, say, brings it on to where the newest was."""
    copies.put_back("newest")
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "holes.csv").write_text("n\n" + "".join(f"{number * 7919}\n" for number in range(60_000)))
    for statement in (
        "CREATE TABLE holes (n int)",
        "COPY holes FROM 'data/holes.csv'",
        "DELETE FROM holes WHERE n > 99",
    ):
        said(run("sql", "-c", "plain", statement), 0)
    copies.keep("holes")
    said(run("sql", "-c", "plain", "DROP TABLE holes"), 0)
    said(run("apply", "--auto-approve"), 0)
    copies.put_back("holes")
    for _ in range(3):
        assert "What is due at its provider waits" in said(run("apply", "--auto-approve"), 4)
        assert found(run) == [FOUND[0]]
    assert "holes" not in said(run("plan"), 4), "nor is it said that an apply would do it"


def test_a_plan_that_did_not_look_does_not_change_it_either(run: Run, copies: Copies, folder: Path) -> None:
    """Nor does it take a snapshot of it, nor make it the truth."""
    rotated = MANIFESTS.replace("{key: data}", "{key: data, rotation: {trigger: now}}")
    snapshot = document("Snapshot", "late", provider="dwh", cluster="plain")
    for text in (rotated, MANIFESTS + snapshot):
        (folder / "manifests" / "world.yaml").write_text(text)
        assert "is an older copy" in said(run("apply", "--auto-approve", "--no-refresh"), 1)
        assert found(run) == FOUND


def test_it_is_accepted_while_an_earlier_apply_is_not_settled(run: Run, copies: Copies) -> None:
    copies.put_back("newest")
    inserted(run, 3)
    said(run("apply", "--refresh-only", "--auto-approve"), 0)  # leaves the rows of the state unsettled
    copies.put_back("older")
    assert found(run) == FOUND
    said(run("apply", "--refresh-only", "--auto-approve", "--target", "Cluster/sales"), 0)
    assert found(run) == [FOUND[0]]
    said(run("sql", "-c", "sales", "SELECT count(*) FROM t"), 0)


def test_the_way_out_names_it_as_it_is_recorded(run: Run, copies: Copies, folder: Path) -> None:
    renamed = cluster("sold", "{enabled: false}", renamedFrom="plain")
    (folder / "manifests" / "world.yaml").write_text(MANIFESTS.replace(PLAIN, renamed))
    text = said(run("plan"), 4)
    assert "--refresh-only --target Cluster/plain" in text
    said(run("apply", "--refresh-only", "--auto-approve", "--target", "Cluster/plain"), 0)
    assert found(run) == [FOUND[1]]


def test_what_shares_its_tables_is_looked_at_too(run: Run, copies: Copies, folder: Path) -> None:
    copies.put_back("newest")
    share = document("DataShare", "sh", provider="dwh", producer="sales", consumer="plain", tables="[t]")
    (folder / "manifests" / "world.yaml").write_text(MANIFESTS + share)
    said(run("apply", "--auto-approve"), 0)
    copies.keep("shared")
    said(run("sql", "-c", "sales", "INSERT INTO t VALUES (7)"), 0)
    said(run("apply", "--auto-approve"), 0)
    copies.put_back("shared")
    assert found(run) == [FOUND[1]]
    assert "Cluster/sales is an older copy" in said(run("sql", "-c", "plain", "SELECT count(*) FROM sh.t"), 1)


def test_its_removal_says_that_it_is_one(run: Run, copies: Copies, folder: Path) -> None:
    text = said(run("destroy", "--auto-approve", "--confirm", folder.name), 0)
    assert text.count("is an older copy") >= len(CLUSTERS)


def written_by_hand(folder: Path, times: int) -> None:
    with hands(World(folder)) as somebody:
        warehouse = somebody.warehouse("dwh")
        assert isinstance(warehouse, ExecutesStatements)
        for name in CLUSTERS:
            for number in range(times):
                statement = f"INSERT INTO t VALUES ({number})"  # noqa: S608  # a number
                warehouse.execute(somebody.who, name, statement, open_file=no_file, token=f"{name} {number}")


def no_file(path: str) -> NoReturn:
    pytest.fail(f"no statement here names a file, but {path} was asked for")
