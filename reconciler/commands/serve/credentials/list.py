"""``reconciler serve credentials list``."""

from __future__ import annotations

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.session import Session


@click.command("list")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@click.pass_obj
def command(flags: Globals, /, form: str) -> int:
    """Show the access keys, without their secrets.

    Example: reconciler serve credentials list --format json
    """
    from reconciler.errors import DamagedStore
    from reconciler.serving.credentials import Credential

    with Session(flags) as session:
        found: list[Credential | DamagedStore] = []
        if session.seal is not None:
            from reconciler.commands.serve.home import kept_credentials

            found = list(kept_credentials(session).listed())
    for each in found:
        if isinstance(each, DamagedStore):
            output.explain(each.diagnostics())
    readable = [each for each in found if isinstance(each, Credential)]
    if form == "json":
        from reconciler.views.credentials_json import credentials_document

        output.tell_json(credentials_document(readable))
    else:
        from reconciler.views.credentials_text import render_credentials

        output.tell(render_credentials(readable) or "There is no access key.")
    return 0 if len(readable) == len(found) else 1
