"""What happens to a recorded resource that no manifest declares any more (I17, CONTRACT 5)."""

from __future__ import annotations

import json

from reconciler.model.change import Action, Verdict
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


def _is_to_stay(row: Recorded) -> bool:
    spec = json.loads(row.spec) if row.spec is not None else {}
    return bool(spec.get("lifecycle", {}).get("retain", False))
