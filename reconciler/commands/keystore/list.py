"""``reconciler keystore list``."""

from __future__ import annotations

import sys

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.keystore.keepers import keepers
from reconciler.commands.session import Session


@click.command("list")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@click.pass_obj
def command(flags: Globals, /, form: str) -> int:
    """Print what each key store is sealed by, how many keys it holds, and where it is. Opens no key.

    Example: reconciler keystore list
    """
    with Session(flags) as session:
        found = {name: provider.describe_store() for name, provider in keepers(session)}
        if form == "json":
            from reconciler.views.keystore_json import keystore_list_document

            output.tell_json(keystore_list_document(found))
        else:
            from reconciler.views.keystore_text import render_keystores

            output.tell(render_keystores(found, colour=output.has_colour(sys.stdout)))
    return 0
