"""Which records of an audit log are asked for (AU4). All of a query's parts must hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from reconciler.audit.record import AuditRecord

_CONTEXTS: Final = ("encryptionContext", "sourceEncryptionContext", "destinationEncryptionContext")
_CONSTRAINTS: Final = ("encryptionContextSubset", "encryptionContextEquals")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """``key_arns``: one of them is concerned. ``event``: that operation, in whatever case. ``context``: these pairs are
    in an encryption context of the request, or in the constraint of the grant that it asks for. ``grant_id``: the grant
    is made, ended, or decides; also the beginning of one. ``principal``: an ARN, what stands behind its last colon
    (``role/app``), or a service's name; a role stands for its sessions. ``denied``:
    refused for want of permission. ``since``: at that time or later."""

    key_arns: tuple[str, ...] = ()
    event: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)
    grant_id: str | None = None
    principal: str | None = None
    denied: bool = False
    since: datetime | None = None

    def wants(self, record: AuditRecord) -> bool:
        """Whether the record is asked for."""
        return (
            (not self.key_arns or not set(self.key_arns).isdisjoint(record.key_arns))
            and (self.event is None or self.event.lower() == record.name.lower())
            and (not self.context or any(_within(self.context, one) for one in contexts_of(record.parameters)))
            and (self.grant_id is None or any(one.startswith(self.grant_id) for one in _grants_of(record)))
            and (self.principal is None or _is(self.principal, record.principal))
            and (not self.denied or record.error_code == "AccessDeniedException")
            and (self.since is None or record.time >= self.since)
        )


EVERYTHING: Final = AuditQuery()


def contexts_of(parameters: Mapping[str, Any] | None) -> Iterator[Mapping[str, str]]:
    """Every encryption context in an event's requestParameters."""
    given = parameters or {}
    yield from (given[name] for name in _CONTEXTS if name in given)
    constraints = given.get("constraints") or {}
    yield from (constraints[name] for name in _CONSTRAINTS if name in constraints)


def _within(part: Mapping[str, str], whole: Mapping[str, str]) -> bool:
    return all(whole.get(name) == value for name, value in part.items())


def _grants_of(record: AuditRecord) -> set[str]:
    decisions = (record.additional or {}).get("decisions", ())
    named = [(record.parameters or {}).get("grantId"), (record.response or {}).get("grantId")]
    return {one for one in (*named, *(decision.get("grantId") for decision in decisions)) if isinstance(one, str)}


def _is(wanted: str, principal: str) -> bool:
    if not wanted.startswith("arn:") and principal.startswith("arn:"):
        principal = principal.rsplit(":", 1)[-1]
    if wanted == principal:
        return True
    before, is_role, name = wanted.rpartition("role/")
    if not is_role or (before and not before.endswith(":")):
        return False
    role = f"{before.replace(':iam:', ':sts:')}assumed-role/{name}"
    return principal.startswith(f"{role}/")
