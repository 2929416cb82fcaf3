"""No key goes while anything is sealed under it, managed or not: refused absolutely (CONTRACT 5, I3)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.blast_radius import Dependent
from reconciler.model.change import Block, Change
from reconciler.planning.inventory import KeyFacts
from reconciler.planning.way_forward import way_forward

MOST_NAMES = 20
_WITHOUT_DATA = ("grant", "replica")


def key_in_use(change: Change, holding: Sequence[Dependent], unreachable: Sequence[str], facts: KeyFacts) -> Block:
    """The refusal, with what frees the key."""
    return Block(
        guard="key-in-use",
        reason=f"{change.address} {_holds(holding)}: {listed(holding, unreachable)}",
        way_out=way_forward(holding, unreachable, facts),
    )


def _holds(holding: Sequence[Dependent]) -> str:
    if holding and all(one.what == "replica" for one in holding):
        return "goes after its replicas, and there stays"
    return "still opens"


def listed(dependents: Sequence[Dependent], unreachable: Sequence[str], *, with_bytes: bool = True) -> str:
    """What they are, with their bytes, and whom nobody could ask."""
    shown = dependents[:MOST_NAMES]
    named = [
        f"{one.group} {one.name}" + (f" ({one.bytes:,} bytes)" if with_bytes and one.what not in _WITHOUT_DATA else "")
        for one in shown
    ]
    if len(dependents) > len(shown):
        named.append(f"{len(dependents) - len(shown):,} more")
    return ", ".join([*named, *(f"whatever {name} holds, which cannot be asked" for name in unreachable)])
