"""What ends with a key: a pure function over the inventory (CONTRACT 3, I3, G13)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from reconciler.model.blast_radius import NOT_FOUND, BlastRadius, Dependent, Loss
from reconciler.planning.inventory import Entry, Inventory, KeyFacts
from reconciler.planning.way_forward import way_forward
from reconciler.providers.data import ANY_KEY


def blast_radius(inventory: Inventory, key_arn: str, now: datetime) -> BlastRadius:
    """The closure of a key: what is sealed under it, and what works only through that or through the key, nearest
    first. Also for a key that no service knows any more."""
    facts = inventory.key(key_arn)
    dependents = tuple(_closure(inventory, key_arn))
    holding = [one for one in dependents if one.holds]
    return BlastRadius(
        key_arn=key_arn,
        address=facts.address,
        aliases=facts.aliases,
        state=facts.state,
        deletion_date=facts.deletion_date,
        window_days=facts.window_days,
        dependents=dependents,
        unreachable=inventory.unreachable,
        earliest=None if inventory.unreachable or facts.state == NOT_FOUND else earliest(holding, facts, now),
        way_forward=way_forward(holding, inventory.unreachable, facts),
    )


def earliest(holding: Iterable[Dependent], facts: KeyFacts, now: datetime) -> datetime | None:
    """When the key can be gone: its deletion window after the last of what holds it has expired. None: something holds
    it that never goes by itself."""
    free = now
    for one in holding:
        if one.expires_at is None:
            return None
        free = max(free, one.expires_at)
    if facts.deletion_date is not None and facts.deletion_date >= free:
        return facts.deletion_date
    return free + timedelta(days=facts.window_days)


def _closure(inventory: Inventory, key_arn: str) -> list[Dependent]:
    lost = {key_arn, ANY_KEY}
    found: dict[Entry, str | None] = {}  # each with what it is lost through
    waiting: deque[tuple[str, str | None]] = deque([(key_arn, None), (ANY_KEY, None)])
    while waiting:
        gone, through = waiting.popleft()
        for entry in inventory.needing(gone):
            found.setdefault(entry, through)
            if entry.identity not in lost and not entry.outlives:
                lost.add(entry.identity)
                waiting.append((entry.identity, entry.identity))
    return [dependent(entry, through, is_sealed=entry.sealed_by in lost) for entry, through in found.items()]


def dependent(entry: Entry, through: str | None, *, is_sealed: bool) -> Dependent:
    """The entry as something that ends with a key, or with what it is lost ``through``."""
    return Dependent(
        what=entry.what,
        name=entry.name,
        identity=entry.identity,
        loss=Loss.NONE if entry.outlives else Loss.UNREADABLE if is_sealed else Loss.UNUSABLE,
        provider=entry.provider,
        region=entry.region,
        bytes=entry.bytes,
        through=through,
        follows=entry.follows,
        automated=entry.automated,
        source_region=entry.source_region,
        holds=entry.holds and through is None,
        expires_at=entry.expires_at,
        address=entry.address,
        escrow=entry.escrow,
    )
