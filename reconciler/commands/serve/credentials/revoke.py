"""``reconciler serve credentials revoke``."""

from __future__ import annotations

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.session import Session


@click.command("revoke")
@click.argument("access_key_id", metavar="ACCESS_KEY_ID")
@click.pass_obj
def command(flags: Globals, /, access_key_id: str) -> int:
    """End an access key. Every process that serves refuses its next request; nothing brings it back.

    Example: reconciler serve credentials revoke AKIAIOSFODNN7EXAMPLE
    """
    from reconciler.commands.serve.home import kept_credentials

    with Session(flags) as session:
        kept_credentials(session).revoke(access_key_id)
    output.tell(f"{access_key_id} is revoked.")
    return 0
