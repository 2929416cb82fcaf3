"""``reconciler audit``: the records of every declared key service, merged by time; filtered, followed, checked."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click

from reconciler.audit.query import AuditQuery
from reconciler.commands import output
from reconciler.commands.audit.logs import Logs
from reconciler.commands.audit.wanted import query_of
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.errors import UsageError

_PAUSE = 0.5  # seconds, between two looks of --follow


@click.command("audit")
@click.option("--follow", is_flag=True, help="Go on with what is recorded from now on, until Ctrl-C.")
@click.option("--key", metavar="ADDR", help="Requests that concern this Key (or the id or ARN of a key).")
@click.option("--event", metavar="NAME", help="Requests for this operation, such as Decrypt.")
@click.option("--context", "pairs", metavar="K=V", multiple=True, help="With this pair in an encryption context.")
@click.option("--resource", metavar="ADDR", help="Everything that was asked for this resource; shows its whole life.")
@click.option(
    "--grant",
    "grant_id",
    metavar="ID",
    help="Requests that made, ended or rested on this grant: the beginning of its id, or Grant/NAME.",
)
@click.option(
    "--principal", metavar="ARN", help="Requests of this principal (role/app: of its sessions, too) or service."
)
@click.option("--denied", is_flag=True, help="Only what was denied.")
@click.option("--since", metavar="D", help="Not older than 15m, 8h, 90d; or from a time on.")
@click.option("--check", is_flag=True, help="Prove that the logs are what was written: no record changed or missing.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="json: an event a line.")
@click.pass_obj
def command(  # noqa: PLR0917  # click hands options over by name
    flags: Globals,
    /,
    follow: bool,
    key: str | None,
    event: str | None,
    pairs: tuple[str, ...],
    resource: str | None,
    grant_id: str | None,
    principal: str | None,
    denied: bool,
    since: str | None,
    check: bool,
    form: str,
) -> int:
    """Print what was asked of the key services, by whom, through which service, and what decided it.

    With --resource the complete life is shown, and what is missing of it exits with 3; so does a log that --check finds
    changed.

    Example: reconciler audit --resource Table/orders --since 30d
    """
    if check and (follow or resource):
        raise UsageError("--check looks at whole logs", suggestion="Leave --follow and --resource out.")
    if resource and follow:
        raise UsageError("--resource shows what there is", suggestion="Leave --follow out, or use --context or --key.")
    with Session(flags) as session:
        logs = Logs.of(session)
        if check:
            from reconciler.commands.audit.checking import check_logs

            return check_logs(logs, form)
        query = query_of(session, logs.regions, key, event, pairs, grant_id, principal, denied=denied, since=since)
        if resource is not None:
            from reconciler.commands.audit.life import show_life

            return show_life(session, logs, resource, query, form)
        if follow:
            return _follow(session, logs, query, form)
        if not show(logs.newer(query), form, with_header=True):
            output.remark("Nothing that fits was recorded.")
    return 0


def show(events: Iterable[dict[str, object]], form: str, *, with_header: bool) -> int:
    """Print the events; how many there were."""
    count = 0
    if form == "json":
        from reconciler.views.json_text import render_json_line

        for one in events:
            count += 1
            output.tell(render_json_line(one))
        return count
    from reconciler.views.audit_table import header, row

    for count, one in enumerate(events, start=1):
        if count == 1 and with_header:
            output.tell(header(colour=output.has_colour(sys.stdout)))
        output.tell(row(one, colour=output.has_colour(sys.stdout)))
    return count


def _follow(session: Session, logs: Logs, query: AuditQuery, form: str) -> int:
    """Without a word while there is nothing, and the header once."""
    is_first = True
    try:
        while True:
            if show(logs.newer(query), form, with_header=is_first):
                is_first = False
            session.clock.sleep(_PAUSE)
    except KeyboardInterrupt:
        return 0
