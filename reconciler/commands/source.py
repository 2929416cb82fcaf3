"""The line of a manifest that a message is about, and where in it a field stands."""

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


def find_place(file: Path, line: int, path: str) -> tuple[int, int | None]:
    """Line and column of the field at ``path`` (``spec.plugin``) of the document that begins in ``line``; only that
    line when the file cannot be read any more."""
    from reconciler.loading.files import Source, text_of
    from reconciler.loading.inspection import inspect

    try:
        text = text_of(Source(str(file), durable.read(OsFs(), file), b""))
    except OSError:
        return line, None
    if isinstance(text, str):
        for document in inspect(text).documents:
            if document.place.line == line:
                return document.value_at(tuple(path.split(".")))
    return line, None
