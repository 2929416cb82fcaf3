"""What an apply does beside its plan, a line for each thing: what takes data along stands first and is marked."""

from __future__ import annotations

from reconciler.model.due_work import DueWork
from reconciler.model.plan import Plan
from reconciler.views.ink import Ink
from reconciler.views.safe_text import clean


def due_heading(plan: Plan) -> str:
    """When it is done: by the next apply, or by one at the time that the plan was made for (``--at``)."""
    if plan.selection.get("at") is not None:
        return f"Due by {plan.created_at:%Y-%m-%d %H:%M} UTC; an apply then does it beside its plan:"
    return "Due now; apply does it beside the plan:"


def due_lines(plan: Plan, ink: Ink) -> list[str]:
    """The lines, without the heading."""
    return [f"  {ink.red('!') if one.removes_data else '-'} {due_line(one)}" for one in in_order(plan)]


def in_order(plan: Plan) -> list[DueWork]:
    """What takes data along first, else as it is done."""
    return sorted(plan.due, key=lambda one: not one.removes_data)


def due_line(one: DueWork) -> str:
    """``Snapshot x is removed: its retention is over (dwh; deadline 2026-01-05 09:00 UTC; cannot be undone)``."""
    notes = [one.provider if one.address is None else f"{one.address} at {one.provider}"]
    if one.since is not None:
        notes.append(f"{'deadline' if one.removes_data else 'due since'} {one.since:%Y-%m-%d %H:%M} UTC")
    if one.removes_data:
        notes.append("cannot be undone")
    return clean(f"{one.what.rstrip('.')} ({'; '.join(note for note in notes if note)})")
