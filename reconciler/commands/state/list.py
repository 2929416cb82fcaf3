"""``reconciler state list``."""

from __future__ import annotations

import sys

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.session import Session


@click.command("list")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@click.pass_obj
def command(flags: Globals, /, form: str) -> int:
    """Print the address of every recorded resource, one a line.

    Example: reconciler state list
    """
    with Session(flags) as session:
        reader = session.reader
        heads = [head for address, head in reader.heads().items() if session.is_wanted(address)]
        if form == "json":
            from reconciler.views.state_json import state_list_document

            output.tell_json(state_list_document(heads, lineage=reader.lineage, serial=reader.serial))
        else:
            from reconciler.views.state_text import render_state_list

            output.tell(render_state_list(heads, colour=output.has_colour(sys.stdout)))
    return 0
