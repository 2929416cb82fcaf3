"""A plan for people: what changes, why, in which steps, at what cost, and what stands in the way."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model.change import Action, Verb
from reconciler.model.plan import Finding, Plan
from reconciler.views.change_text import SYMBOLS, change_lines, is_shown
from reconciler.views.diagnostics_text import render_diagnostic
from reconciler.views.drift_text import finding_lines, rank
from reconciler.views.due_text import due_heading, due_lines
from reconciler.views.ink import Ink
from reconciler.views.quantity import count_text
from reconciler.views.safe_text import clean

# Verbs that say no more than the action already counted.
_PLAIN_VERBS = frozenset({Verb.CREATE, Verb.UPDATE, Verb.REPLACE, Verb.DELETE, Verb.RETAIN, Verb.FORGET, Verb.IMPORT})
# Losses of protection stand before everything else: a reviewer must not have to look for them (RELIABILITY 3).
_LOSSES = frozenset({Verb.DECRYPT, Verb.DISABLE, Verb.SCHEDULE_DELETION})


def render_plan(plan: Plan, *, colour: bool) -> str:
    """The plan in its own order: first losses of protection, what is due, and drift; the counts last. The same plan
    gives the same text."""
    ink = Ink(colour=colour)
    shown = [change for change in plan.changes if is_shown(change)]
    sections = [_losses(plan, ink), _due(plan, ink), _drift(plan, ink)]
    if shown:
        sections.append(_legend({change.action for change in shown}))
        destroy = is_destroy(plan)
        sections += ["\n".join(change_lines(change, ink, is_destroy=destroy)) for change in shown]
    sections += [render_diagnostic(warning, colour=colour).rstrip("\n") for warning in plan.warnings]
    sections.append(_blocked(plan, ink))
    sections.append(ink.bold(plan_line(plan)))
    return "\n\n".join(section for section in sections if section) + "\n"


def plan_line(plan: Plan) -> str:
    """The last line: ``Plan: 3 to create, 1 to update, 0 to destroy; 2 operations: 1 rotate, 1 switch-key.``

    The operations counted are those that say more than create, update or destroy.
    """
    if not plan.has_changes and not plan.is_blocked:
        return _nothing_line(plan)
    counts = plan.summary()
    parts = [f"{counts['create']:,} to create", f"{counts['update']:,} to update"]
    if counts["replace"]:
        parts.append(f"{counts['replace']:,} to replace")
    parts.append(f"{counts['delete']:,} to destroy")
    others = {Action.IMPORT: "to import", Action.FORGET: "to forget", Action.RETAIN: "retained"}
    parts += [f"{counts[action]:,} {words}" for action, words in others.items() if counts.get(action)]
    verbs = {verb: number for verb, number in counts["operations"].items() if verb not in _PLAIN_VERBS}
    line = f"Plan: {', '.join(parts)}"
    if verbs:
        line += f"; {count_text(sum(verbs.values()), 'operation')}: "
        line += ", ".join(f"{number:,} {verb}" for verb, number in verbs.items())
    return f"{line}."


def is_destroy(plan: Plan) -> bool:
    """Whether the plan is one to destroy."""
    return bool(plan.selection.get("destroy"))


def losses(plan: Plan) -> list[tuple[str, str]]:
    """The operations that take protection away: whose, and which for what reason."""
    return [
        (str(change.address), f"{operation.verb} ({operation.reason})")
        for change in plan.changes
        for operation in change.operations
        if operation.verb in _LOSSES
    ]


def _nothing_line(plan: Plan) -> str:
    warned = count_text(len(plan.warnings), "warning")
    if plan.drift:
        found = f"{count_text(len(plan.drift), 'drift finding')} that apply would leave as found"
        return f"No changes. {found}{f', and {warned}' if plan.warnings else ''}."
    if plan.warnings:
        return f"No changes. {warned}, of what apply does not change."
    if plan.due:
        return "No changes. Apply does what is due, and nothing else."
    if any(change.action is Action.RETAIN for change in plan.changes):
        return "No changes. Everything is as declared; retained objects stay until `state rm` forgets them."
    return "No changes. Everything is as declared."


def _legend(actions: set[Action]) -> str:
    return "Symbols: " + ", ".join(
        f"{symbol} {'blocked' if action is Action.NOOP else action}"
        for action, symbol in SYMBOLS.items()
        if action in actions
    )


def _losses(plan: Plan, ink: Ink) -> str:
    lines = [f"  {ink.red('!')} {clean(address)}: {clean(what)}" for address, what in losses(plan)]
    return "\n".join(["This plan takes protection away:", *lines]) if lines else ""


def _due(plan: Plan, ink: Ink) -> str:
    return "\n".join([due_heading(plan), *due_lines(plan, ink)]) if plan.due else ""


def drift_to_tell(plan: Plan) -> list[Finding]:
    """The drift, worst first; a way out that the plan tells in full further down stands only there."""
    below = {
        *((warning.address, warning.summary) for warning in plan.warnings),
        *((change.address, " ".join(block.way_out)) for change in plan.changes for block in change.blocked),
    }
    return [
        replace(finding, fix="told in full below")
        if any(address == finding.address and finding.fix in text for address, text in below)
        else finding
        for finding in rank(plan.drift)
    ]


def _drift(plan: Plan, ink: Ink) -> str:
    lines = [line for finding in drift_to_tell(plan) for line in finding_lines(finding, ink)]
    return "\n".join(["Drift: what is observed differs from what was recorded.", *lines]) if lines else ""


def _blocked(plan: Plan, ink: Ink) -> str:
    count = sum(1 for change in plan.changes if change.blocked)
    if not count:
        return ""
    return ink.red(f"{count_text(count, 'change is', 'changes are')} blocked by a guard; the way out is shown above.")
