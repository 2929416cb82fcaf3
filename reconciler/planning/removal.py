"""What happens to a recorded resource that no manifest declares any more (I17, CONTRACT 5)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from reconciler.model.address import Address
from reconciler.model.change import Action, Change, Verdict
from reconciler.model.recorded import Recorded, Standing
from reconciler.planning.request import PlanRequest


def without_asking(row: Recorded, request: PlanRequest) -> Verdict | None:
    """The verdict where the kind has no say: forget what was never made, keep what is protected. None: the kind
    decides."""
    if row.identity is None:
        return Verdict(action=Action.FORGET)
    if row.standing is Standing.LEAVING:
        return None
    if row.protected and not (request.destroy and request.confirmed):
        return Verdict(action=Action.RETAIN)
    if _is_to_stay(row) and not (request.destroy and request.confirmed):
        return Verdict(action=Action.RETAIN)
    return None


def keep_what_is_needed(
    changes: Iterable[Change], rows: Mapping[Address, Recorded], rank: Callable[[str], int | None]
) -> list[Change]:
    """The changes, where nothing is removed that something retained still needs: what that refers to, and the policies
    and grants that complete it (``rank`` is that of ``graph.build``)."""
    found = {change.address: change for change in changes}
    retained = [address for address, change in found.items() if change.action is Action.RETAIN]
    completing: dict[Address, list[Address]] = {}
    for address, change in found.items():
        if change.action is Action.DELETE and rank(address.kind) is not None and address in rows:
            for target in rows[address].references:
                completing.setdefault(target, []).append(address)
    while retained:
        address = retained.pop()
        for needed in (*rows[address].references, *completing.get(address, ())):
            other = found.get(needed)
            if other is not None and other.action is Action.DELETE:
                found[needed] = Change(address=needed, action=Action.RETAIN)
                retained.append(needed)
    return list(found.values())


def _is_to_stay(row: Recorded) -> bool:
    spec = json.loads(row.spec) if row.spec is not None else {}
    return bool(spec.get("lifecycle", {}).get("retain", False))
