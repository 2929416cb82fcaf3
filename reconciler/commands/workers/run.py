"""``reconciler workers run``."""

from __future__ import annotations

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.providers.typed import running_workers


@click.command("run")
@click.argument("provider")
@click.option("--threads", type=click.IntRange(1, 64), default=1, help="Portions that are moved at the same time.")
@click.pass_obj
def command(flags: Globals, /, provider: str, threads: int) -> int:
    """Do what the scheduler of PROVIDER hands out, until that goes, Ctrl-C or SIGTERM. Run it on the same machine.

    A worker that is killed costs what it had not committed: others do it again.

    Example: reconciler workers run dwh-eu
    """
    with Session(flags) as session:
        workers = running_workers(session, provider)
        workers.work(threads, lambda address: output.tell(f"working at {address}"))
    return 0
