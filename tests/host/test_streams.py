"""A process that leaves says all it has to say, and ends with its own exit code whatever its threads do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
LEAVING = """
import sys, threading
from reconciler.host.streams import leave
threading.Thread(target=threading.Event().wait).start()  # an engine's thread that nobody can wait for
sys.stdout.write("answer" * 1_000)
sys.stderr.write("remark")
leave({code})
"""


def left(code: int, out: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LEAVING.format(code=code)]
    if out is None:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, env=BUFFERED)
    with out.open("w") as stream:
        return subprocess.run(
            command, stdout=stream, stderr=subprocess.PIPE, text=True, timeout=20, check=False, env=BUFFERED
        )


@pytest.mark.parametrize("code", [0, 3])
def test_everything_is_said_and_the_code_is_kept(code: int) -> None:
    done = left(code)
    assert (done.returncode, done.stdout, done.stderr) == (code, "answer" * 1_000, "remark")


@pytest.mark.parametrize(("code", "told"), [(0, 1), (4, 4)])
def test_an_answer_that_cannot_be_written_is_no_success(code: int, told: int) -> None:
    done = left(code, Path("/dev/full"))
    assert (done.returncode, done.stderr) == (told, "remark")


def test_every_command_leaves_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from reconciler import __main__
    from reconciler.host import streams

    left_with: list[int] = []
    monkeypatch.setattr(streams, "leave", left_with.append)
    monkeypatch.setattr(sys, "argv", ["reconciler", "-C", str(tmp_path), "sql", "-c", "none", "SELECT 1"])
    monkeypatch.setattr("reconciler.host.core_dumps.refuse_core_dumps", lambda: None)
    __main__.main()
    assert left_with == [1]
