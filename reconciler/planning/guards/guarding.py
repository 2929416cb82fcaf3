"""Every change of a plan through the guards, over one inventory that is taken when something first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from reconciler.model.address import Address
from reconciler.model.blast_radius import BlastRadius
from reconciler.model.change import Availability, Block, Change, Operation, Verb
from reconciler.planning.blast_radius import blast_radius, dependent
from reconciler.planning.guards.key_in_use import key_in_use, listed
from reconciler.planning.guards.leaving import Leaving, leaving
from reconciler.planning.guards.outage import outage
from reconciler.planning.guards.touching import References, Row, touched_keys
from reconciler.planning.inventory import Entry, Inventory


class TakesInventory(Protocol):
    """Asks every declared provider, once."""

    def __call__(self, keys: Collection[str] | None = None, *, to_show: bool = False) -> Inventory:
        """Of everything, or of what concerns these keys (ARNs); ``to_show``: nothing is decided by it."""


def guard(
    changes: Sequence[Change],
    inventory: TakesInventory,
    *,
    accepted: Collection[Address],
    now: datetime,
    row: Row,
    references: References,
) -> list[Change]:
    """The changes, each with what the keys open that it is about; those refused that would leave something unreadable.
    The inventory is taken once, and only when a change is about a key that exists."""
    touched = {change.address: touched_keys(change, row, references) for change in changes}
    keys = dict.fromkeys(arn for found in touched.values() for arn in found)
    operations = [operation for change in changes for operation in change.operations]
    revokes = any(operation.revokes for operation in operations)
    if not keys and not revokes:
        return list(changes)
    taken = inventory(list(keys), to_show=not revokes and not any(operation.cuts_off for operation in operations))
    radii = {arn: blast_radius(taken, arn, now) for arn in keys}
    guards = _Guards(taken, leaving(changes), accepted)
    return [guards.checked(change, radii, touched[change.address]) for change in changes]


class _Guards:
    """What one plan's changes are checked against."""

    def __init__(self, inventory: Inventory, leaving: Leaving, accepted: Collection[Address]) -> None:
        self._inventory, self._leaving, self._accepted = inventory, leaving, accepted

    def checked(self, change: Change, radii: Mapping[str, BlastRadius], keys: Sequence[str]) -> Change:
        found = [self._cut_off(change, operation, arn) for operation in change.operations for arn in operation.cuts_off]
        found += [
            self._revoked(change, operation.revokes, arn)
            for operation in change.operations
            if operation.revokes
            for arn in keys
        ]
        blocks = [block for block in found if block is not None]
        known = tuple(radii[arn] for arn in keys)
        if not blocks and not known:
            return change
        return replace(
            change,
            operations=tuple(self._told(operation, keys) for operation in change.operations),
            blocked=(*change.blocked, *blocks),
            blast_radius=known,
        )

    def _told(self, operation: Operation, keys: Sequence[str]) -> Operation:
        """The operation with what nobody reaches once it is done: who accepts an outage reads what it is."""
        entries = [entry for arn in operation.cuts_off for entry in self._staying(arn, lambda entry: True)]
        if operation.revokes:
            entries += [entry for arn in keys for entry in self._resting(operation.revokes, arn)]
        lost = dict.fromkeys(
            dependent(entry, None, is_sealed=True) for entry in entries if entry.what not in ("grant", "replica")
        )
        if not lost or operation.verb in (Verb.SCHEDULE_DELETION, Verb.DELETE):
            return operation
        return replace(
            operation,
            # Without their bytes: writing rows makes no saved plan stale.
            reason=f"{operation.reason}; it makes unreachable: {listed(list(lost), (), with_bytes=False)}",
            impact=replace(operation.impact, availability=Availability.DOWN),
        )

    def _cut_off(self, change: Change, operation: Operation, arn: str) -> Block | None:
        # What a disabled primary opens, its replicas go on opening.
        is_outage = operation.verb is Verb.DISABLE
        staying = self._staying(arn, lambda entry: not (is_outage and entry.outlives))
        unreachable = self._inventory.unreachable
        if not staying and not unreachable:
            return None
        holding = [dependent(entry, None, is_sealed=True) for entry in staying]
        if not is_outage:
            return key_in_use(change, holding, unreachable, self._inventory.key(arn))
        if change.address in self._accepted:
            return None
        return outage(change, "disabling", holding, unreachable)

    def _revoked(self, change: Change, grants: Collection[str], arn: str) -> Block | None:
        """Of what data planes work from; what principals need is the lockout simulation's to say."""
        resting = self._resting(grants, arn)
        if not resting or change.address in self._accepted:
            return None
        return outage(change, "revoking", [dependent(entry, None, is_sealed=True) for entry in resting], ())

    def _resting(self, grants: Collection[str], arn: str) -> list[Entry]:
        return self._staying(arn, lambda entry: entry.what != "grant" and entry.grant_id in grants)

    def _staying(self, arn: str, fits: Callable[[Entry], bool]) -> list[Entry]:
        found = {entry.identity: entry for entry in self._inventory.sealed_under(arn)}
        return [entry for entry in found.values() if fits(entry) and not self._leaving.has(entry)]
