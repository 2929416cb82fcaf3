"""The flags of ``audit`` as a query."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from reconciler.audit.query import AuditQuery
from reconciler.commands.planning import address, moment
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.nearest import did_you_mean
from reconciler.resources.field_types import read_duration

_KEY_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}")


def query_of(  # noqa: PLR0917  # as the command was given them
    session: Session,
    regions: Sequence[tuple[str, str]],
    key: str | None,
    event: str | None,
    pairs: Sequence[str],
    grant_id: str | None,
    principal: str | None,
    *,
    denied: bool,
    since: str | None,
) -> AuditQuery:
    """``regions`` are the accounts and Regions that are asked. UsageError for what is no address, pair or time."""
    return AuditQuery(
        key_arns=() if key is None else _key_arns(session, regions, key),
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


def _key_arns(session: Session, regions: Sequence[tuple[str, str]], written: str) -> tuple[str, ...]:
    """An id is that of one key; which Region has it, the log knows."""
    if written.startswith("arn:"):
        return (written,)
    if _KEY_ID.fullmatch(written):
        return tuple(f"arn:aws:kms:{region}:{account}:key/{written}" for account, region in regions)
    written = written if "/" in written else f"Key/{written}"
    if address(written).kind != "Key":
        raise UsageError(f"{written} is no Key", suggestion="Name a Key, or the id or ARN of a key.")
    return (attribute_of(session, written, "arn"),)


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
