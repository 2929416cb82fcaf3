"""One change of a plan, as lines of text."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.model.change import Action, Availability, Block, Change, Impact, Operation
from reconciler.views.blast_radius_text import short_lines
from reconciler.views.diff_text import diff_lines
from reconciler.views.ink import Ink
from reconciler.views.quantity import bytes_text, count_text, seconds_text
from reconciler.views.safe_text import clean

SYMBOLS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "-/+",
    Action.DELETE: "-",
    Action.RETAIN: "=",
    Action.IMPORT: "<-",
    Action.FORGET: "x",
    Action.NOOP: "!",  # shown only when a guard blocks it
}
_PHRASES = {
    Action.CREATE: "will be created",
    Action.UPDATE: "will be updated",
    Action.REPLACE: "will be replaced",
    Action.DELETE: "will be deleted",
    Action.RETAIN: "stays, though no manifest declares it any more",
    Action.IMPORT: "will be imported",
    Action.FORGET: "will be forgotten; the object stays",
    Action.NOOP: "stays as it is",
}
_STAYS = "stays: it is protected, or what stays needs it"
_AVAILABILITY = {
    Availability.NONE: "no interruption",
    Availability.READ_ONLY: "reads only while it runs",
    Availability.DOWN: "unavailable while it runs",
}


def is_shown(change: Change) -> bool:
    """Whether the change has anything to tell."""
    return change.action is not Action.NOOP or bool(change.operations or change.blocked or change.diff)


def change_lines(change: Change, ink: Ink, *, is_destroy: bool = False) -> list[str]:
    """Headline, operations with their steps and impact, diff, what its keys open, what blocks it and the way out.
    ``is_destroy``: of a plan to destroy, where what stays is declared all the same."""
    paint = _paint(change.action, ink)
    phrase = _STAYS if is_destroy and change.action is Action.RETAIN else _PHRASES[change.action]
    if change.blocked:
        phrase = phrase.replace("will ", "would ")
    headline = paint(f"{SYMBOLS[change.action]} {clean(change.address)} {phrase}")
    lines = [headline + (ink.red(" (blocked)") if change.blocked else "")]
    for operation in change.operations:
        lines += _operation_lines(operation, ink)
    for entry in change.diff:
        lines += [f"    {line}" for line in diff_lines(entry, ink)]
    for radius in change.blast_radius:
        lines += [f"    {ink.dim(line)}" for line in short_lines(radius)]
    for block in change.blocked:
        lines += _block_lines(block, ink)
    return lines


def impact_text(impact: Impact) -> str:
    """What the operation costs, in a few words; empty when it costs nothing worth telling."""
    if impact == Impact():
        return ""
    parts = [_AVAILABILITY[impact.availability]]
    if impact.bytes:
        parts.append(f"{bytes_text(impact.bytes)} rewritten")
    if impact.seconds is not None:
        parts.append(f"about {seconds_text(impact.seconds)}, as measured here so far")
    if impact.key_service_calls:
        parts.append(count_text(impact.key_service_calls, "key service call"))
    return ", ".join(parts)


def _operation_lines(operation: Operation, ink: Ink) -> list[str]:
    lines = [f"    {ink.bold(str(operation.verb))}: {clean(operation.reason)}"]
    for number, step in enumerate(operation.steps, 1):
        undone = "" if step.reversible else ink.yellow(" (cannot be undone)")
        lines.append(f"      {number}. {clean(step.summary)}{undone}")
    impact = impact_text(operation.impact)
    if operation.cuts_off or operation.revokes:
        impact = impact.replace(_AVAILABILITY[Availability.DOWN], "unavailable until it is undone")
    if impact:
        quiet = operation.impact.availability is Availability.NONE
        lines.append(f"      {ink.dim(impact) if quiet else ink.yellow(impact)}")
    return lines


def _block_lines(block: Block, ink: Ink) -> list[str]:
    lines = [f"    {ink.red('blocked')} by {clean(block.guard)}: {clean(block.reason)}"]
    if block.way_out:
        lines.append("      way out:")
        lines += [f"        {number}. {clean(way)}" for number, way in enumerate(block.way_out, 1)]
    return lines


def _paint(action: Action, ink: Ink) -> Callable[[str], str]:
    return {
        Action.CREATE: ink.green,
        Action.UPDATE: ink.yellow,
        Action.REPLACE: ink.red,
        Action.DELETE: ink.red,
        Action.NOOP: ink.red,
    }.get(action, ink.blue)
