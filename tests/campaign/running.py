"""The command line as a process of its own: run, killed with SIGKILL, run again."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.cli import main

LONGEST_SECONDS = 120


@dataclass
class Ended:
    """How a process ended; ``code`` is negative after a kill."""

    code: int
    out: str
    err: str

    @property
    def had_effect(self) -> bool:
        return '"step-finished"' in self.out


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """``reconciler apply``, telling its events."""
    command = [sys.executable, "-m", "reconciler", "-C", str(folder), "apply", "--auto-approve", "--format", "json"]
    return subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "RECONCILER_DEBUG": "1"},
    )


def apply(folder: Path, *arguments: str) -> Ended:
    """To its end."""
    return ended(start(folder, *arguments))


def ended(process: subprocess.Popen[str]) -> Ended:
    with process:
        out, err = process.communicate(timeout=LONGEST_SECONDS)
        return Ended(process.returncode, out, err)


def killed_apply(folder: Path, chance: random.Random, arguments: Sequence[str]) -> Ended:
    """Killed a random moment after it began, or after it began a random step; or ended before that."""
    with start(folder, *arguments) as process:
        assert process.stdout is not None
        seen: list[str] = []
        wanted = chance.choice((0, 0, 1, 1, 2, 3, 5))
        delay = chance.uniform(0, 0.5) if wanted == 0 else chance.uniform(0, 0.03)
        while wanted:
            line = process.stdout.readline()
            seen.append(line)
            if not line:
                break
            wanted -= '"step-started"' in line
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        out, err = process.communicate(timeout=LONGEST_SECONDS)
        return Ended(process.returncode, "".join(seen) + out, err)


def two_at_once(folder: Path, chance: random.Random, arguments: Sequence[str]) -> list[Ended]:
    """Two applies, the second a moment later; one of them may wait for the lock."""
    waiting = ("--lock-timeout", "60s") if chance.random() < 0.5 else ()
    first = start(folder, *arguments)
    time.sleep(chance.uniform(0, 0.3))
    second = start(folder, *arguments, *waiting)
    return [ended(first), ended(second)]


def command(folder: Path, *arguments: str) -> Ended:
    """Another command, in this process: it only reads, and is not to be killed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["-C", str(folder), *arguments])
    return Ended(code, out.getvalue(), err.getvalue())


def drift(folder: Path) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and findings."""
    said = command(folder, "drift", "--format", "json")
    assert said.code in (0, 2, 3), said.err
    found: list[dict[str, Any]] = json.loads(said.out)["findings"]
    return said.code, found
