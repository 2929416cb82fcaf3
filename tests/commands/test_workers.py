"""``reconciler workers``: certificates, a scheduler and a worker as processes, and an apply that lets them work."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commands.drifting import cluster
from tests.commands.shop import Run, declare
from tests.world import provider

ROWS = "id,tail\n" + "".join(f"{number},N{number:05d}\n" for number in range(20_000))


@pytest.fixture
def address() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"tls://127.0.0.1:{found.getsockname()[1]}"


@contextmanager
def process(folder: Path, what: str, says: str) -> Iterator[subprocess.Popen[str]]:
    """``reconciler workers WHAT dw``, once it says that it works; asked to stop at the end."""
    command = [sys.executable, "-m", "reconciler", "-C", str(folder), "workers", what, "dw"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline().startswith(says)
            yield running
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(30) == 0


def manifests(folder: Path, address: str, encryption: str) -> None:
    (folder / "flights.csv").write_text(ROWS)
    named = f"{{scheduler: '{address}', certificates: {folder / 'certificates'}}}"
    warehouse = provider("dw", "warehouse") + f"  config: {{migration: {{distributed: {named}}}}}\n"
    loaded = "[{name: flights, load: [flights.csv]}]"
    declare(folder, provider() + warehouse + cluster("c", encryption=encryption, tables=loaded))


def test_an_apply_lets_workers_encrypt(run: Run, folder: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    manifests(folder, address, "{enabled: false}")
    assert run("apply", "--auto-approve").code == 0
    made = run("workers", "init", "dw")
    assert (made.code, made.out.split(":")[0]) == (0, str(folder / "certificates"))
    assert (folder / "certificates" / "member.key").stat().st_mode & 0o777 == 0o600
    again = run("workers", "init", "dw")
    assert (again.code, "already" in again.err) == (1, True)
    manifests(folder, address, "{owned: true}")
    monkeypatch.setattr("reconciler_warehouse.online.workers.Movement.run", lambda *_: pytest.fail("by itself"))
    with process(folder, "schedule", f"scheduling at {address}"), process(folder, "run", "working at tls://"):
        ran = run("apply", "--auto-approve")
        assert ran.code == 0, ran.err
    assert run("sql", "-c", "c", "SELECT count(*), max(tail) FROM flights", "--format", "csv").out.endswith(
        "20000,N19999\n"
    )


def test_a_provider_that_names_no_workers_says_how(run: Run, folder: Path) -> None:
    declare(folder, provider() + provider("dw", "warehouse"))
    for command in (["init"], ["schedule"], ["run"]):
        ran = run("workers", *command, "dw")
        assert (ran.code, "migration: {distributed:" in ran.err) == (1, True)
    ran = run("workers", "run", "kms")
    assert (ran.code, "does not" in ran.err or "cannot" in ran.err) == (1, True), ran.err
