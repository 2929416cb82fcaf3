"""The line of a manifest that a message is about."""

from __future__ import annotations

from pathlib import Path

from reconciler.host import durable
from reconciler.host.os_fs import OsFs


def read_line(file: str, line: int) -> str | None:
    """That line (counted from 1), None when it cannot be had (standard input, a file that is gone)."""
    try:
        lines = durable.read(OsFs(), Path(file)).decode(errors="replace").splitlines()
    except OSError:
        return None
    return lines[line - 1] if 0 < line <= len(lines) else None
