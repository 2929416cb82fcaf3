"""``reconciler state show``."""

from __future__ import annotations

import sys

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.planning import address
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.nearest import did_you_mean


@click.command("show")
@click.argument("name", metavar="ADDR")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@click.pass_obj
def command(flags: Globals, /, name: str, form: str) -> int:
    """Print what is recorded of one resource.

    Example: reconciler state show Key/orders
    """
    with Session(flags) as session:
        wanted, reader = address(name), session.reader
        row = reader.get(wanted)
        if row is None:
            raise UsageError(
                f"{wanted} is not in the state",
                suggestion=did_you_mean(wanted, reader.heads()) or "`reconciler state list` shows what is recorded.",
            )
        if form == "json":
            from reconciler.views.state_json import state_document

            output.tell_json(state_document([row], lineage=reader.lineage, serial=reader.serial))
        else:
            from reconciler.views.state_text import render_resource

            output.tell(render_resource(row, colour=output.has_colour(sys.stdout)))
    return 0
