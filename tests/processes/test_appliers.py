"""Real processes that apply one project at once, stopped and killed at random (T7, G5).

Nothing that was acknowledged is lost, and nothing that was overtaken has an effect.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.access.caller import Caller
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.testing.quick_folder import quick_folder
from reconciler_softkms import SoftKms
from reconciler_tables import Tables
from tests.amounts import amount
from tests.counts import count
from tests.processes.project import KEYS, Change, Project

WORKERS = amount(ci=8, campaign=32)
APPLIES_EACH = amount(ci=50, campaign=320)
ROOT = Path(__file__).resolve().parents[2]
ADMIN = Caller(principal="arn:aws:iam::111122223333:role/platform", account="111122223333")
LONGEST_SECONDS = amount(ci=300, campaign=7200)


@pytest.fixture
def project() -> Iterator[Project]:
    with quick_folder() as folder:
        made = Project(folder / "project", folder / "beside")
        made.make()
        yield made


def reconciler(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reconciler", "-C", str(project.folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS)


def start(project: Project, worker: int, seed: int) -> subprocess.Popen[bytes]:
    arguments = (project.folder, project.beside, worker, APPLIES_EACH, seed)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.processes.applier", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"},
    )


def acknowledged(project: Project) -> list[Change]:
    return [Change(int(number), int(worker)) for number, worker in map(str.split, project.noted("acknowledged"))]


def test_of_appliers_that_are_stopped_overtaken_and_killed_nothing_acknowledged_is_lost(project: Project) -> None:
    assert reconciler(project, "apply", "--auto-approve").returncode == 0
    seed = random.SystemRandom().randrange(2**32)
    workers = [start(project, number, seed) for number in range(1, WORKERS + 1)]
    try:
        assert [worker.wait(timeout=LONGEST_SECONDS) for worker in workers] == [0] * WORKERS
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    done = acknowledged(project)
    lost = lost_of(project, done)
    count(
        "T7",
        applies=len(project.noted("codes")),
        acknowledged=len(done),
        kills=len(project.noted("kills")),
        stops=len(project.noted("stops")),
        locks_broken=len(project.noted("breaks")),
        refused=project.noted("codes").count("6"),
        lost=len(lost),
    )
    assert project.noted("wrong") == [], f"seed {seed}"
    assert lost == [], f"seed {seed}: acknowledged, and not there"
    assert set_back(project) == [], f"seed {seed}: an overtaken apply changed something after its successor"
    assert len(done) > len(project.noted("codes")) / 3, "most of the applies came to nothing: this shows little"
    assert project.noted("breaks")
    assert reconciler(project, "apply", "--auto-approve").returncode == 0
    planned = reconciler(project, "plan", "--detailed-exitcode", "--format", "json")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert json.loads(planned.stdout)["changes"] == []
    newest_is_there(project)


def lost_of(project: Project, done: list[Change]) -> list[str]:
    """What was acknowledged and is not in the state, or not at its provider."""
    with session(project) as looking:
        kept = {str(address) for address, head in looking.reader.heads().items() if head.identity is not None}
        described = [one.description for one in key_service(looking).list_keys(ADMIN)]
        keyspaces = {one.name for one in table_service(looking).describe_keyspaces(ADMIN)}
    number_of = {text.partition(" of ")[2]: int(text.split()[1]) for text in described if text.startswith("change ")}
    lost = [f"{one.keyspace}" for one in done if one.keyspace is not None and one.keyspace not in keyspaces]
    lost += [f"Keyspace/{one.keyspace}" for one in done if one.keyspace and f"Keyspace/{one.keyspace}" not in kept]
    lost += [f"{one.number} of {one.own_key}" for one in done if number_of[one.own_key] < one.number]
    return lost + [f"{one.number} of all" for one in done if number_of["all"] < one.number]


def set_back(project: Project) -> list[str]:
    """Changes where a lower number followed a higher one, by the key service's own records."""
    with session(project) as looking:
        events = [event for _, event in key_service(looking).audit_events()]
    newest: dict[str, int] = {}
    found = []
    for event in events:
        if event["eventName"] == "UpdateKeyDescription" and event.get("errorCode") is None:
            text = str(event["requestParameters"]["description"])
            number, whose = int(text.split()[1]), text.partition(" of ")[2]
            if number < newest.get(whose, 0):
                found.append(f"{whose}: {number} after {newest[whose]}")
            newest[whose] = max(number, newest.get(whose, 0))
    return found


def newest_is_there(project: Project) -> None:
    """What the last apply of all left: the newest number, the table under its key, every row of the state proved."""
    newest = int((project.beside / "number").read_text())
    with session(project) as looking:
        kms = key_service(looking)
        descriptions = {one.arn: one.description for one in kms.list_keys(ADMIN)}
        assert f"change {newest} of all" in descriptions.values()
        (table,) = table_service(looking).describe_tables(ADMIN, [("s", "people")])
        wanted = looking.reader.get(Address.of("Key", KEYS[newest % 2]))
        assert wanted is not None
        assert table.key_arn == wanted.attributes["arn"]
        looking.reader.check()


def session(project: Project) -> Session:
    return Session(Globals(directory=str(project.folder)))


def key_service(looking: Session) -> SoftKms:
    found = looking.provider("kms")
    assert isinstance(found, SoftKms)
    return found


def table_service(looking: Session) -> Tables:
    found = looking.provider("tb")
    assert isinstance(found, Tables)
    return found
