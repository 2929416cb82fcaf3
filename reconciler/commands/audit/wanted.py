"""The flags of ``audit`` as a query."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from reconciler.audit.query import AuditQuery
from reconciler.commands.planning import address, moment
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.nearest import did_you_mean
from reconciler.resources.field_types import read_duration


def query_of(  # noqa: PLR0917  # as the command was given them
    session: Session,
    key: str | None,
    event: str | None,
    pairs: Sequence[str],
    grant_id: str | None,
    principal: str | None,
    *,
    denied: bool,
    since: str | None,
) -> AuditQuery:
    """UsageError for what is no address, pair or time."""
    return AuditQuery(
        key_arns=() if key is None else (_key_arn(session, key),),
        event=event,
        context=_context(pairs),
        grant_id=None if grant_id is None else _grant_id(session, grant_id),
        principal=principal,
        denied=denied,
        since=None if since is None else _since(session, since),
    )


def attribute_of(session: Session, written: str, name: str) -> str:
    """What the state records of a resource under that name. UsageError."""
    wanted = address(written)
    try:
        return str(session.attributes(wanted)[name])
    except KeyError:
        raise UsageError(
            f"{wanted} is not in the state",
            suggestion=did_you_mean(wanted, session.reader.heads())
            or "`reconciler state list` shows what is recorded.",
        ) from None


def _key_arn(session: Session, written: str) -> str:
    if written.startswith("arn:"):
        return written
    written = written if "/" in written else f"Key/{written}"
    if address(written).kind != "Key":
        raise UsageError(f"{written} is no Key", suggestion="Name a Key, or the ARN of a key.")
    return attribute_of(session, written, "arn")


def _grant_id(session: Session, written: str) -> str:
    return attribute_of(session, written, "id") if "/" in written else written


def _context(pairs: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise UsageError(f'"{pair}" is no pair of an encryption context', suggestion="Write --context NAME=VALUE.")
        found[name] = value
    return found


def _since(session: Session, written: str) -> datetime:
    span = read_duration(written)
    return moment(written) if span is None else session.clock.now() - span
