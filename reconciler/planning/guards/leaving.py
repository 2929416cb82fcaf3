"""What lets go of its key in this very plan: it counts no longer by the time the key would be cut off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.model.change import Change, Verb
from reconciler.planning.inventory import Entry


@dataclass(frozen=True, slots=True)
class Leaving:
    """Identities of what lets go of its key, of clusters whose snapshots follow them to another one, of those whose
    automated snapshots go with them, and of grants that are revoked."""

    gone: frozenset[str]
    followed: frozenset[str]
    taken: frozenset[str]
    revoked: frozenset[str]

    def has(self, entry: Entry) -> bool:
        """Whether that no longer needs its present key once the plan is carried out."""
        if entry.what == "grant":
            return entry.identity in self.revoked
        if entry.automated and entry.follows in self.taken:
            return True
        return entry.identity in self.gone or entry.follows in self.followed


def leaving(changes: Iterable[Change]) -> Leaving:
    """What all changes of a plan let go."""
    operations = [operation for change in changes for operation in change.operations]
    return Leaving(
        gone=frozenset(arn for operation in operations for arn in operation.lets_go),
        followed=frozenset(
            arn
            for operation in operations
            if operation.verb is Verb.SWITCH_KEY and not operation.followers_stay
            for arn in operation.lets_go
        ),
        taken=frozenset(arn for operation in operations if operation.takes_automated for arn in operation.lets_go),
        revoked=frozenset(grant for operation in operations for grant in operation.revokes),
    )
