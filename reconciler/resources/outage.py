"""What a step refuses right before it would put data out of reach (CONTRACT 5)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.errors import BlockedByGuard, Diagnostic
from reconciler.model.address import Address


def refuse_outage(address: Address, uses: Sequence[str], doing: str) -> None:
    """BlockedByGuard when anything came to rest on it since the plan; ``doing`` says what would put it out of reach."""
    if uses:
        raise BlockedByGuard(
            [
                Diagnostic(
                    code="outage",
                    summary=f"{doing} {address} makes unreachable: {', '.join(uses)}; nothing was done",
                    address=address,
                    suggestion="Switch them to another key first, or accept the outage: apply again with "
                    f"--accept-outage {address} (it can be undone).",
                )
            ]
        )
