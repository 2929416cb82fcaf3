"""The README names what there is, and nothing that there is not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from reconciler import cli, errors
from reconciler.planning import lockout_words
from reconciler.project import settings
from reconciler.resources import registry
from tests.test_architecture import ROWS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def section(title: str) -> str:
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert match, f"README has no section {title}"
    return match[1]


def first_column(title: str) -> list[str]:
    return re.findall(r"^\| `?([^`|]+?)`? \|", section(title), re.MULTILINE)[1:]


def test_every_kind_is_in_the_table_and_only_kinds() -> None:
    assert sorted(first_column("Kinds")) == sorted(registry.kind_names())


def test_every_plugin_is_in_the_table_and_only_plugins() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    folders = {path.parent.name.removeprefix("reconciler_") for path in (ROOT / "plugins").glob("*/__init__.py")}

    assert set(first_column("Providers")) == set(project["entry-points"]["reconciler.providers"]) == folders


def test_every_command_is_in_the_table_and_only_commands() -> None:
    assert first_column("Commands") == list(cli.COMMANDS)


def test_every_guard_is_in_the_table_and_only_guards() -> None:
    named = {
        name
        for row in re.findall(r"^\| (`.*?`) \|", section("Guards"), re.MULTILINE)
        for name in row[1:-1].split("`, `")
    }
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "reconciler").rglob("*.py"))
    written = set(re.findall(r'(?:\bguard=|\bblocked\(\s*)"([a-z-]+)"', code))

    assert named == written | {lockout_words.LOCKOUT, lockout_words.PERMISSION, lockout_words.ROOT}


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_its_page(command: str) -> None:
    name = command.replace("-", "_")
    pages = [ROOT / "reconciler" / "commands" / page for page in (name, f"{name}_")]  # import_, a word of Python's
    assert any(page.is_dir() or page.with_suffix(".py").is_file() for page in pages)


def test_every_package_is_on_the_map_in_its_row() -> None:
    rows = re.findall(r"^\| (\d+) \| `([a-z]+)` \|", section("Map"), re.MULTILINE)
    parts = {path.stem for path in (ROOT / "reconciler").iterdir() if re.fullmatch(r"[a-z]+(\.py)?", path.name)}

    assert {(int(row), name) for row, name in rows} == {
        (row, name) for row, names in enumerate(ROWS) for name in names if row
    }
    assert {name for _, name in rows} == parts - {"testing"}


def test_every_variable_is_explained_and_only_those() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "reconciler").rglob("*.py"))
    assert set(re.findall(r"^\| `(RECONCILER_[A-Z_]+)` \|", section("The project file"), re.MULTILINE)) == set(
        re.findall(r'"(RECONCILER_[A-Z_]+)"', code)
    )


def test_every_field_of_the_project_file_is_explained() -> None:
    table = re.findall(r"^\| `([a-z]+)` \|", section("The project file"), re.MULTILINE)
    assert sorted(table) == sorted(settings._TOP)


@pytest.mark.parametrize("code", range(8))
def test_every_exit_code_is_explained(code: int) -> None:
    assert str(code) in first_column("Exit codes")


def test_every_exit_code_of_an_error_is_explained() -> None:
    tree = [errors.ReconcilerError]
    for error in tree:
        tree += error.__subclasses__()
    assert {str(error.exit_code) for error in tree} <= set(first_column("Exit codes"))


def test_every_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {name.split()[1] for name in first_column("Working on it")} <= targets


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([a-z][^)#]*)\)", README))))
def test_every_link_leads_somewhere(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_dependency_has_its_decision() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.split(r"[^\w-]", text)[0] for text in [*project["dependencies"], *sum_of(project)]]
    decisions = (
        section("Decisions").lower().replace("pytest with xdist and timeout", "pytest pytest-xdist pytest-timeout")
    )
    missing = [name for name in names if name.lower() not in decisions and not name.startswith("types-")]
    assert [name for name in missing if name not in {"setuptools", "wheel"}] == []


def sum_of(project: dict[str, dict[str, list[str]]]) -> list[str]:
    return [text for extra in project["optional-dependencies"].values() for text in extra]
