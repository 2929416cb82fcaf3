"""``reconciler workers schedule``."""

from __future__ import annotations

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.providers.typed import running_workers


@click.command("schedule")
@click.argument("provider")
@click.pass_obj
def command(flags: Globals, /, provider: str) -> int:
    """Hand work to workers, at the address that PROVIDER's config names, until Ctrl-C or SIGTERM.

    Whoever has no certificate of the group is not let in.

    Example: reconciler workers schedule dwh-eu
    """
    with Session(flags) as session:
        running_workers(session, provider).schedule(lambda address: output.tell(f"scheduling at {address}"))
    return 0
