"""Names of segments: checked wherever one becomes a path, a key of an object, a row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from reconciler.errors import DamagedStore

_NAME: Final = re.compile(r"[0-9a-f]{32}\.[1-9][0-9]{0,18}")


def checked(name: str, catalogue: Path) -> str:
    """``name``. DamagedStore for one that this code never gave: names come from the catalogue, and one that leads
    elsewhere (``../``) must not have anything read or removed there (T12)."""
    if not _NAME.fullmatch(name):
        raise DamagedStore(
            f"The catalogue at {catalogue} names a segment file in a way that nothing here does",
            suggestion="Nothing was touched. Restore the warehouse's folder from a backup.",
        )
    return name
