"""RotateKeyOnDemand, EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, ListKeyRotations (KM10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.access.caller import Caller
from reconciler.access.request import Values
from reconciler.errors import (
    ConflictException,
    KMSInvalidStateException,
    LimitExceededException,
    UnsupportedOperationException,
    ValidationException,
)
from reconciler.model.article import a
from reconciler.providers.keys import KeyState
from reconciler_softkms import due
from reconciler_softkms.door import Door
from reconciler_softkms.material_rows import CREATED, PENDING_ROTATION, MaterialRow, materials_of
from reconciler_softkms.pages import Page, PageOf, after, page
from reconciler_softkms.request import Request
from reconciler_softkms.rows import EXTERNAL, KeyRow, microseconds_of_days, moment
from reconciler_softkms.specs import SYMMETRIC
from reconciler_softkms.states import is_pending_deletion, require_usable

SHORTEST_DAYS: Final = 90
LONGEST_DAYS: Final = 2560
MOST_ON_DEMAND: Final = 25
_CONFLICT_MICROSECONDS: Final = 20 * 60 * 1_000_000
_ROTATIONS_A_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class RotationStatus:
    """``period_days`` and ``next_at`` are None while automatic rotation is off."""

    key_arn: str
    period_days: int | None
    next_at: datetime | None
    on_demand_began_at: datetime | None


def rotate_key(door: Door, caller: Caller, key_id: str, token: str) -> str:
    """See ``RotatesKeys.rotate_key``. The rotation counts as automatic when the key's own period was over, and begins a
    new period."""
    door.store.seal()
    with door.change(caller, "RotateKeyOnDemand", {"keyId": key_id}) as asked:
        row = _rotatable(asked, key_id, "kms:RotateKeyOnDemand", as_is=True)
        asked.response = {"keyId": door.names.key_arn(row.key_id)}
        made = asked.connection.execute(
            "SELECT material_id FROM materials WHERE key_id = ? AND token = ?", (row.key_id, token)
        ).fetchone()
        if row.unsettled or row.replicas != "[]":
            asked.unsettled.append(row.key_id)
            asked.shares = True
        if made is not None:
            return str(made[0])
        kind = due.AUTOMATIC if due.is_due(row, door.names.region, asked.now) else due.ON_DEMAND
        due.begin_period(asked.connection, row, asked.now)
        return _rotate(asked, row, kind, token)


def rotate_on_demand(door: Door, caller: Caller, key_id: str) -> str:
    """Rotate now, whatever the key's own period; the key's ARN. LimitExceededException after 25 rotations on demand,
    ConflictException right after an automatic rotation, or while another one goes on."""
    door.store.seal()
    with door.change(caller, "RotateKeyOnDemand", {"keyId": key_id}) as asked:
        row = _rotatable(asked, key_id, "kms:RotateKeyOnDemand")
        arn = door.names.key_arn(row.key_id)
        kept = materials_of(asked.connection, row.key_id)
        if any(one.kind in due.BECOMING.values() for one in kept):
            asked.unsettled.append(row.key_id)
            raise ConflictException(f"A rotation of {arn} is in progress; try again when it is over")
        automatic = [one.created_at for one in kept if one.kind == due.AUTOMATIC]
        if automatic and asked.now - max(automatic) < _CONFLICT_MICROSECONDS:
            raise ConflictException(f"{arn} has just been rotated automatically; try again in 20 minutes")
        if sum(one.kind == due.ON_DEMAND for one in kept) >= MOST_ON_DEMAND:
            raise LimitExceededException(
                "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be"
                f" performed for this key: {arn}",
                detail=f"It was rotated on demand {MOST_ON_DEMAND} times, the most there is",
            )
        _rotate(asked, row, due.ON_DEMAND, None)
        if row.replicas != "[]":
            asked.unsettled.append(row.key_id)
            asked.shares = True
        asked.response = {"keyId": arn}
        return arn


def enable_rotation(door: Door, caller: Caller, key_id: str, period_days: int) -> None:
    """See ``RotatesKeys.enable_key_rotation``. The period counts from now; another period, from when the old began."""
    parameters = {"keyId": key_id, "rotationPeriodInDays": period_days}
    with door.change(caller, "EnableKeyRotation", parameters) as asked:
        attributes: dict[str, Values] = {"kms:rotationperiodindays": (str(period_days),)}
        row = _rotatable(asked, key_id, "kms:EnableKeyRotation", attributes, automatically=True)
        if not SHORTEST_DAYS <= period_days <= LONGEST_DAYS:
            raise ValidationException(
                f"A key rotates every {SHORTEST_DAYS} to {LONGEST_DAYS} days by itself, not every {period_days}"
            )
        if row.rotation_days == period_days:
            return
        began = asked.now
        if row.rotation_at is not None and row.rotation_days is not None:
            began = row.rotation_at - microseconds_of_days(row.rotation_days)
        asked.connection.execute(
            "UPDATE keys SET rotation_days = ?, rotation_at = ? WHERE key_id = ?",
            (period_days, began + microseconds_of_days(period_days), row.key_id),
        )
        asked.share(row)


def disable_rotation(door: Door, caller: Caller, key_id: str) -> None:
    """See ``RotatesKeys.disable_key_rotation``."""
    with door.change(caller, "DisableKeyRotation", {"keyId": key_id}) as asked:
        row = _rotatable(asked, key_id, "kms:DisableKeyRotation", automatically=True)
        asked.connection.execute(
            "UPDATE keys SET rotation_days = NULL, rotation_at = NULL WHERE key_id = ?", (row.key_id,)
        )
        asked.share(row)


def rotation_status(door: Door, caller: Caller, key_id: str) -> RotationStatus:
    """How the key rotates. A key that is pending deletion does not; one whose material is imported never by itself."""
    door = door.siblings.holding(door, key_id)
    with door.look(caller, "GetKeyRotationStatus", {"keyId": key_id}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:GetKeyRotationStatus")
        _require_symmetric(row, door.names.key_arn(row.key_id))
        becoming = [
            one.created_at
            for one in materials_of(asked.connection, row.key_id)
            if one.kind == due.BECOMING[due.ON_DEMAND]
        ]
        is_on = row.rotation_at is not None and not is_pending_deletion(row)
        return RotationStatus(
            door.names.key_arn(row.key_id),
            row.rotation_days if is_on else None,
            moment(row.rotation_at) if is_on and row.rotation_at is not None else None,
            moment(min(becoming)) if becoming else None,
        )


def page_of_rotations(
    door: Door, caller: Caller, key_id: str, which: PageOf, *, all_material: bool
) -> tuple[KeyRow, frozenset[str], Page[MaterialRow]]:
    """The key; the ids of what waits to be imported into replicas too; and the key's completed rotations, oldest first.
    With ``all_material``, the material that it began with and what waits for a rotation too."""
    with door.look(caller, "ListKeyRotations", {"keyId": key_id}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:ListKeyRotations")
        _require_symmetric(row, door.names.key_arn(row.key_id))
        kept = [one for one in materials_of(asked.connection, row.key_id) if one.kind not in due.BECOMING.values()]
        if not all_material:
            kept = [one for one in kept if one.kind in due.BECOMING]
        places = [(f"{one.kind != CREATED:d}{one.created_at:020}{one.material_id}", one) for one in kept]
        about = f"{row.key_id} {all_material}"
        awaited = frozenset(
            one.material_id for one in kept if one.kind == PENDING_ROTATION and _missing(asked, row, one.material_id)
        )
        return row, awaited, page(asked, which, _ROTATIONS_A_PAGE, about, after(places))


def _rotate(asked: Request, row: KeyRow, kind: str, token: str | None) -> str:
    if row.origin != EXTERNAL:
        return due.make_newest(asked.door, asked.connection, row, kind=kind, now=asked.now, token=token)
    waiting = [one for one in materials_of(asked.connection, row.key_id) if one.kind == PENDING_ROTATION]
    arn = asked.names.key_arn(row.key_id)
    if not waiting or not waiting[0].is_there:
        raise KMSInvalidStateException(
            f"No available key material pending rotation for the key: {arn}.",
            suggestion="Import new key material (ImportType NEW_KEY_MATERIAL) first.",
        )
    (new,) = waiting
    missing = _missing(asked, row, new.material_id)
    if missing:
        raise KMSInvalidStateException(
            f"The new key material is not imported into {arn}'s replica in {missing[0]} yet."
        )
    asked.connection.execute(
        "UPDATE materials SET kind = ?, created_at = ?, token = ? WHERE key_id = ? AND material_id = ?",
        (kind, asked.now, token, row.key_id, new.material_id),
    )
    due.set_newest(asked.connection, row, new.material_id, asked.now)
    due.expire_first(asked.connection, row.key_id)
    asked.share(row)
    return new.material_id


def _missing(asked: Request, row: KeyRow, material_id: str) -> list[str]:
    """The Regions whose replicas that imported material is not in."""
    siblings = asked.door.siblings
    return [
        region
        for region in siblings.replicas(asked.door, row)
        if not siblings.has_material(asked.door, region, row.key_id, material_id)
    ]


def _rotatable(
    asked: Request,
    key_id: str,
    action: str,
    attributes: dict[str, Values] | None = None,
    *,
    automatically: bool = False,
    as_is: bool = False,
) -> KeyRow:
    row = asked.key(key_id, as_is=as_is)
    asked.authorize(row, action, attributes=attributes or {})
    arn = asked.names.key_arn(row.key_id)
    # As there: a key that cannot be used is told so before what it could never do; one that waits for material is not.
    if row.state != KeyState.PENDING_IMPORT:
        require_usable(row, arn)
    _require_symmetric(row, arn)
    if automatically and row.origin == EXTERNAL:
        raise UnsupportedOperationException(f"{arn} has imported key material, which does not rotate by itself")
    if row.primary_region not in (None, asked.names.region):
        raise UnsupportedOperationException(f"{arn} is a replica; rotate its primary in {row.primary_region}")
    require_usable(row, arn)
    return row


def _require_symmetric(row: KeyRow, arn: str) -> None:
    if row.key_spec != SYMMETRIC:
        raise UnsupportedOperationException(f"{arn} is {a(f'{row.key_spec} key')}; only symmetric keys rotate")
