"""``reconciler drift``: what changed behind the state's back. Cannot write: it is given a reader and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.marking import compare_read
from reconciler.commands.planning import address
from reconciler.commands.session import Session
from reconciler.errors import Diagnostic, ProviderUnavailable, UsageError
from reconciler.model.address import Address
from reconciler.model.drift import Allowance, Severity
from reconciler.model.nearest import did_you_mean
from reconciler.model.plan import Finding
from reconciler.model.recorded import Recorded

if TYPE_CHECKING:
    from reconciler.planning.allowed import Judged

FORMATS = ("text", "json", "markdown", "sarif", "junit")


@click.command("drift")
@click.argument("addresses", metavar="[ADDR]...", nargs=-1)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", help="How to print.")
@click.option("--allow", metavar="FILE", help="A YAML list of findings that are accepted, each with a reason.")
@click.pass_obj
def command(flags: Globals, /, addresses: tuple[str, ...], form: str, allow: str | None) -> int:
    """Compare what is there with what the last apply left, gravest first.

    Looks further than the records: at grants that nobody declared, snapshots in plaintext, keys of an earlier version,
    raw bytes, objects that nobody manages. Never decrypts anything, and cannot write.

    Exits 0 without findings, 3 when protection is weaker than it was, else 2. Findings that --allow names are shown
    and do not count.

    Example: reconciler drift Key/orders --format json
    """
    from reconciler.planning.allowed import judge

    with Session(flags) as session:
        allowances = _allowances(session, allow)
        wanted = {address(text) for text in addresses}
        every = list(session.reader.all())
        rows = [row for row in every if not wanted or row.address in wanted]
        absent = sorted(wanted - {row.address for row in rows})
        rows = [row for row in rows if session.is_wanted(row.address)]
        if absent:
            raise UsageError(
                f"{', '.join(absent)}: not in the state",
                suggestion=did_you_mean(absent[0], session.reader.heads())
                or "`reconciler state list` shows what is recorded.",
            )
        output.explain(session.settings.warnings)
        compare_read(session, session.reader)
        found = _found(session, every, rows, is_narrowed=bool(wanted) or session.selected is not None)
        judged = judge(found, allowances, session.clock.now())
        output.explain(judged.warnings)
        _show(session, judged, form, rows)
    if not judged.open:
        return 0
    return 3 if any(finding.severity is Severity.SECURITY for finding in judged.open) else 2


def _allowances(session: Session, allow: str | None) -> list[Allowance]:
    if allow is None:
        return []
    from reconciler.loading.allow_file import read_allow_file

    return read_allow_file(session.fs, session.project / Path(allow), allow)


def _found(session: Session, every: list[Recorded], rows: list[Recorded], *, is_narrowed: bool) -> list[Finding]:
    """Everything found: of the rows, and beyond them what concerns them; all of it when nothing narrows the look."""
    from reconciler.planning.drift import findings, ranked, shut_out
    from reconciler.planning.refresh import look
    from reconciler.planning.survey import survey
    from reconciler.resources.estate import Estate

    now = session.clock.now()
    observed, denied = look(rows, session)
    estate = Estate(
        rows={row.address: row for row in every},
        observed=observed,
        providers=_providers(session),
        services=session,
        now=now,
    )
    wanted = {row.address for row in rows}
    beyond = [one for one in survey(estate) if not is_narrowed or one.address in wanted] if every else []
    output.explain([_unseen(text) for text in dict.fromkeys(estate.unseen)])
    return ranked([*findings(rows, observed, now), *shut_out(rows, denied, now), *beyond])


def _providers(session: Session) -> dict[str, str]:
    """The declared Providers whose plugin can be loaded, and their protocols. One that recorded resources need and that
    cannot be loaded was an error before this."""
    found: dict[str, str] = {}
    for name in session.manifests.providers:
        try:
            found[name] = session.pool.protocol_of(name)
        except ProviderUnavailable as error:
            output.explain([_unseen(f"Provider/{name} was not looked at: {error.summary}")])
    return found


def _unseen(summary: str) -> Diagnostic:
    return Diagnostic(
        code="not-looked-at",
        severity="warning",
        summary=summary,
        suggestion="What is there may have drifted, and nobody has seen it.",
    )


def _show(session: Session, judged: Judged, form: str, rows: list[Recorded]) -> None:
    checked, allowed = len(rows), judged.allowed
    if form == "json":
        from reconciler.views.drift_json import drift_document

        output.tell_json(drift_document(judged.open, checked=checked, allowed=allowed))
    elif form == "markdown":
        from reconciler.views.drift_markdown import render_drift_markdown

        output.tell(render_drift_markdown(judged.open, checked=checked, allowed=allowed))
    elif form == "sarif":
        from reconciler.views.drift_sarif import sarif_document

        output.tell_json(sarif_document(judged.open, allowed=allowed, places=_places(session)))
    elif form == "junit":
        from reconciler.views.drift_junit import render_drift_junit

        addresses = [row.address for row in rows]
        output.tell(render_drift_junit(judged.open, allowed=allowed, checked=addresses))
    else:
        from reconciler.views.drift_text import render_drift

        colour = output.has_colour(sys.stdout)
        output.tell(render_drift(judged.open, colour=colour, checked=checked, allowed=allowed))


def _places(session: Session) -> dict[Address, tuple[str, int]]:
    """File and line of every declared resource."""
    return {one.address: (one.file, one.line) for one in session.manifests.resources}
