"""GenerateDataKey and GenerateDataKeyWithoutPlaintext."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from reconciler.access.caller import Caller
from reconciler.errors import ValidationException
from reconciler.providers.keys import GeneratedDataKey
from reconciler_softkms.door import Door
from reconciler_softkms.operations import data_keys
from reconciler_softkms.wire.enclaves import Recipient
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import Context, KeyName, Used

_SIZES = {spec: size for size, spec in data_keys.KEY_SPECS.items()}


class GenerateDataKeyWithoutPlaintext(Used):
    """Its form."""

    key_id: KeyName
    encryption_context: Context = Field(default_factory=dict)
    key_spec: Literal["AES_256", "AES_128"] | None = None
    number_of_bytes: Annotated[int, Field(ge=1, le=1024)] | None = None


class GenerateDataKey(GenerateDataKeyWithoutPlaintext):
    """Its form."""

    recipient: Recipient = None


def generate_data_key(door: Door, caller: Caller, asked: GenerateDataKey) -> Mapping[str, Any]:
    """The data key in clear and wrapped."""
    made = _made(door, caller, asked, data_keys.GENERATE)
    with made.plaintext as plaintext:
        return {**_answered(made), "Plaintext": bytes(plaintext.expose_key_bytes())}


def without_plaintext(door: Door, caller: Caller, asked: GenerateDataKeyWithoutPlaintext) -> Mapping[str, Any]:
    """The data key, wrapped only."""
    made = _made(door, caller, asked, data_keys.WITHOUT_PLAINTEXT)
    made.plaintext.wipe()
    return _answered(made)


def _made(door: Door, caller: Caller, asked: GenerateDataKeyWithoutPlaintext, name: str) -> GeneratedDataKey:
    if (asked.key_spec is None) is (asked.number_of_bytes is None):
        raise ValidationException("Please specify either number of bytes or key spec.")
    size = asked.number_of_bytes or _SIZES[asked.key_spec or ""]
    return data_keys.generate_data_key(door, caller, asked.key_id, asked.encryption_context, size, name=name)


def _answered(made: GeneratedDataKey) -> dict[str, Any]:
    return {"CiphertextBlob": made.wrapped, "KeyId": made.key_arn, "KeyMaterialId": made.material_id}


OPERATIONS = {
    data_keys.GENERATE: Operation(GenerateDataKey, generate_data_key),
    data_keys.WITHOUT_PLAINTEXT: Operation(GenerateDataKeyWithoutPlaintext, without_plaintext),
}
