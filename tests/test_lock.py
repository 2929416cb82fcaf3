"""The locked environment: names, versions and hashes, and nothing about where they were fetched from."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.txt", "requirements-data.txt")

PIN = re.compile(r"([a-z0-9][a-z0-9-]*)==([0-9][0-9a-z.]*) \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
COMMENT = re.compile(r" *#( +[A-Za-z][A-Za-z0-9 ,:.'()_/-]*)?")
AN_ADDRESS = re.compile(
    r"://|\bfile:[/.]|\b(?:index|extra-index|find-links|trusted-host)\b|(?:^|[\s=])(?:/|~|\.\.?/)"
    r"|\b[a-z0-9-]+\.(?:org|com|net|io|dev|cloud|local|internal|lan)\b|\b\d+\.\d+\.\d+\.\d+:\d+",
    re.IGNORECASE,
)


def breaches(text: str) -> list[str]:
    """Lines that are no pin, hash or plain comment, or that name a place."""
    lines = [line for line in text.splitlines() if line]
    return [
        line
        for line in lines
        if AN_ADDRESS.search(line) or not (PIN.fullmatch(line) or HASH.fullmatch(line) or COMMENT.fullmatch(line))
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_pins_and_hashes_and_names_no_place(name: str) -> None:
    assert breaches((ROOT / name).read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://mirror.example/simple",
        "--extra-index-url file:///srv/simple",
        "--find-links /srv/wheels",
        "--trusted-host mirror",
        "#    pip-compile --find-links=wheels pyproject.toml",
        "# fetched from mirror.example.com",
        "    # via -r /home/somebody/project/requirements.in",
        "rich @ file:///srv/rich.whl",
        "rich>=13",
        "rich==15.0.0",
    ],
)
def test_a_line_that_names_a_place_or_pins_no_hash_is_found(line: str) -> None:
    assert breaches(f"# a comment\n{line}\n") == [line]


def locked() -> dict[str, str]:
    return {match[1]: match[2] for line in (ROOT / LOCKS[0]).read_text().splitlines() if (match := PIN.fullmatch(line))}


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    groups = [project["build-system"]["requires"], project["project"]["dependencies"], *extras]
    return [Requirement(text) for group in groups for text in group]


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_what_pyproject_asks_for_is_locked(requirement: Requirement) -> None:
    """Also what the build asks for: set-up builds without isolation, so nothing comes unhashed."""
    version = locked().get(canonicalize_name(requirement.name))
    assert version is not None, "run: make lock"
    assert requirement.specifier.contains(version), "run: make lock"


def test_each_pin_has_a_hash() -> None:
    lines = (ROOT / LOCKS[0]).read_text().splitlines()
    for line, following in pairwise(lines):
        if PIN.fullmatch(line):
            assert HASH.fullmatch(following), line
