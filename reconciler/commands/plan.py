"""``reconciler plan``: what apply would do. Reads only; takes no lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.planning import make_plan, request_from, selection_flags
from reconciler.commands.session import Session
from reconciler.model.plan import Plan

FORMATS = ("text", "json", "markdown")


@click.command("plan")
@click.option("--out", metavar="FILE", help="Save the plan for `apply FILE`.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", help="How to print.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes, 0 when there are none.")
@click.option("--destroy", is_flag=True, help="Plan the removal of everything recorded.")
@selection_flags
@click.pass_obj
def command(
    flags: Globals, /, out: str | None, form: str, detailed_exitcode: bool, destroy: bool, **chosen: Any
) -> int:
    """Show what apply would do, in dependency order, and why.

    Example: reconciler plan --out plan.json --detailed-exitcode
    """
    with Session(flags) as session:
        request = request_from(session, chosen, destroy=destroy)
        if out is not None and not session.is_initialised:
            session.initialise()  # a saved plan is sealed, and bound to a state that has a lineage
        planned = make_plan(session, request, show_timing=chosen["show_timing"], tell_due=True)
        _mention_interrupted(session)
        show(planned.plan, form)
        if out is not None:
            from reconciler.commands.saved_plan import save

            save(session, planned, Path(out))
            output.remark(f"The plan is saved. Carry it out with: reconciler apply {out}")
        if destroy:
            from reconciler.commands.applying import mention_kept

            mention_kept(session, planned.plan, before=True)
    if planned.plan.is_blocked:
        return 4
    return 2 if detailed_exitcode and planned.plan.has_changes else 0


def show(plan: Plan, form: str) -> None:
    """Print a plan in one of the ``FORMATS``."""
    if form == "json":
        from reconciler.views.plan_json import plan_document

        output.tell_json(plan_document(plan))
    elif form == "markdown":
        from reconciler.views.plan_markdown import render_plan_markdown

        output.tell(render_plan_markdown(plan))
    else:
        import sys

        from reconciler.views.plan_text import render_plan

        output.tell(render_plan(plan, colour=output.has_colour(sys.stdout)))


def _mention_interrupted(session: Session) -> None:
    open_steps = session.reader.open_intents()
    if open_steps:
        output.remark(
            f"An apply was interrupted ({len(open_steps)} unfinished: "
            f"{', '.join(sorted({intent.address for intent in open_steps}))}). The next apply takes it up first."
        )
