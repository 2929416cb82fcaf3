"""Disabling a key or revoking the grant that data rest on is a kill switch: reversible, and never by accident."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.blast_radius import Dependent
from reconciler.model.change import Block, Change
from reconciler.planning.guards.key_in_use import listed


def outage(change: Change, doing: str, dependents: Sequence[Dependent], unreachable: Sequence[str]) -> Block:
    """The refusal. ``doing`` is what makes it: disabling, revoking."""
    return Block(
        guard="outage",
        reason=f"{doing} {change.address} makes unreachable: {listed(dependents, unreachable)}",
        way_out=(
            "Switch them to another key first, or",
            f"accept the outage: run the command again with --accept-outage {change.address} "
            f"({'enabling' if doing == 'disabling' else 'granting it again'} undoes it).",
        ),
    )
