"""The state for pipelines (``schemas/state.json``, ``schemas/state-list.json``)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from reconciler.model.recorded import Recorded
from reconciler.state.store import Head
from reconciler.views.json_text import FORMAT_VERSION


def state_list_document(heads: Iterable[Head], *, lineage: str, serial: int) -> dict[str, Any]:
    """What ``state list --format json`` prints: the resources briefly, ordered by address."""
    return {
        "formatVersion": FORMAT_VERSION,
        "lineage": lineage,
        "serial": serial,
        "resources": [
            {
                "address": str(head.address),
                "id": head.identity,
                "standing": str(head.standing),
                "settled": head.settled,
            }
            for head in sorted(heads, key=lambda head: head.address)
        ],
    }


def state_document(rows: Iterable[Recorded], *, lineage: str, serial: int) -> dict[str, Any]:
    """The resources given, in full: all of the state (``show``), or the one of ``state show ADDRESS``."""
    return {
        "formatVersion": FORMAT_VERSION,
        "lineage": lineage,
        "serial": serial,
        "resources": [_resource(row) for row in rows],
    }


def _resource(row: Recorded) -> dict[str, Any]:
    return {
        "address": str(row.address),
        "uid": row.uid,
        "provider": row.provider,
        "id": row.identity,
        "standing": str(row.standing),
        "settled": row.settled,
        "protected": row.protected,
        "serial": row.serial,
        "references": [str(address) for address in row.references],
        "attributes": dict(row.attributes),
        "spec": None if row.spec is None else json.loads(row.spec),
        "specDigest": row.digest,
    }
