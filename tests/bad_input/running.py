"""A command line, run here (fast) or as a process of its own (certain)."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

from reconciler.cli import main
from tests.bad_input.place import Place

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What came of it."""

    exit_code: int
    stdout: str
    stderr: str


def run_here(arguments: Sequence[str], place: Place) -> Ran:
    """The command in the project. Neither standard input nor output is a terminal."""
    stdout, stderr = io.StringIO(), io.StringIO()
    stdin = io.TextIOWrapper(io.BytesIO(place.stdin))
    before = Path.cwd()
    os.chdir(place.project)
    try:
        with (
            mock.patch.dict(os.environ, _environ(place), clear=True),
            mock.patch.object(sys, "stdin", stdin),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
        ):
            code = main(arguments)
    finally:
        os.chdir(before)
        gc.enable()  # a command ends its process, so main turned the collector off
    return Ran(exit_code=code, stdout=stdout.getvalue(), stderr=stderr.getvalue())


def run_process(arguments: Sequence[str], place: Place) -> Ran:
    """The same as a process of its own. It leaves no compiled code: under a limit that would be cut off in the middle,
    and no process after it could import that."""
    done = subprocess.run(
        [*place.prefix, sys.executable, "-B", "-m", "reconciler", *arguments],
        cwd=place.project,
        env={**_environ(place), "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"},
        input=place.stdin,
        capture_output=True,
        timeout=60,
        check=False,
        preexec_fn=place.limit,  # no thread of ours runs meanwhile
    )
    return Ran(exit_code=done.returncode, stdout=done.stdout.decode(), stderr=done.stderr.decode())


@cache
def may_mount() -> bool:
    """Whether a process here can have mounts of its own: for a disk that is really full, or really read-only."""
    try:
        tried = subprocess.run(
            ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
        )
    except OSError:
        return False
    return tried.returncode == 0


def _environ(place: Place) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(place.root / "user"),
        "XDG_DATA_HOME": str(place.root / "user" / "data"),
        "XDG_CONFIG_HOME": str(place.root / "user" / "config"),
        "XDG_CACHE_HOME": str(place.root / "user" / "cache"),
        "RECONCILER_HOME": str(place.home),
        **place.environ,
    }
