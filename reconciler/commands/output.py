"""Where a command's words go: results to stdout, everything else to stderr (CONTRACT 4)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import click

from reconciler.errors import Diagnostic


def has_colour(stream: TextIO) -> bool:
    """Colour only on a terminal, and never when NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def tell(text: str) -> None:
    """A result, as text."""
    sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")
    sys.stdout.flush()


def tell_json(document: dict[str, Any]) -> None:
    """A result, as one JSON document."""
    from reconciler.views.json_text import render_json

    tell(render_json(document))


def explain(diagnostics: Sequence[Diagnostic], *, as_json: bool | None = None) -> None:
    """Errors and warnings, to stderr: as text; with ``--format json`` as one JSON document on a line, codes and all
    (CONTRACT 4). ``as_json`` None: as the command that runs was asked to print."""
    if not diagnostics:
        return
    if _prints_json() if as_json is None else as_json:
        from reconciler.views.diagnostics_json import diagnostics_document
        from reconciler.views.json_text import render_json_line

        remark(render_json_line(diagnostics_document(diagnostics)))
        return
    from reconciler.commands.source import read_line
    from reconciler.views.diagnostics_text import render_diagnostics

    sys.stderr.write(render_diagnostics(diagnostics, colour=has_colour(sys.stderr), source=read_line))
    sys.stderr.flush()


def _prints_json() -> bool:
    running = click.get_current_context(silent=True)
    return running is not None and running.params.get("form") == "json"


def remark(text: str) -> None:
    """A word to the person at the terminal, to stderr."""
    sys.stderr.write(text if text.endswith("\n") else text + "\n")
    sys.stderr.flush()
