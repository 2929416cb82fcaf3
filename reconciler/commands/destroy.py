"""``reconciler destroy``: remove everything that the state records."""

from __future__ import annotations

from typing import Any

import click

from reconciler.commands.applying import (
    approve,
    carry_out,
    confirm_by_name,
    holding_lock,
    lock_seconds,
    mention_kept,
)
from reconciler.commands.context import Globals
from reconciler.commands.planning import make_plan, refuse_another_time, request_from, selection_flags
from reconciler.commands.session import Session


@click.command("destroy")
@click.option("--auto-approve", is_flag=True, help="Do not ask; what is protected stays unless --confirm names it.")
@click.option("--confirm", metavar="NAME", help="The project folder's name: also destroys what is protected.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print progress.")
@click.option("--lock-timeout", metavar="DURATION", default="0s", help="How long to wait for the lock (30s, 5m).")
@selection_flags
@click.pass_obj
def command(
    flags: Globals, /, auto_approve: bool, confirm: str | None, form: str, lock_timeout: str, **chosen: Any
) -> int:
    """Remove everything that the state records. Keys are scheduled for deletion, never deleted at once.

    Keys and data are protected: they go only when the project's name is given too.

    Example: reconciler destroy --confirm quickstart
    """
    refuse_another_time(chosen)
    with Session(flags) as session, holding_lock(session, "destroy", lock_seconds(lock_timeout), form):
        confirmed = confirm_by_name(session, confirm, is_silent=auto_approve)
        request = request_from(session, chosen, destroy=True, confirmed=confirmed)
        planned = make_plan(session, request, show_timing=chosen["show_timing"])
        approve(planned.plan, form, is_approved=auto_approve or confirm is not None)
        code = carry_out(session, planned, form, parallelism=chosen["parallelism"])
        mention_kept(session, planned.plan)
        return code
