"""``reconciler state history``."""

from __future__ import annotations

import sys

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.planning import address
from reconciler.commands.session import Session


@click.command("history")
@click.argument("name", metavar="[ADDR]", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@click.option("--verify", "verifies", is_flag=True, help="Prove the whole journal and state first.")
@click.pass_obj
def command(flags: Globals, /, name: str | None, form: str, verifies: bool) -> int:
    """Print what was begun, how it ended, and which run did it, oldest first; of one resource or of all.

    The journal keeps about the newest 10,000 entries, and whatever is not closed.

    Example: reconciler state history Key/orders --verify
    """
    with Session(flags) as session:
        reader = session.reader
        checked = reader.check() if verifies else None
        entries = reader.history(None if name is None else address(name))
        if form == "json":
            from reconciler.views.history_json import history_document

            output.tell_json(
                history_document(entries, lineage=reader.lineage, serial=reader.serial, verified=checked is not None)
            )
        else:
            from reconciler.views.history_text import render_checked, render_history

            output.tell(render_history(entries, colour=output.has_colour(sys.stdout)))
            if checked is not None:
                output.remark(render_checked(checked))
    return 0
