"""``reconciler drift``: what changed behind the state's back. Cannot write: it is given a reader and nothing else."""

from __future__ import annotations

import sys

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.planning import address
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.drift import Severity
from reconciler.model.nearest import did_you_mean
from reconciler.model.plan import Finding


@click.command("drift")
@click.argument("addresses", metavar="[ADDR]...", nargs=-1)
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", help="How to print.")
@click.pass_obj
def command(flags: Globals, /, addresses: tuple[str, ...], form: str) -> int:
    """Compare what is there with what the last apply left, gravest first.

    Exits 0 without findings, 3 when protection is weaker than it was, else 2.

    Example: reconciler drift Key/orders --format json
    """
    from reconciler.planning.drift import findings
    from reconciler.planning.refresh import refresh

    with Session(flags) as session:
        wanted = {address(text) for text in addresses}
        rows = [row for row in session.reader.all() if not wanted or row.address in wanted]
        absent = sorted(wanted - {row.address for row in rows})
        rows = [row for row in rows if session.is_wanted(row.address)]
        if absent:
            raise UsageError(
                f"{', '.join(absent)}: not in the state",
                suggestion=did_you_mean(absent[0], session.reader.heads())
                or "`reconciler state list` shows what is recorded.",
            )
        output.explain(session.settings.warnings)
        found = findings(rows, refresh(rows, session), session.clock.now())
    _show(found, form, len(rows))
    if not found:
        return 0
    return 3 if any(finding.severity is Severity.SECURITY for finding in found) else 2


def _show(found: list[Finding], form: str, checked: int) -> None:
    if form == "json":
        from reconciler.views.drift_json import drift_document

        output.tell_json(drift_document(found, checked=checked))
    elif form == "markdown":
        from reconciler.views.drift_markdown import render_drift_markdown

        output.tell(render_drift_markdown(found, checked=checked))
    else:
        from reconciler.views.drift_text import render_drift

        output.tell(render_drift(found, colour=output.has_colour(sys.stdout), checked=checked))
