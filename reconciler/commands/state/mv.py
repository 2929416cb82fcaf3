"""``reconciler state mv``."""

from __future__ import annotations

import click

from reconciler.commands import output
from reconciler.commands.applying import holding_lock, lock_seconds
from reconciler.commands.context import Globals
from reconciler.commands.planning import address
from reconciler.commands.session import Session
from reconciler.model.readdress import readdressed
from reconciler.state.moving import refuse
from reconciler.views.quantity import count_text


@click.command("mv")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--lock-timeout", metavar="DURATION", default="0s", help="How long to wait for the lock (30s, 5m).")
@click.pass_obj
def command(flags: Globals, /, source: str, target: str, dry_run: bool, lock_timeout: str) -> int:
    """Give a recorded resource another address; what refers to it follows. Nothing is asked of any provider.

    For a manifest that was renamed, `renamedFrom` in its spec does the same, reviewed with the plan.

    Example: reconciler state mv Key/orders Key/purchases
    """
    old, new = address(source), address(target)
    with Session(flags) as session:
        reader = session.reader
        refuse(old, new, reader.heads().keys(), {str(intent.address) for intent in reader.open_intents()})
        if dry_run:
            rows = reader.all()
            changed = [told for row, told in zip(rows, readdressed(rows, {old: new}), strict=True) if told is not row]
            for followed in (row.address for row in changed if row.address != new):
                output.tell(f"{followed} would refer to {new}.")
            output.tell(f"{old} would be {new}. Nothing was changed.")
            return 0
        with holding_lock(session, "state mv", lock_seconds(lock_timeout), "text"):
            following = session.store.rename(old, new)
            serial = session.store.serial
    output.tell(f"{old} is {new} now; the object stays as it is.")
    if following:
        output.remark(f"{count_text(len(following), 'resource')} that referred to it follow: {', '.join(following)}.")
    output.remark(f"The state is at serial {serial}.")
    return 0
