"""``reconciler version``."""

from __future__ import annotations

import platform

import click

from reconciler import __version__
from reconciler.commands import output


@click.command("version")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
def command(form: str) -> int:
    """Print the version, and that of each provider plugin.

    Example: reconciler version --format json
    """
    from importlib.metadata import entry_points

    from reconciler.views.version_text import render_version, version_document

    plugins = {
        entry.name: entry.dist.version if entry.dist is not None else "?"
        for entry in entry_points(group="reconciler.providers")
    }
    python, system = platform.python_version(), platform.platform(terse=True)
    if form == "json":
        output.tell_json(version_document(__version__, python=python, platform=system, plugins=plugins))
    else:
        output.tell(render_version(__version__, python=python, platform=system, plugins=plugins))
    return 0
