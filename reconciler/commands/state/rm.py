"""``reconciler state rm``."""

from __future__ import annotations

import click

from reconciler.commands import output
from reconciler.commands.applying import holding_lock, lock_seconds
from reconciler.commands.context import Globals
from reconciler.commands.planning import address
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.nearest import did_you_mean


@click.command("rm")
@click.argument("names", metavar="ADDR...", nargs=-1, required=True)
@click.option("--lock-timeout", metavar="DURATION", default="0s", help="How long to wait for the lock (30s, 5m).")
@click.pass_obj
def command(flags: Globals, /, names: tuple[str, ...], lock_timeout: str) -> int:
    """Forget resources. The objects themselves stay as they are; nothing is asked of any provider.

    A resource that is still declared would be made anew by the next apply.

    Example: reconciler state rm Key/orders
    """
    with Session(flags) as session:
        wanted = [address(name) for name in names]
        absent = sorted(set(wanted) - session.reader.heads().keys())
        if absent:
            raise UsageError(
                f"{', '.join(absent)}: not in the state; nothing was forgotten",
                suggestion=did_you_mean(absent[0], session.reader.heads())
                or "`reconciler state list` shows what is recorded.",
            )
        with holding_lock(session, "state rm", lock_seconds(lock_timeout), "text"):
            serial = session.store.settle((), gone=wanted, why="by state rm; the object stays")
    for gone in wanted:
        output.tell(f"{gone} is forgotten; the object stays.")
    output.remark(f"The state is at serial {serial}.")
    return 0
