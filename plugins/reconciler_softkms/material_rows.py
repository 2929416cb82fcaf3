"""What the store says of a key's material, without the material itself."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

CREATED: Final = "CREATED"
PENDING_ROTATION: Final = "PENDING_ROTATION"


@dataclass(frozen=True, slots=True)
class MaterialRow:
    """``kind`` is CREATED for what the key began with, AUTOMATIC or ON_DEMAND for what a rotation brought (at
    ``created_at``), PENDING_ROTATION for imported material that waits for one, or what ``due.BECOMING`` says.
    ``is_there`` is False for imported material that was deleted, has expired, or is not imported here yet."""

    material_id: str
    kind: str
    created_at: int
    is_there: bool
    expires_at: int | None
    description: str | None


def materials_of(connection: sqlite3.Connection, key_id: str) -> list[MaterialRow]:
    """All of the key's, oldest first."""
    found = connection.execute(
        "SELECT material_id, kind, created_at, sealed IS NOT NULL, expires_at, description FROM materials"
        " WHERE key_id = ? ORDER BY kind != 'CREATED', created_at, material_id",
        (key_id,),
    )
    return [MaterialRow(one[0], one[1], one[2], bool(one[3]), one[4], one[5]) for one in found]
