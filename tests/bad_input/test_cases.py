"""Bad input: each case is a file of ``cases/`` that says what is typed and, to the letter, what the user gets.

One clear message (what, where, why, what next), the right exit code (CONTRACT 4), and nothing lost. Rewrite the
expected texts with ``--update-golden`` and read them as a user would.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.cli import COMMANDS
from reconciler.commands.state import LISTING as STATE_COMMANDS
from tests.bad_input.case_file import Case, read_case, write_case
from tests.bad_input.inventory import inventory, lost, made
from tests.bad_input.normal_text import normal
from tests.bad_input.place import Place
from tests.bad_input.running import may_mount, run_here, run_process
from tests.bad_input.worlds import make_world

CASES = [read_case(path) for path in sorted((Path(__file__).parent / "cases").rglob("*.txt"))]
NAMED = re.compile(r"(?:`|: |or |Run )reconciler ((?:state )?[a-z]+)\b")
READERS = frozenset({"validate", "plan", "drift", "show", "state", "graph", "sql", "version"})

# What only a programmer would say, and what no message may hold.
JARGON = ("Traceback", "Error(", "Exception:", "NoneType", "pydantic", "sqlite3", "reconciler.", "__", "<class", "0x7f")


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60
    assert len({case.head[0] for case in CASES}) == len(CASES), "each case has a sentence of its own"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_clear_message_and_nothing_lost(
    case: Case, request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = Place(root=tmp_path)
    with place.undo:
        make_world(case.worlds, place, tmp_path_factory.mktemp)
        for name, content in case.files.items():
            place.write(name, content)
        if place.prefix and not may_mount():
            pytest.skip("this machine lets nobody mount a file system of his own")
        before = inventory(place.kept)
        ran = (
            run_process(case.command, place)
            if case.own_process or place.prefix or place.limit
            else run_here(case.command, place)
        )
        after = inventory(place.kept)
    stdout, stderr = normal(ran.stdout, place), normal(ran.stderr, place)
    assert lost(before, after, case.may_change) == []
    # A case that says what may change is of a command that does: who finds a root key lost says so (RE8).
    if case.command and case.command[0] in READERS and "--out" not in case.command and not case.may_change:
        assert made(before, after) == [], "it only reads"
    if request.config.getoption("--update-golden"):
        write_case(case, exit_code=ran.exit_code, stdout=stdout, stderr=stderr)
        return
    assert (stderr, stdout, ran.exit_code) == (case.stderr, case.stdout, case.exit_code)


def test_every_command_that_a_message_names_is_there() -> None:
    named = {match[1] for case in CASES for match in NAMED.finditer(case.stdout + case.stderr)}
    assert {"apply", "plan", "state rm"} <= named
    assert named - {*COMMANDS, *(f"state {name}" for name in STATE_COMMANDS)} == set()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_words_are_for_people(case: Case) -> None:
    said = case.stdout + case.stderr
    assert [word for word in JARGON if word in said.replace("reconciler.yaml", "")] == []
