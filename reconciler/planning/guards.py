"""The guards that look beyond one resource: no key goes while anything is wrapped under it (CONTRACT 5, I3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from reconciler.model.address import Address
from reconciler.model.change import Block, Change, Operation, Verb
from reconciler.providers.census import Census
from reconciler.providers.data import KeyUse


def guard(changes: Sequence[Change], census: Callable[[], Census], accepted: Collection[Address]) -> list[Change]:
    """The changes, those refused that would leave something unreadable. Takes the census only when a key is cut off."""
    if not any(operation.cuts_off for change in changes for operation in change.operations):
        return list(changes)
    taken = census()
    leaving = _leaving(changes)
    return [_guarded(change, taken, leaving, accepted) for change in changes]


def _leaving(changes: Iterable[Change]) -> tuple[frozenset[str], frozenset[str]]:
    """ARNs of what lets go of its key in this plan, and of those whose snapshots follow it."""
    operations = [operation for change in changes for operation in change.operations]
    gone = frozenset(arn for operation in operations for arn in operation.lets_go)
    followed = frozenset(
        arn for operation in operations if operation.verb is Verb.SWITCH_KEY for arn in operation.lets_go
    )
    return gone, followed


def _guarded(
    change: Change, census: Census, leaving: tuple[frozenset[str], frozenset[str]], accepted: Collection[Address]
) -> Change:
    blocks = [
        block
        for operation in change.operations
        for arn in operation.cuts_off
        if (block := _block(change, operation, arn, census, leaving, accepted)) is not None
    ]
    return replace(change, blocked=(*change.blocked, *blocks)) if blocks else change


def _block(  # noqa: PLR0917  # one call site, above
    change: Change,
    operation: Operation,
    arn: str,
    census: Census,
    leaving: tuple[frozenset[str], frozenset[str]],
    accepted: Collection[Address],
) -> Block | None:
    gone, followed = leaving
    uses = [use for use in census.of(arn) if use.arn not in gone and use.of not in followed]
    if not uses and not census.unreachable:
        return None
    is_reversible = operation.verb is Verb.DISABLE
    if is_reversible and change.address in accepted:
        return None
    if not uses and is_reversible:
        return None
    what = _listed(uses, census.unreachable)
    if is_reversible:
        return Block(
            guard="outage",
            reason=f"disabling {change.address} makes unreachable: {what}",
            way_out=(
                "Switch them to another key first, or",
                f"accept the outage: run the command again with --accept-outage {change.address} (enabling undoes it).",
            ),
        )
    return Block(
        guard="key-in-use",
        reason=f"{change.address} still opens: {what}",
        way_out=(
            "Switch clusters and tables to another key, and apply.",
            "Delete snapshots and copies that still need it, or let them expire.",
            f"Then remove {change.address} again.",
        ),
    )


def _listed(uses: Sequence[KeyUse], unreachable: Sequence[str]) -> str:
    named = [f"{use.what} {use.name} ({use.bytes:,} bytes)" for use in uses]
    named += [f"whatever {provider} holds, which cannot be asked" for provider in unreachable]
    return ", ".join(named)
