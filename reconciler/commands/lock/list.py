"""``reconciler lock list``."""

from __future__ import annotations

import sys

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.host.process import Process
from reconciler.state.liveness import liveness


@click.command("list")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@click.pass_obj
def command(flags: Globals, /, form: str) -> int:
    """Print who holds the lock on the state: user, host, process, command, since when, and whether it lives.

    Example: reconciler lock list
    """
    with Session(flags) as session:
        found = session.reader.lock_holder()
        standing = None
        if found is not None:
            standing = liveness(found, Process.current(), session.clock.now().timestamp())
        if form == "json":
            from reconciler.views.lock_json import lock_list_document

            output.tell_json(lock_list_document(found, standing, lineage=session.reader.lineage))
        else:
            from reconciler.views.lock_text import render_lock

            output.tell(render_lock(found, standing, colour=output.has_colour(sys.stdout)))
    return 0
