"""``reconciler show``: a saved plan, or the state."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reconciler.commands import output, saved_plan
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.errors import UsageError


@click.command("show")
@click.argument("planfile", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", help="How to print.")
@click.pass_obj
def command(flags: Globals, /, planfile: str | None, form: str) -> int:
    """Show a saved plan as it was made, or, without a file, everything that the state records.

    Example: reconciler show plan.json
    """
    with Session(flags) as session:
        if planfile is not None:
            saved = saved_plan.load(session, Path(planfile))
            if form == "json":
                output.tell_json(dict(saved.document))
            elif form == "markdown":
                output.tell(saved.markdown)
            else:
                output.tell(saved.text)
            return 0
        if form == "markdown":
            raise UsageError(
                "Markdown is for saved plans", suggestion="Name a plan file, or use --format text or json."
            )
        reader = session.reader
        rows = [row for row in reader.all() if session.is_wanted(row.address)]
        if form == "json":
            from reconciler.views.state_json import state_document

            output.tell_json(state_document(rows, lineage=reader.lineage, serial=reader.serial))
        else:
            from reconciler.views.state_text import render_state

            colour = output.has_colour(sys.stdout)
            output.tell(render_state(rows, lineage=reader.lineage, serial=reader.serial, colour=colour))
    return 0
