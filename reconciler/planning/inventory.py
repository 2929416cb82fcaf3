"""The one inventory: everything that exists, managed or not, and what of it needs what. Pure data.

``sweeping`` fills it from the providers, ``own_state`` from what we recorded ourselves, and ``blast_radius`` answers
from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from reconciler.model.address import Address
from reconciler.model.blast_radius import NOT_FOUND
from reconciler.providers.data import ANY_KEY

POLICY = "/policy"
"""What the identity of a key's policy has beyond the key's ARN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that exists. ``identity`` is its ARN, or what else names it for good; two entries of one identity are
    two ways in which it needs something (a table between two keys).

    ``needs`` are the identities without any one of which it is of no use; ``sealed_by`` is the one of them without
    which its data are unreadable (``ANY_KEY``: nobody knows any more which key that is). ``holds`` keeps what it needs
    from being deleted; ``outlives`` it all the same, once it is gone. The rest is as in ``Dependent``.
    """

    what: str
    name: str
    identity: str
    needs: tuple[str, ...] = ()
    sealed_by: str | None = None
    holds: bool = False
    outlives: bool = False
    provider: str = ""
    region: str = ""
    bytes: int = 0
    follows: str | None = None
    automated: bool = False
    source_region: str | None = None
    expires_at: datetime | None = None
    grant_id: str | None = None
    address: Address | None = None
    escrow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What a key service says of a key, and we of ours. ``window_days`` is the declared deletion window."""

    arn: str
    state: str = ""
    deletion_date: datetime | None = None
    aliases: tuple[str, ...] = ()
    address: Address | None = None
    window_days: int = 30


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Everything that was found. ``unreachable`` names, in words, whom nobody could ask: each counts as a user of
    every key (I3)."""

    entries: tuple[Entry, ...] = ()
    keys: Mapping[str, KeyFacts] = field(default_factory=dict)
    unreachable: tuple[str, ...] = ()

    def needing(self, identity: str) -> Sequence[Entry]:
        """What is of no use without that."""
        return self._needing.get(identity, ())

    def sealed_under(self, key_arn: str) -> list[Entry]:
        """What holds that key from being deleted by being under it, or under nobody knows which."""
        return [one for one in (*self.needing(key_arn), *self.needing(ANY_KEY)) if one.holds]

    def key(self, arn: str) -> KeyFacts:
        """What is known of a key."""
        return self.keys.get(arn) or KeyFacts(arn=arn)

    @cached_property
    def _needing(self) -> Mapping[str, list[Entry]]:
        # A plan that removes everything asks for every key: looking through all entries each time would be their
        # product.
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            for identity in entry.needs:
                found[identity].append(entry)
        return dict(found)


def joined(parts: Iterable[Inventory]) -> Inventory:
    """Several inventories as one."""
    found = list(parts)
    keys: dict[str, KeyFacts] = {}
    for part in found:
        # Keys of an HSM and of the key service beside it have ARNs of one form: who does not have a key knows nothing.
        keys.update({arn: facts for arn, facts in part.keys.items() if facts.state != NOT_FOUND or arn not in keys})
    return Inventory(
        entries=tuple(entry for part in found for entry in part.entries),
        keys=keys,
        unreachable=tuple(dict.fromkeys(name for part in found for name in part.unreachable)),
    )
