"""EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand, ListKeyRotations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from reconciler.access.caller import Caller
from reconciler_softkms import due
from reconciler_softkms.door import Door
from reconciler_softkms.material_rows import PENDING_ROTATION, MaterialRow
from reconciler_softkms.operations import rotation
from reconciler_softkms.operations.importing import DOES_NOT_EXPIRE, EXPIRES
from reconciler_softkms.pages import PageOf
from reconciler_softkms.rows import EXTERNAL, KeyRow, moment
from reconciler_softkms.wire.keys import OfKey
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import Asked, KeyName, Limit, Marker

_USUAL_DAYS: Final = 365


class EnableKeyRotation(Asked):
    """Its form."""

    key_id: KeyName
    rotation_period_in_days: Annotated[int, Field(ge=rotation.SHORTEST_DAYS, le=rotation.LONGEST_DAYS)] = _USUAL_DAYS


class ListKeyRotations(Asked):
    """Its form."""

    key_id: KeyName
    include_key_material: Literal["ALL_KEY_MATERIAL", "ROTATIONS_ONLY"] = "ROTATIONS_ONLY"
    limit: Limit | None = None
    marker: Marker | None = None


def enable_key_rotation(door: Door, caller: Caller, asked: EnableKeyRotation) -> Mapping[str, Any]:
    """Nothing."""
    rotation.enable_rotation(door, caller, asked.key_id, asked.rotation_period_in_days)
    return {}


def disable_key_rotation(door: Door, caller: Caller, asked: OfKey) -> Mapping[str, Any]:
    """Nothing."""
    rotation.disable_rotation(door, caller, asked.key_id)
    return {}


def get_key_rotation_status(door: Door, caller: Caller, asked: OfKey) -> Mapping[str, Any]:
    """Whether and when the key rotates by itself."""
    found = rotation.rotation_status(door, caller, asked.key_id)
    return {
        "KeyRotationEnabled": found.period_days is not None,
        "KeyId": found.key_arn,
        "RotationPeriodInDays": found.period_days,
        "NextRotationDate": found.next_at,
        "OnDemandRotationStartDate": found.on_demand_began_at,
    }


def rotate_key_on_demand(door: Door, caller: Caller, asked: OfKey) -> Mapping[str, Any]:
    """The key's ARN."""
    return {"KeyId": rotation.rotate_on_demand(door, caller, asked.key_id)}


def list_key_rotations(door: Door, caller: Caller, asked: ListKeyRotations) -> Mapping[str, Any]:
    """A page of rotations, or of all material."""
    all_material = asked.include_key_material == "ALL_KEY_MATERIAL"
    row, awaited, found = rotation.page_of_rotations(
        door, caller, asked.key_id, PageOf(asked.limit, asked.marker), all_material=all_material
    )
    return found.answer("Rotations", lambda one: _entry(row, one, door.names.key_arn(row.key_id), awaited))


def _entry(row: KeyRow, one: MaterialRow, arn: str, awaited: frozenset[str]) -> dict[str, Any]:
    is_rotation = one.kind in due.BECOMING
    shown = {
        "KeyId": arn,
        "KeyMaterialId": one.material_id,
        "KeyMaterialState": _state(row, one, awaited),
        "RotationDate": moment(one.created_at) if is_rotation else None,
        "RotationType": one.kind if is_rotation else None,
    }
    if row.origin != EXTERNAL:
        return shown
    expiry = None if one.expires_at is None else moment(one.expires_at)
    return shown | {
        "KeyMaterialDescription": one.description,
        "ImportState": "IMPORTED" if one.is_there else "PENDING_IMPORT",
        "ExpirationModel": None if not one.is_there else DOES_NOT_EXPIRE if expiry is None else EXPIRES,
        "ValidTo": expiry,
    }


def _state(row: KeyRow, one: MaterialRow, awaited: frozenset[str]) -> str:
    if one.kind == PENDING_ROTATION:
        return "PENDING_MULTI_REGION_IMPORT_AND_ROTATION" if one.material_id in awaited else PENDING_ROTATION
    return "CURRENT" if one.material_id == row.material_id else "NON_CURRENT"


OPERATIONS = {
    "EnableKeyRotation": Operation(EnableKeyRotation, enable_key_rotation),
    "DisableKeyRotation": Operation(OfKey, disable_key_rotation),
    "GetKeyRotationStatus": Operation(OfKey, get_key_rotation_status),
    "RotateKeyOnDemand": Operation(OfKey, rotate_key_on_demand),
    "ListKeyRotations": Operation(ListKeyRotations, list_key_rotations),
}
