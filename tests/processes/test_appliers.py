"""Real processes that apply one project at once, stopped and killed at random (T7, G5).

Nothing that was acknowledged is lost, and nothing that was overtaken has an effect.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from reconciler.access.caller import Caller
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.providers.keys import KeyState
from reconciler_softkms import SoftKms
from reconciler_tables import Tables
from tests.amounts import amount
from tests.counts import count
from tests.processes.project import KEYS, Change, Project

WORKERS = amount(ci=8, campaign=32)
APPLIES_EACH = amount(ci=50, campaign=320)
ROOT = Path(__file__).resolve().parents[2]
ADMIN = Caller(principal="arn:aws:iam::111122223333:role/platform", account="111122223333")
MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of its own inside
LONGEST_SECONDS = amount(ci=300, campaign=7200)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """In memory where there is some: processes die here, the machine does not."""
    within = MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=within) as folder:
        made = Project(Path(folder) / "project", Path(folder) / "beside")
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
        recorded = looking.reader.heads()
        kms, tables = key_service(looking), table_service(looking)
        (shared,) = [one for one in kms.list_keys(ADMIN) if one.description.startswith("change ")]
        there = {f"Alias/{one.name.removeprefix('alias/')}" for one in kms.list_aliases(ADMIN)}
        there |= {f"Grant/{one.grantee_principal.rpartition('/')[2]}" for one in kms.list_grants(ADMIN, shared.key_id)}
        there |= {f"Keyspace/{one.name.replace('_', '-')}" for one in tables.describe_keyspaces(ADMIN)}
        assert shared.state is KeyState.ENABLED
    kept = {str(address) for address, head in recorded.items() if head.identity is not None}
    newest = max((change.number for change in done), default=0)
    lost = [change.address for change in done if change.address not in kept or change.address not in there]
    return lost + [f"{shared.description}, but {newest} was acknowledged"] * (
        int(shared.description.split()[1]) < newest
    )


def set_back(project: Project) -> list[str]:
    """Changes of what everybody turns over, where a lower number followed a higher one: by the key service's own
    records."""
    with session(project) as looking:
        events = [event for _, event in key_service(looking).audit_events()]
    numbers = [
        int(event["requestParameters"]["description"].split()[1])
        for event in events
        if event["eventName"] == "UpdateKeyDescription" and event.get("errorCode") is None
    ]
    return [f"{later} after {earlier}" for earlier, later in pairwise(numbers) if later < earlier]


def newest_is_there(project: Project) -> None:
    """What the last apply of all left: the newest number, the table under its key, every row of the state proved."""
    newest = int((project.beside / "number").read_text())
    with session(project) as looking:
        kms = key_service(looking)
        descriptions = {one.arn: one.description for one in kms.list_keys(ADMIN)}
        assert f"change {newest}" in descriptions.values()
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
