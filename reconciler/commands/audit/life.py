"""``audit --resource``: everything that was asked for one resource, and whether that is its complete life (AU4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from reconciler.audit.evidence import (
    Link,
    Way,
    context_by_name,
    contexts_before,
    contexts_naming,
    described_for,
    ended,
    grants_made,
    life_of,
    ways_of,
)
from reconciler.audit.query import AuditQuery
from reconciler.commands import output
from reconciler.commands.audit.logs import Logs
from reconciler.commands.planning import address
from reconciler.commands.session import Session
from reconciler.errors import Diagnostic, ProviderUnavailable, UsageError
from reconciler.model.address import Address
from reconciler.model.recorded import Recorded
from reconciler.providers.inspection import HeldGrant, HoldsGrants

Event = dict[str, Any]
Life = tuple[Way, list[Link]]
_OF_KEYS = {"Key": "arn", "Grant": "id"}
_LEAVES = {"SnapshotCopyGrant"}  # may never be made use of


@dataclass(frozen=True, slots=True)
class _Held:
    """The grants that data planes work from; not ``is_all``: one of them cannot be asked."""

    grants: list[HeldGrant]
    is_all: bool


def show_life(session: Session, logs: Logs, written: str, query: AuditQuery, form: str) -> int:
    """Print the events and the life; 3 when a link is missing."""
    from reconciler.commands.audit import show

    wanted = address(written)
    row = session.reader.get(wanted)
    if wanted.kind in _OF_KEYS:
        if not show(logs.newer(_narrowed_to(wanted, row, query)), form, with_header=True):
            output.remark("Nothing that fits was recorded.")
        return 0
    held = _held(session)
    contexts = [] if _is_of_keys(session, row) else _contexts_of(logs, wanted, row, held.grants)
    if not contexts:
        raise UsageError(
            f"No grant was ever made for {wanted}, so its requests cannot be told from others",
            suggestion="What is under an owned key needs no grant; name its encryption context: --context NAME=VALUE.",
        )
    events = _events(logs, contexts, _own(held.grants, row))
    wants = replace(query, context={})
    show((event for event in events if _fits(event, wants)), form, with_header=True)
    lives = _lives(wanted, row, contexts, events, held)
    output.explain(_findings(wanted, lives))
    if form == "table":
        from reconciler.views.audit_life import render_life

        output.tell(render_life(str(wanted), lives))
    return 3 if any(link.problem for _, links in lives for link in links) else 0


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


def _is_of_keys(session: Session, row: Recorded | None) -> bool:
    """Whether it lies in a key service itself: a policy or an alias, which nothing is under."""
    from reconciler.providers.plugin import KEYS, serves

    with suppress(ProviderUnavailable):
        return row is not None and serves(session.pool.protocol_of(row.provider), KEYS)
    return False


def _held(session: Session) -> _Held:
    grants: list[HeldGrant] = []
    is_all = True
    for name in session.manifests.providers:
        try:
            plane = session.provider(name)
        except ProviderUnavailable:
            is_all = False
            continue
        if isinstance(plane, HoldsGrants):
            grants += plane.held_grants()
    return _Held(grants, is_all)


def _own(grants: Iterable[HeldGrant], row: Recorded | None) -> list[HeldGrant]:
    """Those that the object itself rests on."""
    return [] if row is None else [held for held in grants if held.arn and held.arn == row.attributes.get("arn")]


def _contexts_of(
    logs: Logs, wanted: Address, row: Recorded | None, grants: Iterable[HeldGrant]
) -> list[Mapping[str, str]]:
    """Every encryption context of its requests: those that its provider tells, those under which the same keys were
    before, and those of grants that were made for its uid. Of what its provider does not tell of: by its name."""
    made = logs.all(AuditQuery(event="CreateGrant"))
    found: list[Mapping[str, str]] = [dict(held.context) for held in _own(grants, row)]
    if not found:
        by_name = context_by_name(made, _name_of(wanted, row))
        found = [] if by_name is None else [by_name]
    if row is not None and found:
        found += contexts_naming(made, str(row.attributes.get("uid") or ""))
    once: list[Mapping[str, str]] = []
    while found:
        context = found.pop(0)
        if context not in once:
            once.append(context)
            found += contexts_before(logs.all(AuditQuery(event="ReEncrypt", context=context)), context)
    return once


def _events(logs: Logs, contexts: Iterable[Mapping[str, str]], own: Iterable[HeldGrant]) -> list[Event]:
    """All that was asked under the contexts, what made and ended its grants, and the looks that went before them; by
    time."""
    found: list[Event] = []
    for context in contexts:
        found += logs.all(AuditQuery(context=context))
    for grant_id in dict.fromkeys((*grants_made(found), *(held.grant_id for held in own))):
        found += logs.all(AuditQuery(grant_id=grant_id))
    made = [event for event in found if event["eventName"] == "CreateGrant"]
    found += [dict(event) for event in described_for(logs.all(AuditQuery(event="DescribeKey")), made)]
    once = {event["eventID"]: event for event in found}
    return sorted(once.values(), key=logs.moment)


def _lives(
    wanted: Address, row: Recorded | None, contexts: Iterable[Mapping[str, str]], events: list[Event], held: _Held
) -> list[Life]:
    own: dict[str, list[Way]] = {}
    for one in _own(held.grants, row):
        way = Way(one.key_arn, dict(one.context), (one.grant_id,), makes_keys="GenerateDataKey" in one.operations)
        own.setdefault(one.grant_id, []).append(way)
    ways = ways_of(contexts, events, own)
    # What somebody else works from stands, too: a snapshot from its cluster's grant. What waits to be retired, or what
    # nobody can tell of, may have ended or not.
    standing = {one.grant_id for one in held.grants if one.what}
    in_doubt = {one.grant_id for one in held.grants if not one.what}
    if not held.is_all:
        in_doubt |= {grant_id for way in ways for grant_id in way.grants}
    standing |= in_doubt - ended(events)
    is_leave = wanted.kind in _LEAVES
    return [
        (way, life_of(events, way, standing, may_be_unused=is_leave or own.keys().isdisjoint(way.grants)))
        for way in ways
    ]


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


def _findings(wanted: Address, lives: list[Life]) -> list[Diagnostic]:
    return [
        Diagnostic(
            code="evidence-missing",
            severity="warning",
            summary=f"The life of {wanted} is not complete: {link.problem}"
            + (f", under {way.key}" if len(lives) > 1 else ""),
            suggestion="`reconciler audit --check` says whether records were taken away; else that was never asked of "
            "the key service.",
            address=str(wanted),
        )
        for way, links in lives
        for link in links
        if link.problem
    ]
