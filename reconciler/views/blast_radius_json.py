"""What ends with a key, for pipelines (``schemas/blast-radius.json``; a plan has the same under each change)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reconciler.model.blast_radius import BlastRadius, Dependent, Loss
from reconciler.views.json_text import FORMAT_VERSION, timestamp


def blast_radius_document(radius: BlastRadius) -> dict[str, Any]:
    """The whole answer about one key."""
    return {"formatVersion": FORMAT_VERSION, **radius_document(radius)}


def radius_document(radius: BlastRadius) -> dict[str, Any]:
    """One key's, as it stands in a plan. ``recovery`` is what remains of the unreadable once the key is deleted."""
    return {
        "key": radius.key_arn,
        "address": None if radius.address is None else str(radius.address),
        "aliases": list(radius.aliases),
        "state": radius.state,
        "deletionDate": _moment(radius.deletion_date),
        "counts": {str(loss): radius.counts(loss) for loss in (Loss.UNREADABLE, Loss.UNUSABLE)},
        "bytes": radius.bytes,
        "recovery": _recovery(radius),
        "dependents": [_dependent(one) for one in radius.dependents],
        "unreachable": list(radius.unreachable),
        "earliestDeletion": _moment(radius.earliest),
        "windowDays": radius.window_days,
        "wayForward": list(radius.way_forward),
    }


def _recovery(radius: BlastRadius) -> str | None:
    if radius.unrecoverable:
        return "partly-in-escrow" if radius.escrow_keys else "unrecoverable"
    return "escrow" if radius.escrow_keys else None


def _dependent(one: Dependent) -> dict[str, Any]:
    return {
        "what": one.group,
        "name": one.name,
        "identity": one.identity,
        "loss": str(one.loss),
        "address": None if one.address is None else str(one.address),
        "provider": one.provider,
        "region": one.region,
        "bytes": one.bytes,
        "through": one.through,
        "holds": one.holds,
        "expiresAt": _moment(one.expires_at),
        **({} if one.escrow is None else {"escrow": one.escrow}),
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
