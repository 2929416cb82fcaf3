"""``reconciler workers init``."""

from __future__ import annotations

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.providers.typed import running_workers


@click.command("init")
@click.argument("provider")
@click.option("--days", type=click.IntRange(1, 3650), default=365, help="How long they are valid.")
@click.pass_obj
def command(flags: Globals, /, provider: str, days: int) -> int:
    """Make the folder that PROVIDER's config names: an authority for this one group, and a member's key pair (0600).

    The authority's private key is dropped: to let somebody out, or when they end, remove the folder and make another.

    Example: reconciler workers init dwh-eu
    """
    with Session(flags) as session:
        made = running_workers(session, provider).make_certificates(valid_days=days)
    output.tell(f"{made.folder}: certificates of a scheduler, its workers and commands, until {made.until:%Y-%m-%d}")
    return 0
