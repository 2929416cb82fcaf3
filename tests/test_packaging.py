"""What is installed is what is here: every package, every entry point, in a wheel and in the editable form (PS6)."""

from __future__ import annotations

import configparser
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.test_architecture import house

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """A wheel built from a copy of the sources with the build tools that are here; nothing is fetched."""
    if importlib.util.find_spec("setuptools.command.bdist_wheel") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the locked setuptools is missing: make setup brings it")
        pytest.skip("this environment's setuptools cannot build wheels: make setup brings one that can")
    copy = tmp_path_factory.mktemp("sources")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    for name in ("reconciler", "plugins"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "."],
        cwd=copy,
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=120,
    )
    (built,) = copy.glob("*.whl")
    return zipfile.Path(built)


def importable(folder: Path) -> set[str]:
    """Every module below ``folder`` as its path in a wheel, tests apart."""
    paths = (path.relative_to(folder) for path in folder.glob("reconciler*/**/*.py"))
    return {path.as_posix() for path in paths if "tests" not in path.parts}


def test_a_wheel_has_every_module_of_core_and_plugins_and_no_test(wheel: zipfile.Path) -> None:
    inside = {name for name in wheel.root.namelist() if name.endswith(".py")}

    assert inside == importable(ROOT) | importable(ROOT / "plugins")


def test_a_wheel_says_that_it_is_typed_and_brings_its_data_files(wheel: zipfile.Path) -> None:
    data = {path.relative_to(ROOT).as_posix() for path in (ROOT / "reconciler").rglob("*.json")}

    assert {"reconciler/py.typed", *data} <= set(wheel.root.namelist())


def test_a_wheel_has_the_command_and_the_plugins_as_entry_points(wheel: zipfile.Path) -> None:
    """Built-in providers take the road that anybody's take (PS4)."""
    (path,) = (name for name in wheel.root.namelist() if name.endswith(".dist-info/entry_points.txt"))
    entry_points = configparser.ConfigParser(delimiters=("=",))
    entry_points.read_string(wheel.root.read(path).decode())

    assert dict(entry_points["console_scripts"]) == PROJECT["scripts"]
    assert dict(entry_points["reconciler.providers"]) == PROJECT["entry-points"]["reconciler.providers"]


@pytest.mark.parametrize("name", PROJECT["entry-points"]["reconciler.providers"])
def test_each_entry_point_of_the_installed_package_loads(name: str) -> None:
    try:
        distribution = importlib.metadata.distribution(PROJECT["name"])
    except importlib.metadata.PackageNotFoundError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("the package is not installed here: make setup installs it")
    (entry,) = (
        entry for entry in distribution.entry_points if (entry.group, entry.name) == ("reconciler.providers", name)
    )
    assert entry.load().protocol in {"keys", "warehouse", "tables", "hsm"}


IMPORT_NAME = {"prometheus-client": "prometheus_client", "pyyaml": "yaml"}
PART_OF = {"pydantic_core": "pydantic"}


def third_party(folder: str) -> set[str]:
    """Top-level names of what the modules below ``folder`` import and neither Python nor we bring."""
    tree = house()
    ours = {module.top for module in tree}
    names = {
        name.split(".")[0]
        for module in tree
        if module.path.parts[0] == folder and not module.is_test
        for name in module.imports()
    }
    return {PART_OF.get(name, name) for name in names} - ours - set(sys.stdlib_module_names) - {"__future__"}


def declared(*groups: list[str]) -> set[str]:
    names = (re.split(r"[^\w-]", text)[0].lower() for group in groups for text in group)
    return {IMPORT_NAME.get(name, name) for name in names}


def test_the_core_imports_what_it_declares_and_declares_what_it_imports() -> None:
    extras = PROJECT["optional-dependencies"]
    found, needed = third_party("reconciler"), declared(PROJECT["dependencies"])
    assert needed <= found
    # uvicorn imports these two by itself, where it finds them.
    assert found - needed == declared(extras["serve"]) - {"httptools", "uvloop"}


def test_plugins_import_nothing_that_neither_core_nor_an_extra_brings() -> None:
    extras = PROJECT["optional-dependencies"]
    brought = declared(*(extras[name] for name in ("warehouse", "object-store", "distributed")))
    # `distributed` is made of dask; `frames` lies beside the child process that reads foreign files, run by its path.
    found = third_party("plugins") - {"dask", "frames"}
    assert found <= declared(PROJECT["dependencies"]) | brought
    assert brought <= found
