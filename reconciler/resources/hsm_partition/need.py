"""Whether anything stored still names a cluster key: asked of every data plane right before one is destroyed (I3)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reconciler.errors import BlockedByGuard, Diagnostic
from reconciler.model.address import Address
from reconciler.model.ports import StepServices
from reconciler.providers.retired_keys import NOBODY_ASKED, KnowsRetiredKeys, RetiredKeys


def require_unneeded(
    services: StepServices, address: Address, partition: str, key_ids: Collection[str], used: Collection[str] = ()
) -> RetiredKeys:
    """What the data planes say of these keys and of the partition of that ARN. BlockedByGuard unless all were asked and
    none needs one of the keys, there or in a partition that it was replicated to. ``used`` are needed anyway."""
    known = services.retired_keys(partition, key_ids) if isinstance(services, KnowsRetiredKeys) else NOBODY_ASKED
    needed = sorted({*used, *known.needed} & set(key_ids))
    if not needed and not known.unreachable:
        return known
    why = f"something is under {', '.join(needed)}" if needed else unknown_need(known.unreachable)
    raise BlockedByGuard(
        [
            Diagnostic(
                code="key-in-use",
                summary=f"{address} destroys no cluster key: {why}",
                address=address,
                suggestion="Rotate what is under it, so that it gets a key of its own; then plan again."
                if needed
                else f"Make {' and '.join(known.unreachable)} answer, then apply again.",
            )
        ]
    )


def unknown_need(unreachable: Sequence[str]) -> str:
    """Who could not be asked."""
    return ", ".join(f"whatever {name} needs, which cannot be asked" for name in unreachable)
