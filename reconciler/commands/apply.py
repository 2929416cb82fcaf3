"""``reconciler apply``: carry the plan out, under the lock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from reconciler.commands.applying import approve, carry_out, holding_lock, lock_seconds, mention_kept, refuse_blocked
from reconciler.commands.context import Globals
from reconciler.commands.planning import make_plan, refuse_another_time, request_from, selection_flags
from reconciler.commands.session import Session
from reconciler.errors import UsageError


@click.command("apply")
@click.argument("planfile", required=False)
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print progress.")
@click.option("--lock-timeout", metavar="DURATION", default="0s", help="How long to wait for the lock (30s, 5m).")
@click.option("--destroy", is_flag=True, help="Remove what is not protected; `destroy` can do more.")
@selection_flags
@click.pass_obj
def command(  # noqa: PLR0917  # click hands options over by name
    flags: Globals,
    /,
    planfile: str | None,
    auto_approve: bool,
    form: str,
    lock_timeout: str,
    destroy: bool,
    **chosen: Any,
) -> int:
    """Plan, show the plan, ask, and carry it out; or carry out a plan that was saved.

    An interrupted apply is taken up by the next one: what is finished is not repeated.

    Example: reconciler apply plan.json --lock-timeout 5m
    """
    refuse_another_time(chosen)
    with Session(flags) as session, holding_lock(session, "apply", lock_seconds(lock_timeout), form):
        if planfile is None:
            request = request_from(session, chosen, destroy=destroy)
            planned = make_plan(session, request, show_timing=chosen["show_timing"])
            approve(planned.plan, form, is_approved=auto_approve)
        else:
            from reconciler.commands import saved_plan

            _refuse_other_flags({**chosen, "destroy": destroy})
            saved = saved_plan.load(session, Path(planfile))
            planned = make_plan(session, saved_plan.request_of(saved))
            saved_plan.refuse_when_stale(saved, planned, session)
            refuse_blocked(planned.plan)  # it was read when it was saved: not shown again
            session.store.mark_plan_used(saved.plan_id)
            planned = replace(planned, plan=replace(planned.plan, plan_id=saved.plan_id))
        code = carry_out(session, planned, form, parallelism=chosen["parallelism"])
        mention_kept(session, planned.plan)
        return code


def _refuse_other_flags(chosen: dict[str, Any]) -> None:
    given = [
        name for name in ("target", "exclude", "replace", "accept_outage", "refresh_only", "destroy") if chosen[name]
    ]
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(
            f"A saved plan says itself what it touches; {flags} cannot be given with it",
            suggestion="Give them to `reconciler plan --out FILE`.",
        )
