"""What a plan says of work that comes due by itself: an apply does it beside the plan (``upkeep``, RE2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.commands.session import Session
from reconciler.errors import Diagnostic, ReconcilerError
from reconciler.model.address import Address
from reconciler.model.change import Verb
from reconciler.model.due_work import DueWork
from reconciler.model.recorded import Recorded
from reconciler.providers.data import ListsDueWork
from reconciler.providers.plugin import KEYS
from reconciler.providers.typed import caller

if TYPE_CHECKING:
    from reconciler.resources.planned import Planned


def with_due_work(session: Session, planned: Planned) -> Planned:
    """The plan, with what every declared provider that lists its due work will do of it when the plan is carried out.
    One that cannot say it is a warning, one that cannot be reached is heard of by whoever needs it: neither keeps the
    plan from being made."""
    found: list[DueWork] = []
    untold: list[Diagnostic] = []
    older = _set_back(planned)
    for name in session.manifests.providers:
        provider = None if name in older else _lister(session, name)
        if provider is not None:
            try:
                listed = provider.due_work(
                    caller(session, name), at=planned.plan.created_at, leave=_taken_up(planned, name)
                )
            except ReconcilerError as error:
                untold.append(_untold(name, error))
            else:
                found += [replace(one, provider=name) for one in listed]
    if not found and not untold:
        return planned
    managed = _managed(session) if found else {}
    due = tuple(replace(one, address=managed.get((one.provider, one.kind, one.name))) for one in found)
    plan = replace(planned.plan, due=due, warnings=(*planned.plan.warnings, *untold))
    return replace(planned, plan=plan)


def _set_back(planned: Planned) -> set[str]:
    """Providers at which a cluster is an older copy: an apply does nothing there (I16)."""
    changes = [one for one in planned.plan.changes if any(block.guard == "older-copy" for block in one.blocked)]
    return {row.provider for change in changes if (row := planned.rows.get(change.address)) is not None}


def _taken_up(planned: Planned, provider: str) -> list[str]:
    """Clusters there (by name) that the plan itself changes: whatever was begun and has not ended is ended by that
    first. A load goes beside such a change."""
    changed = (
        planned.rows.get(change.address)
        for change in planned.plan.changes
        if change.address.kind == "Cluster" and any(one.verb is not Verb.LOAD for one in change.operations)
    )
    return [str(row.attributes["name"]) for row in changed if row is not None and _is_at(row, provider)]


def _is_at(row: Recorded, provider: str) -> bool:
    return row.provider == provider and row.identity is not None and "name" in row.attributes


def _lister(session: Session, name: str) -> ListsDueWork | None:
    """The provider, if it has due work to list; others are not even built."""
    try:
        if session.pool.protocol_of(name) == KEYS or not session.pool.lists_due_work(name):
            return None  # an apply leaves key services alone
        provider = session.pool.provider(name)
    except ReconcilerError:
        return None
    return provider if isinstance(provider, ListsDueWork) else None


def _untold(name: str, error: ReconcilerError) -> Diagnostic:
    return Diagnostic(
        code="due-work-untold",
        severity="warning",
        summary=f"What an apply does beside the plan at {name} is not known: {error.summary}",
        suggestion=error.suggestion,
        address=f"Provider/{name}",
    )


def _managed(session: Session) -> Mapping[tuple[str, str, str], Address]:
    """Provider, kind and name (or ARN) there → the resource that it is recorded as."""
    found: dict[tuple[str, str, str], Address] = {}
    for row in session.reader.all():
        if row.identity is not None:
            kind = row.address.kind.lower()
            for attribute in ("name", "arn"):
                if attribute in row.attributes:
                    found[row.provider, kind, str(row.attributes[attribute])] = row.address
    return found
