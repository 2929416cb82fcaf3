"""``reconciler hsm-agent forgive``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.hsm_agent.places import PLUGIN, server_of_partitions
from reconciler.commands.session import Session
from reconciler.errors import UsageError


@click.command("forgive")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--client", metavar="SHA-256", help="Only the client whose certificate's SHA-256 begins so.")
@click.option("--plugin", metavar="NAME", default=PLUGIN, help="The plugin that serves the partition.")
@click.pass_obj
def command(flags: Globals, /, folder: Path, client: str | None, plugin: str) -> int:
    """Let an agent try PINs again that its token refused, and clients log in again that were wrong too often.

    First see that the PINs are right now: the token counts each one that is wrong, and may lock. Works while the agent
    runs.

    Example: reconciler hsm-agent forgive /etc/hsm-agent --client 5f2ab41c
    """
    if client is not None and re.fullmatch(r"[0-9a-f]{8,64}", client) is None:
        raise UsageError(
            f'"{client}" is not the beginning of a certificate\'s SHA-256',
            suggestion="Write at least 8 of its hex digits; the agent's output has them.",
        )
    folder = folder.absolute()
    with Session(flags) as session:
        found, services = server_of_partitions(session, plugin, folder)
        count = found.forgive(folder, client, services=services)
    output.tell(f"{count} client{'s' if count != 1 else ''} may log in again.")
    return 0
