"""Real servers in processes of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Served:
    """A running server. ``host`` is HOST:PORT; ``greeting`` the first line of its output."""

    process: subprocess.Popen[str]
    greeting: str
    host: str
    error_file: Path
    rest: list[str] = field(default_factory=list)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)

    @property
    def errors(self) -> str:
        return self.error_file.read_text()


@contextmanager
def serving(
    folder: Path, arguments: Sequence[str] = (), *, script: Sequence[str] = ("-m", "reconciler", "serve"), **env: str
) -> Iterator[Served]:
    """``reconciler serve`` in ``folder`` on a free port (or another ``script``), ended with the block."""
    errors = folder / f"stderr-{time.monotonic_ns()}"
    with errors.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, *script, "--listen", "127.0.0.1:0", *arguments],
            cwd=folder,
            env=environment(folder, env),
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        )
    assert process.stdout is not None
    try:
        greeting = process.stdout.readline()
        found = re.search(r"https?://(\S+)", greeting)
        assert found, f"{greeting!r} {errors.read_text()}"
        yield Served(process, greeting, found[1], errors)
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()


def environment(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RECONCILER_", "AWS_"))}
    paths = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    return kept | {"PYTHONPATH": paths, "XDG_DATA_HOME": str(folder / "data"), "HOME": str(folder)} | dict(more)
