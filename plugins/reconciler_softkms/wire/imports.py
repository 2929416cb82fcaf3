"""GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from reconciler.access.caller import Caller
from reconciler.errors import ValidationException
from reconciler_softkms.door import Door
from reconciler_softkms.operations import importing
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import Asked, Ciphertext, KeyName

MaterialId = Annotated[str, StringConstraints(min_length=64, max_length=64, pattern=r"^[a-f0-9]+$")]
_LATEST: Final = 253402300799  # 9999-12-31


class GetParametersForImport(Asked):
    """Its form."""

    key_id: KeyName
    wrapping_algorithm: Literal[
        "RSAES_PKCS1_V1_5",
        "RSAES_OAEP_SHA_1",
        "RSAES_OAEP_SHA_256",
        "RSA_AES_KEY_WRAP_SHA_1",
        "RSA_AES_KEY_WRAP_SHA_256",
        "SM2PKE",
    ]
    wrapping_key_spec: Literal["RSA_2048", "RSA_3072", "RSA_4096", "SM2"]


class ImportKeyMaterial(Asked):
    """Its form."""

    key_id: KeyName
    import_token: Ciphertext
    encrypted_key_material: Ciphertext
    valid_to: Annotated[float, Field(ge=0, le=_LATEST)] | None = None
    expiration_model: Literal["KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE"] = "KEY_MATERIAL_EXPIRES"
    import_type: Literal["NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"] | None = None
    key_material_description: (
        Annotated[str, StringConstraints(max_length=256, pattern=r"^[a-zA-Z0-9:/_\s.-]*$")] | None
    ) = None
    key_material_id: MaterialId | None = None


class DeleteImportedKeyMaterial(Asked):
    """Its form."""

    key_id: KeyName
    key_material_id: MaterialId | None = None


def get_parameters_for_import(door: Door, caller: Caller, asked: GetParametersForImport) -> Mapping[str, Any]:
    """The public key to wrap with, and the token that goes with it."""
    found = importing.get_parameters(
        door,
        caller,
        asked.key_id,
        wrapping_algorithm=asked.wrapping_algorithm,
        wrapping_key_spec=asked.wrapping_key_spec,
    )
    return {
        "KeyId": found.key_arn,
        "ImportToken": found.import_token,
        "PublicKey": found.public_key,
        "ParametersValidTo": found.valid_to,
    }


def import_key_material(door: Door, caller: Caller, asked: ImportKeyMaterial) -> Mapping[str, Any]:
    """The key's ARN and the material's id."""
    if asked.expiration_model == importing.EXPIRES and asked.valid_to is None:
        raise ValidationException("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
    if asked.expiration_model != importing.EXPIRES and asked.valid_to is not None:
        raise ValidationException(
            "A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE"
        )
    given = importing.Import(
        token=asked.import_token,
        wrapped=asked.encrypted_key_material,
        expires_at=None if asked.valid_to is None else datetime.fromtimestamp(asked.valid_to, UTC),
        kind=asked.import_type,
        description=asked.key_material_description,
        material_id=asked.key_material_id,
    )
    arn, material_id = importing.import_material(door, caller, asked.key_id, given)
    return {"KeyId": arn, "KeyMaterialId": material_id}


def delete_imported_key_material(door: Door, caller: Caller, asked: DeleteImportedKeyMaterial) -> Mapping[str, Any]:
    """The key's ARN and the material's id."""
    arn, material_id = importing.delete_material(door, caller, asked.key_id, asked.key_material_id)
    return {"KeyId": arn, "KeyMaterialId": material_id}


OPERATIONS = {
    "GetParametersForImport": Operation(GetParametersForImport, get_parameters_for_import),
    "ImportKeyMaterial": Operation(ImportKeyMaterial, import_key_material),
    "DeleteImportedKeyMaterial": Operation(DeleteImportedKeyMaterial, delete_imported_key_material),
}
