"""A plan for a pull request: the counts and what is blocked at a glance, the details folded."""

from __future__ import annotations

from reconciler.model.change import Availability, Change
from reconciler.model.plan import Plan
from reconciler.views.change_text import SYMBOLS, change_lines, is_shown
from reconciler.views.diagnostics_text import render_diagnostic
from reconciler.views.drift_markdown import finding_table
from reconciler.views.due_text import due_heading, due_line, in_order
from reconciler.views.ink import Ink
from reconciler.views.markdown_text import code_span, fence, table
from reconciler.views.plan_text import is_destroy, losses, plan_line
from reconciler.views.quantity import bytes_text

_PLAIN = Ink(colour=False)
_ROWS = 200
_DUE_LINES = 50


def render_plan_markdown(plan: Plan, *, limit: int = 60_000) -> str:
    """The plan in GitHub's Markdown, at most about ``limit`` characters (a comment there takes 65,536): details go
    first, and the text says how many are missing."""
    shown = [change for change in plan.changes if is_shown(change)]
    lines = ["## reconciler plan", "", f"**{plan_line(plan)}**", ""]
    lines += _losses(plan) + _due(plan) + _blocked(shown) + _drift(plan) + _warnings(plan) + _overview(shown)
    footer = [
        f"Plan {code_span(plan.plan_id)}, state serial {plan.serial}, manifests {code_span(plan.manifests_digest[:12])}"
    ]
    room = limit - sum(len(line) + 1 for line in lines + footer)
    return "\n".join(lines + _details(shown, room, is_destroy(plan)) + footer) + "\n"


def _overview(changes: list[Change]) -> list[str]:
    if not changes:
        return []
    rows = [_overview_row(change) for change in changes[:_ROWS]]
    lines = table(("", "resource", "operations", "availability", "data rewritten"), rows)
    if len(changes) > _ROWS:
        lines.append(f"\n… and {len(changes) - _ROWS:,} more")
    return [*lines, ""]


def _overview_row(change: Change) -> tuple[str, ...]:
    worst = max(
        (operation.impact.availability for operation in change.operations),
        key=list(Availability).index,
        default=Availability.NONE,
    )
    size = sum(operation.impact.bytes for operation in change.operations)
    return (
        code_span(SYMBOLS[change.action]),
        code_span(change.address),
        ", ".join(str(operation.verb) for operation in change.operations),
        "" if worst is Availability.NONE else str(worst),
        bytes_text(size) if size else "",
    )


def _losses(plan: Plan) -> list[str]:
    lines = [f"- {code_span(address)}: {code_span(what)}" for address, what in losses(plan)]
    return ["### Takes protection away", "", *lines, ""] if lines else []


def _due(plan: Plan) -> list[str]:
    """What cannot be undone stands first, and so is the last to be left out."""
    if not plan.due:
        return []
    lines = [
        f"- {'**cannot be undone:** ' if one.removes_data else ''}{code_span(due_line(one))}"
        for one in in_order(plan)[:_DUE_LINES]
    ]
    if len(plan.due) > _DUE_LINES:
        lines.append(f"- … and {len(plan.due) - _DUE_LINES:,} more")
    return [f"### {due_heading(plan).rstrip(':')}", "", *lines, ""]


def _blocked(changes: list[Change]) -> list[str]:
    lines: list[str] = []
    for change in changes:
        for block in change.blocked:
            lines += [f"- {code_span(change.address)} by {code_span(block.guard)}: {code_span(block.reason)}"]
            lines += [f"  {number}. {code_span(way)}" for number, way in enumerate(block.way_out, 1)]
    return ["### Blocked", "", *lines, ""] if lines else []


def _drift(plan: Plan) -> list[str]:
    return ["### Drift", "", *finding_table(plan.drift), ""] if plan.drift else []


def _warnings(plan: Plan) -> list[str]:
    text = "\n".join(render_diagnostic(warning, colour=False) for warning in plan.warnings)
    return ["### Warnings", "", *fence(text.rstrip("\n").split("\n"), "text"), ""] if text else []


def _details(changes: list[Change], room: int, destroys: bool) -> list[str]:
    """As many whole changes as there is room for, folded."""
    body: list[str] = []
    kept = 0
    for change in changes:
        lines = [*([""] if body else []), *change_lines(change, _PLAIN, is_destroy=destroys)]
        room -= sum(len(line) + 1 for line in lines)
        if room < 0:
            break
        body += lines
        kept += 1
    left = len(changes) - kept
    if left:
        body.append(f"\n… {left:,} more changes do not fit here; plan --format text shows them")
    if not body:
        return []
    return ["<details><summary>Details</summary>", "", *fence(body, "diff"), "", "</details>", ""]
