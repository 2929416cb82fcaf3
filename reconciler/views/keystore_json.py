"""Key stores for pipelines (``schemas/keystore-list.json``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.providers.key_store import StoreDescription
from reconciler.views.json_text import FORMAT_VERSION


def keystore_list_document(found: Mapping[str, StoreDescription | None]) -> dict[str, Any]:
    """What ``keystore list --format json`` prints: the stores that there are."""
    return {
        "formatVersion": FORMAT_VERSION,
        "keystores": [
            {
                "provider": name,
                "path": str(store.path),
                "seal": store.seal,
                "isAsDeclared": store.is_as_declared,
                "generation": store.generation,
                "keys": store.keys,
                "materials": store.materials,
                "position": store.position,
                "bytes": store.size,
            }
            for name, store in found.items()
            if store is not None
        ],
    }
