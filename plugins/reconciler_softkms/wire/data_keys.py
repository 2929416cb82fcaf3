"""GenerateDataKey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from reconciler.access.caller import Caller
from reconciler.errors import ValidationException
from reconciler_softkms.door import Door
from reconciler_softkms.operations import crypto
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import Context, KeyName, Used

_SIZES: Final = {"AES_256": 32, "AES_128": 16}


class GenerateDataKey(Used):
    """Its form."""

    key_id: KeyName
    encryption_context: Context = Field(default_factory=dict)
    key_spec: Literal["AES_256", "AES_128"] | None = None
    number_of_bytes: Annotated[int, Field(ge=1, le=1024)] | None = None


def generate_data_key(door: Door, caller: Caller, asked: GenerateDataKey) -> Mapping[str, Any]:
    """The data key in clear and wrapped."""
    if (asked.key_spec is None) is (asked.number_of_bytes is None):
        raise ValidationException("Please specify either number of bytes or key spec.")
    size = asked.number_of_bytes or _SIZES[asked.key_spec or ""]
    made = crypto.generate_data_key(door, caller, asked.key_id, asked.encryption_context, size)
    with made.plaintext as plaintext:
        return {
            "CiphertextBlob": made.wrapped,
            "Plaintext": bytes(plaintext.expose_key_bytes()),
            "KeyId": made.key_arn,
            "KeyMaterialId": made.material_id,
        }


OPERATIONS = {"GenerateDataKey": Operation(GenerateDataKey, generate_data_key)}
