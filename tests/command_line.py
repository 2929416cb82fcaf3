"""The command line in process, as a user's terminal or pipeline would see it."""

from __future__ import annotations

import gc
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.cli import main


class Ran(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The document that it printed."""
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that it printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


class _Typed(io.TextIOWrapper):
    """What stands on standard input, typed at a terminal or not."""

    is_terminal = False

    def isatty(self) -> bool:
        return self.is_terminal


def run(folder: Path, *arguments: str, stdin: str = "", terminal: bool = False) -> Ran:
    """Run a command in that folder. ``terminal``: ``stdin`` is typed at one."""
    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = typed = _Typed(io.BytesIO(stdin.encode()))
    typed.is_terminal = terminal
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main(["-C", str(folder), *arguments])
    finally:
        sys.stdin = before
        gc.enable()  # a command ends its process, so main turned the collector off
    return Ran(code, out.getvalue(), err.getvalue())
