"""Values of rows as what they stand for. What no version of this ever wrote there is damage, and is said to be (I21).

These are the columns that no MAC covers, or that are read before one is checked.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from reconciler.errors import DamagedStore
from reconciler.providers.data import RootKind


def moment(text: str) -> datetime:
    """A time. DamagedStore."""
    try:
        return datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise _damaged("a time") from None


def root_kind(text: str) -> RootKind:
    """A kind of root. DamagedStore."""
    try:
        return RootKind(text)
    except ValueError:
        raise _damaged("the kind of a root") from None


def mapping(text: str) -> dict[str, Any]:
    """An object of JSON: an encryption context, the facts of an operation. DamagedStore."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise _damaged("an object") from None
    if not isinstance(found, dict):
        raise _damaged("an object")
    return found


def context(text: str) -> dict[str, str]:
    """An encryption context. DamagedStore."""
    found = mapping(text)
    if not all(isinstance(value, str) for value in found.values()):
        raise _damaged("an encryption context")
    return found


def _damaged(what: str) -> DamagedStore:
    return DamagedStore(
        f"A store of the warehouse has something in the place of {what}: it was changed outside",
        suggestion="Nothing was repaired by guessing. Restore the warehouse's folder from a backup.",
    )
