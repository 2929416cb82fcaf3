"""``audit --resource``: everything that was asked for one resource, and whether that is its complete life (AU4)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconciler.audit.evidence import Link, context_by_name, described_for, grants_made, life_of
from reconciler.audit.query import AuditQuery
from reconciler.commands import output
from reconciler.commands.audit.logs import Logs
from reconciler.commands.planning import address
from reconciler.commands.session import Session
from reconciler.errors import Diagnostic, ProviderUnavailable, UsageError
from reconciler.model.address import Address
from reconciler.model.recorded import Recorded
from reconciler.providers.inspection import HoldsGrants

Event = dict[str, Any]
_OF_KEYS = {"Key": "arn", "Grant": "id"}


def show_life(session: Session, logs: Logs, written: str, query: AuditQuery, form: str) -> int:
    """Print the events and the life; 3 when a link is missing."""
    from reconciler.commands.audit import show

    wanted = address(written)
    row = session.reader.get(wanted)
    if wanted.kind in _OF_KEYS:
        if not show(logs.newer(_narrowed_to(wanted, row, query)), form, with_header=True):
            output.remark("Nothing that fits was recorded.")
        return 0
    context = _context_of(session, row) or context_by_name(
        logs.all(AuditQuery(event="CreateGrant")), _name_of(wanted, row)
    )
    if context is None:
        raise UsageError(
            f"No grant was ever made for {wanted}, so its requests cannot be told from others",
            suggestion="What is under an owned key needs no grant; name its encryption context: --context NAME=VALUE.",
        )
    events = _events(logs, context)
    wants = replace(query, context={})
    show((event for event in events if _fits(event, wants)), form, with_header=True)
    links = life_of(events, is_there=row is not None)
    output.explain(_findings(wanted, links))
    if form == "table":
        from reconciler.views.audit_life import render_life

        output.tell(render_life(str(wanted), links))
    return 3 if any(link.problem for link in links) else 0


def _narrowed_to(wanted: Address, row: Recorded | None, query: AuditQuery) -> AuditQuery:
    if row is None or row.identity is None:
        raise UsageError(
            f"{wanted} is not in the state",
            suggestion="See `reconciler state list`, or name a key by --key ARN.",
        )
    if wanted.kind == "Grant":
        return replace(query, grant_id=str(row.attributes["id"]))
    return replace(query, key_arns=(str(row.attributes["arn"]),))


def _name_of(wanted: Address, row: Recorded | None) -> str:
    """Its name at the provider, as far as anybody knows it."""
    arn = "" if row is None else str(row.attributes.get("arn", ""))
    return arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1] or wanted.name


def _context_of(session: Session, row: Recorded | None) -> Mapping[str, str] | None:
    """The encryption context of its requests, as its provider tells."""
    if row is None:
        return None
    with suppress(ProviderUnavailable):
        plane = session.provider(row.provider)
        if isinstance(plane, HoldsGrants):
            arn = row.attributes.get("arn")
            return next((held.context for held in plane.held_grants() if held.arn == arn), None)
    return None


def _events(logs: Logs, context: Mapping[str, str]) -> list[Event]:
    """All that was asked under the context, what ended its grants, and the looks that went before them; by time."""
    found = logs.all(AuditQuery(context=context))
    made = [event for event in found if event["eventName"] == "CreateGrant"]
    for grant_id in grants_made(made):
        found += logs.all(AuditQuery(grant_id=grant_id))
    found += [dict(event) for event in described_for(logs.all(AuditQuery(event="DescribeKey")), made)]
    once = {event["eventID"]: event for event in found}
    return sorted(once.values(), key=logs.moment)


def _fits(event: Event, query: AuditQuery) -> bool:
    """The flags beside --resource, on events that were found already."""
    grants = {(event["requestParameters"] or {}).get("grantId"), (event["responseElements"] or {}).get("grantId")}
    return (
        (query.event is None or query.event.lower() == event["eventName"].lower())
        and (not query.denied or event.get("errorCode") == "AccessDenied")
        and (query.grant_id is None or query.grant_id in grants)
        and (query.principal is None or query.principal == event["userIdentity"].get("arn"))
        and (query.since is None or query.since <= datetime.fromisoformat(event["eventTime"]))
        and (not query.key_arns or any(one["ARN"] in query.key_arns for one in event["resources"]))
    )


def _findings(wanted: Address, links: list[Link]) -> list[Diagnostic]:
    return [
        Diagnostic(
            code="evidence-missing",
            severity="warning",
            summary=f"The life of {wanted} is not complete: {link.problem}",
            suggestion="`reconciler audit --check` says whether records were taken away; else that was never asked of "
            "the key service.",
            address=str(wanted),
        )
        for link in links
        if link.problem
    ]
