"""The audit logs of all key services of the home, read as one."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from reconciler.audit.query import AuditQuery
from reconciler.commands import output
from reconciler.commands.key_services import KeyServices
from reconciler.commands.session import Session
from reconciler.errors import Diagnostic, ProviderUnavailable
from reconciler.providers.audit import KeepsAuditLog

Event = dict[str, Any]


@dataclass(slots=True)
class Logs:
    """By the name of the Provider. ``regions`` are account and Region of each. ``seen`` is the serial up to which each
    was read, ``places`` the serial of each event that ``all`` has found, by its id."""

    by_provider: dict[str, KeepsAuditLog]
    regions: tuple[tuple[str, str], ...] = ()
    seen: dict[str, int] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, session: Session) -> Logs:
        """Those of the declared Providers, and of the stores at home that none declares. Two Providers of one account
        and Region have one log."""
        services = KeyServices.of(session)
        found: dict[tuple[str, str, str], tuple[str, KeepsAuditLog]] = {}
        for name, declared in sorted(services.declarations.items()):
            try:
                if not services.is_one(name):
                    continue
                provider = services.provider(name)
            except ProviderUnavailable as error:
                output.explain([_unread(name, error.summary)])
                continue
            if isinstance(provider, KeepsAuditLog):
                found.setdefault((declared.plugin, declared.account, declared.region), (name, provider))
            else:
                output.explain([_unread(name, f'its plugin "{declared.plugin}" keeps no log that can be read')])
        return cls(dict(found.values()), tuple((account, region) for _, account, region in found))

    def newer(self, query: AuditQuery) -> Iterator[Event]:
        """What was recorded since the last time, merged by the time of the requests."""
        return heapq.merge(
            *(self._newer(name, log, query) for name, log in self.by_provider.items()),
            key=lambda event: str(event["eventTime"]),
        )

    def all(self, query: AuditQuery) -> list[Event]:
        """Everything that fits, merged by time."""
        found = []
        for log in self.by_provider.values():
            for serial, event in log.audit_events(query=query):
                self.places[event["eventID"]] = serial
                found.append(event)
        return sorted(found, key=self.moment)

    def moment(self, event: Event) -> tuple[str, int]:
        """What events are ordered by: their times are whole seconds."""
        return str(event["eventTime"]), self.places[event["eventID"]]

    def _newer(self, name: str, log: KeepsAuditLog, query: AuditQuery) -> Iterator[Event]:
        for serial, event in log.audit_events(after=self.seen.get(name, 0), query=query):
            self.seen[name] = serial
            yield event


def _unread(name: str, why: str) -> Diagnostic:
    return Diagnostic(
        code="audit-unread",
        severity="warning",
        summary=f"The audit log of Provider/{name} is not shown: {why}",
        suggestion="What that key service was asked is recorded there.",
    )
