"""GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial: material that comes from outside (KM1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.access.caller import Caller
from reconciler.access.request import Values
from reconciler.envelope.data_key import DataKey
from reconciler.errors import (
    IncorrectKeyMaterialException,
    InvalidImportTokenException,
    KMSInvalidStateException,
    NotFoundException,
    UnsupportedOperationException,
    ValidationException,
)
from reconciler.providers.key_material import ImportParameters
from reconciler.providers.keys import KeyState
from reconciler_softkms import due
from reconciler_softkms.door import Door
from reconciler_softkms.material_rows import CREATED, PENDING_ROTATION, MaterialRow, materials_of
from reconciler_softkms.operations.deleting import has_material
from reconciler_softkms.request import Request
from reconciler_softkms.rows import EXTERNAL, KeyRow, microseconds, microseconds_of_days, moment
from reconciler_softkms.specs import SYMMETRIC
from reconciler_softkms.states import require_importable, require_removable

NEW: Final = "NEW_KEY_MATERIAL"
EXISTING: Final = "EXISTING_KEY_MATERIAL"
EXPIRES: Final = "KEY_MATERIAL_EXPIRES"
DOES_NOT_EXPIRE: Final = "KEY_MATERIAL_DOES_NOT_EXPIRE"
_LONGEST_DAYS: Final = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What is imported. ``expires_at`` None: never. ``kind`` (NEW, EXISTING), ``description`` and ``material_id`` are
    for symmetric keys; None where the request leaves it to the service."""

    token: bytes
    wrapped: bytes
    expires_at: datetime | None = None
    kind: str | None = None
    description: str | None = None
    material_id: str | None = None


def get_parameters(
    door: Door, caller: Caller, key_id: str, *, wrapping_algorithm: str, wrapping_key_spec: str
) -> ImportParameters:
    """See ``ImportsKeyMaterial.get_parameters_for_import``."""
    from reconciler_softkms import wrapping  # cryptography: whoever only looks does without

    parameters = {"keyId": key_id, "wrappingAlgorithm": wrapping_algorithm, "wrappingKeySpec": wrapping_key_spec}
    attributes: dict[str, Values] = {
        "kms:wrappingalgorithm": (wrapping_algorithm,),
        "kms:wrappingkeyspec": (wrapping_key_spec,),
    }

    def asked_key(asked: Request) -> KeyRow:
        row = asked.key(key_id)
        asked.authorize(row, "kms:GetParametersForImport", attributes=attributes)
        arn = _require_external(asked, row)
        require_importable(row, arn, parameters=True)
        if wrapping_algorithm not in wrapping.ALGORITHMS or wrapping_key_spec not in wrapping.WRAPPING_SPECS:
            raise UnsupportedOperationException(
                f"Material is wrapped by one of {', '.join(wrapping.ALGORITHMS)} under"
                f" {', '.join(wrapping.WRAPPING_SPECS)}, not by {wrapping_algorithm} under {wrapping_key_spec}"
            )
        return row

    door.store.seal()
    with door.use(caller, "GetParametersForImport", parameters, is_first_half=True) as asked:
        asked_key(asked)
    pair = wrapping.fresh_pair(wrapping_key_spec)  # takes its time; no transaction waits for it
    with pair.private, door.change(caller, "GetParametersForImport", parameters) as asked:
        row = asked_key(asked)
        wrapping_id = door.random.bytes(wrapping.ID_BYTES)
        valid_to = asked.now + microseconds_of_days(1)
        door.materials.keep_wrapping_key(
            asked.connection, row.key_id, wrapping_id, pair.private, algorithm=wrapping_algorithm, valid_to=valid_to
        )
        return ImportParameters(
            key_arn=door.names.key_arn(row.key_id),
            import_token=wrapping.token_of(door.store.seal().proofs, row.key_id, wrapping_id, valid_to),
            public_key=pair.public,
            valid_to=moment(valid_to),
        )


def import_material(door: Door, caller: Caller, key_id: str, given: Import) -> tuple[str, str]:
    """See ``ImportsKeyMaterial.import_key_material``; the key's ARN and the material's id. New material of a key that
    has some waits for a rotation on demand."""
    model = DOES_NOT_EXPIRE if given.expires_at is None else EXPIRES
    parameters = {"keyId": key_id, "expirationModel": model, "importType": given.kind}
    attributes: dict[str, Values] = {"kms:expirationmodel": (model,)}
    if given.expires_at is not None:
        parameters["validTo"] = given.expires_at.isoformat()
        attributes["kms:validto"] = (given.expires_at.isoformat(),)
    door.store.seal()
    with door.change(caller, "ImportKeyMaterial", parameters) as asked:
        row = asked.key(key_id, as_is=True)
        asked.authorize(row, "kms:ImportKeyMaterial", attributes=attributes)
        arn = _require_external(asked, row)
        require_importable(row, arn, parameters=False)
        _check_terms(asked, row, given)
        with _unwrapped(asked, row, given) as material:
            material_id = _take(asked, row, given, material)
        asked.response = {"keyId": arn, "keyMaterialId": material_id}
        return arn, material_id


