"""One resource as its provider describes it now, for pipelines (``schemas/resource.json``)."""

from __future__ import annotations

from typing import Any

from reconciler.model.address import Address
from reconciler.model.shown import Shown
from reconciler.views.json_text import FORMAT_VERSION, timestamp


def resource_document(address: Address, shown: Shown) -> dict[str, Any]:
    """Its facts by name, and its events, newest first."""
    return {
        "formatVersion": FORMAT_VERSION,
        "address": str(address),
        "description": dict(shown.facts),
        "events": [
            {
                "at": timestamp(event.at),
                "category": event.category,
                "severity": event.severity,
                "message": event.message,
            }
            for event in shown.events
        ],
    }
