"""What a key still opens, and what else ends with it: the answer of the one inventory about one key (CONTRACT 3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from reconciler.model.address import Address

NOT_FOUND = "not found"
"""What stands for the state of a key that its key service does not have."""


class Loss(StrEnum):
    """What becomes of something when the key is gone."""

    UNREADABLE = "unreadable"  # its data are sealed under the key
    UNUSABLE = "unusable"  # it works only through the key, or through something that is lost with it
    NONE = "none"  # it stays as it is, and the key stays for as long as it does: a replica of a primary


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """One thing that ends with the key, managed or not.

    ``what`` is cluster, snapshot, table, grant, alias, state …; ``identity`` an ARN, or whatever names it for good.
    ``provider`` is the Provider that told of it ("" for our own state), ``region`` its Region. ``through`` is the
    identity of what it is lost with, None: the key itself. ``holds``: it keeps the key from being deleted until
    ``expires_at`` (None: for as long as it exists). ``address``: as what it is managed here. ``escrow``: the ARN of a
    second key that opens it (RE14).
    """

    what: str
    name: str
    identity: str
    loss: Loss
    provider: str = ""
    region: str = ""
    bytes: int = 0
    through: str | None = None
    follows: str | None = None
    automated: bool = False
    source_region: str | None = None
    holds: bool = False
    expires_at: datetime | None = None
    address: Address | None = None
    escrow: str | None = None

    @property
    def group(self) -> str:
        """Under which heading it stands: copies from other Regions and automated snapshots apart from manual ones."""
        if self.source_region is not None:
            return "copy from another Region"
        return "automated snapshot" if self.automated else self.what


@dataclass(frozen=True, slots=True, kw_only=True)
class BlastRadius:
    """Everything that ends with one key, nearest first.

    ``unreachable`` names whom nobody could ask: each counts as a user of the key. ``state`` is the key's own (Enabled,
    PendingDeletion …), ``NOT_FOUND`` when its service has no such key, "" when nobody could look; ``deletion_date``
    when it goes, where that is decided. ``earliest`` is the first moment at which it can be gone, None while something
    holds it that never goes by itself; ``way_forward`` what brings that about, in order. ``window_days`` is its
    deletion window.
    """

    key_arn: str
    address: Address | None = None
    aliases: tuple[str, ...] = ()
    state: str = ""
    deletion_date: datetime | None = None
    window_days: int = 30
    dependents: tuple[Dependent, ...] = ()
    unreachable: tuple[str, ...] = ()
    earliest: datetime | None = None
    way_forward: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What people call the key."""
        return str(self.address or next(iter(self.aliases), self.key_arn))

    def lost(self, loss: Loss) -> list[Dependent]:
        """Those of one sort of loss."""
        return [one for one in self.dependents if one.loss is loss]

    @property
    def holding(self) -> list[Dependent]:
        """What keeps the key from being deleted."""
        return [one for one in self.dependents if one.holds]

    @property
    def bytes(self) -> int:
        """How much becomes unreadable; what two of its wraps hold is counted once."""
        return sum({one.identity: one.bytes for one in self.lost(Loss.UNREADABLE)}.values())

    @property
    def unrecoverable(self) -> list[Dependent]:
        """Of what becomes unreadable: what no escrow key opens once this one is deleted (RE14)."""
        return [one for one in self.lost(Loss.UNREADABLE) if one.escrow in (None, self.key_arn)]

    @property
    def escrow_keys(self) -> list[str]:
        """The escrow keys that open any of it, each once."""
        keys = (one.escrow for one in self.lost(Loss.UNREADABLE))
        return list(dict.fromkeys(key for key in keys if key is not None and key != self.key_arn))

    @property
    def is_held(self) -> bool:
        """Whether the key must not be deleted now (I3)."""
        return bool(self.holding or self.unreachable)

    def counts(self, loss: Loss) -> dict[str, int]:
        """How many of each group, by group."""
        return counted(self.lost(loss))


def counted(dependents: Iterable[Dependent]) -> dict[str, int]:
    """How many different things of each group, in the order of their appearance."""
    seen: dict[str, set[str]] = {}
    for one in dependents:
        seen.setdefault(one.group, set()).add(one.identity)
    return {group: len(identities) for group, identities in seen.items()}
