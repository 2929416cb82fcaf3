"""RotateKeyOnDemand, EnableKeyRotation, DisableKeyRotation (KM10)."""

from __future__ import annotations

from typing import Final

from reconciler.access.caller import Caller
from reconciler.errors import UnsupportedOperationException, ValidationException
from reconciler_softkms.door import Door
from reconciler_softkms.request import Request
from reconciler_softkms.rows import KeyRow, microseconds_of_days
from reconciler_softkms.specs import SYMMETRIC
from reconciler_softkms.states import require_usable

SHORTEST_DAYS: Final = 90
LONGEST_DAYS: Final = 2560


def rotate_key(door: Door, caller: Caller, key_id: str, token: str) -> str:
    """See ``RotatesKeys.rotate_key``. The rotation counts as automatic when the key's own period was over."""
    door.store.seal()
    with door.change(caller, "RotateKeyOnDemand", {"keyId": key_id}) as asked:
        row = _rotatable(asked, key_id, "kms:RotateKeyOnDemand")
        made = asked.connection.execute(
            "SELECT material_id FROM materials WHERE key_id = ? AND token = ?", (row.key_id, token)
        ).fetchone()
        if made is not None:
            return str(made[0])
        material_id = door.materials.add(
            asked.connection, row.key_id, row.key_spec, kind=_kind(row, asked.now), now=asked.now, token=token
        )
        asked.connection.execute(
            "UPDATE keys SET material_id = ?, rotated_at = ? WHERE key_id = ?", (material_id, asked.now, row.key_id)
        )
        asked.response = {"keyId": door.names.key_arn(row.key_id)}
        return material_id


def enable_rotation(door: Door, caller: Caller, key_id: str, period_days: int) -> None:
    """See ``RotatesKeys.enable_key_rotation``."""
    parameters = {"keyId": key_id, "rotationPeriodInDays": period_days}
    with door.change(caller, "EnableKeyRotation", parameters) as asked:
        row = _rotatable(asked, key_id, "kms:EnableKeyRotation", {"kms:rotationperiodindays": (str(period_days),)})
        if not SHORTEST_DAYS <= period_days <= LONGEST_DAYS:
            raise ValidationException(
                f"A key rotates every {SHORTEST_DAYS} to {LONGEST_DAYS} days by itself, not every {period_days}"
            )
        asked.connection.execute("UPDATE keys SET rotation_days = ? WHERE key_id = ?", (period_days, row.key_id))


def disable_rotation(door: Door, caller: Caller, key_id: str) -> None:
    """See ``RotatesKeys.disable_key_rotation``."""
    with door.change(caller, "DisableKeyRotation", {"keyId": key_id}) as asked:
        row = _rotatable(asked, key_id, "kms:DisableKeyRotation")
        asked.connection.execute("UPDATE keys SET rotation_days = NULL WHERE key_id = ?", (row.key_id,))


def _rotatable(
    asked: Request, key_id: str, action: str, attributes: dict[str, tuple[str, ...]] | None = None
) -> KeyRow:
    row = asked.key(key_id)
    asked.authorize(row, action, attributes=attributes or {})
    arn = asked.names.key_arn(row.key_id)
    require_usable(row, arn)
    if row.key_spec != SYMMETRIC:
        raise UnsupportedOperationException(f"{arn} is a {row.key_spec} key; only symmetric keys rotate")
    return row


def _kind(row: KeyRow, now: int) -> str:
    due = row.rotation_days is not None and row.rotated_at + microseconds_of_days(row.rotation_days) <= now
    return "AUTOMATIC" if due else "ON_DEMAND"