def delete_material(door: Door, caller: Caller, key_id: str, material_id: str | None) -> tuple[str, str]:
    """See ``ImportsKeyMaterial.delete_imported_key_material``; the key's ARN and the material's id, "" for a key that
    never had any. ``material_id`` None: the newest. What waits for a rotation goes without harm to the key."""
    with door.change(caller, "DeleteImportedKeyMaterial", {"keyId": key_id}) as asked:
        row = asked.key(key_id, as_is=True)
        asked.authorize(row, "kms:DeleteImportedKeyMaterial")
        arn = _require_external(asked, row)
        require_removable(row, arn)
        kept = {one.material_id: one for one in materials_of(asked.connection, row.key_id)}
        gone = row.material_id if material_id is None else material_id
        if gone not in kept:
            if material_id is not None:
                raise NotFoundException(f"{arn} has no key material {material_id}")
            return arn, ""
        door.materials.drop(asked.connection, row.key_id, [gone])
        due.expire_first(asked.connection, row.key_id)
        if kept[gone].kind != PENDING_ROTATION and row.state in (KeyState.ENABLED, KeyState.DISABLED):
            _set_state(asked, row, KeyState.PENDING_IMPORT)
        asked.response = {"keyId": arn, "keyMaterialId": gone}
    door.forget([row.key_id])
    return arn, gone


def _require_external(asked: Request, row: KeyRow) -> str:
    arn = asked.names.key_arn(row.key_id)
    if row.origin != EXTERNAL:
        raise UnsupportedOperationException(f"{arn} origin is {row.origin} which is not valid for this operation.")
    return arn


def _check_terms(asked: Request, row: KeyRow, given: Import) -> None:
    if row.key_spec != SYMMETRIC and (given.kind, given.description, given.material_id) != (None, None, None):
        raise ValidationException("ImportType, KeyMaterialDescription and KeyMaterialId are for symmetric keys only")
    if given.kind == NEW and given.material_id is not None:
        raise ValidationException("New key material has no KeyMaterialId yet")
    if given.expires_at is not None:
        left = microseconds(given.expires_at) - asked.now
        if not 0 < left <= microseconds_of_days(_LONGEST_DAYS):
            raise ValidationException(f"Key material expires within the next {_LONGEST_DAYS} days")


def _unwrapped(asked: Request, row: KeyRow, given: Import) -> DataKey:
    from reconciler_softkms import wrapping

    proofs = asked.door.store.seal().proofs
    wrapping_id = wrapping.wrapping_id(proofs, row.key_id, given.token, asked.now)
    found = asked.door.materials.wrapping_key(asked.connection, row.key_id, wrapping_id)
    if found is None:
        raise InvalidImportTokenException("The import parameters of this token are gone; get new ones")
    private, algorithm = found
    with private, wrapping.unwrap(private, algorithm, given.wrapped) as material:
        return wrapping.fit_material(row.key_spec, material)


def _take(asked: Request, row: KeyRow, given: Import, material: DataKey) -> str:
    kept = materials_of(asked.connection, row.key_id)
    known = asked.door.materials.proven(asked.connection, row.key_id, material)
    if known is None:
        return _take_new(asked, row, given, material, kept)
    if given.material_id not in (None, known):
        raise IncorrectKeyMaterialException(f"The key material is that of {known}, not of {given.material_id}")
    asked.door.materials.put(asked.connection, row.key_id, known, material, kind=CREATED, now=asked.now)
    _taken(asked, row, given, known)
    return known


def _take_new(asked: Request, row: KeyRow, given: Import, material: DataKey, kept: list[MaterialRow]) -> str:
    arn = asked.names.key_arn(row.key_id)
    if kept and given.kind != NEW:
        raise IncorrectKeyMaterialException(f"The key material is not what was imported into {arn} before")
    if not kept and given.kind == EXISTING:
        raise IncorrectKeyMaterialException(f"No key material was imported into {arn} yet")
    if row.primary_region not in (None, asked.names.region):
        raise UnsupportedOperationException(f"{arn} is a replica; import new material into {row.primary_region} first")
    material_id = asked.door.random.bytes(32).hex()
    for waiting in kept:
        if waiting.kind == PENDING_ROTATION:
            raise KMSInvalidStateException(
                f"New key material (id: {material_id}) cannot be imported into KMS key {arn}, because another key"
                f" material (id: {waiting.material_id}) is pending rotation."
            )
    kind = PENDING_ROTATION if kept else CREATED
    asked.door.materials.put(asked.connection, row.key_id, material_id, material, kind=kind, now=asked.now)
    asked.door.materials.prove(asked.connection, row.key_id, material_id, material)
    if not kept:
        due.set_newest(asked.connection, row, material_id, asked.now)
    _taken(asked, row._replace(material_id=row.material_id or material_id), given, material_id)
    asked.share(row)
    return material_id


def _taken(asked: Request, row: KeyRow, given: Import, material_id: str) -> None:
    asked.connection.execute(
        "UPDATE materials SET expires_at = ?, description = coalesce(?, description)"
        " WHERE key_id = ? AND material_id = ?",
        (
            None if given.expires_at is None else microseconds(given.expires_at),
            given.description,
            row.key_id,
            material_id,
        ),
    )
    due.expire_first(asked.connection, row.key_id)
    if row.state == KeyState.PENDING_IMPORT and has_material(asked, row):
        _set_state(asked, row, KeyState.ENABLED)


def _set_state(asked: Request, row: KeyRow, state: KeyState) -> None:
    asked.connection.execute("UPDATE keys SET state = ? WHERE key_id = ?", (state.value, row.key_id))
