"""GenerateDataKey and GenerateDataKeyWithoutPlaintext (KM5)."""

from __future__ import annotations

from typing import Final

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import ValidationException
from reconciler.providers.keys import Context, GeneratedDataKey
from reconciler_softkms.door import Door
from reconciler_softkms.operations.using import UNDER_SYMMETRIC, check_context, shown, usable_key
from reconciler_softkms.specs import ENCRYPT_DECRYPT, SYMMETRIC

DATA_KEY_BYTES: Final = 1024
GENERATE: Final = "GenerateDataKey"
WITHOUT_PLAINTEXT: Final = "GenerateDataKeyWithoutPlaintext"
KEY_SPECS: Final = {32: "AES_256", 16: "AES_128"}


def generate_data_key(
    door: Door, caller: Caller, key_id: str, context: Context, number_of_bytes: int, *, name: str = GENERATE
) -> GeneratedDataKey:
    """See ``KeyProvider.generate_data_key``. ``name`` is GENERATE or WITHOUT_PLAINTEXT, each with a permission of its
    own; it is for whoever answers the latter to wipe the plaintext."""
    parameters = shown(caller, context, keyId=key_id)
    if number_of_bytes in KEY_SPECS:
        parameters["keySpec"] = KEY_SPECS[number_of_bytes]
    else:
        parameters["numberOfBytes"] = number_of_bytes
    door = door.siblings.holding(door, key_id)
    with door.use(caller, name, parameters) as asked:
        check_context(context)
        if not 1 <= number_of_bytes <= DATA_KEY_BYTES:
            raise ValidationException(f"A data key has 1 to {DATA_KEY_BYTES} bytes, not {number_of_bytes}")
        row = usable_key(
            asked,
            key_id,
            f"kms:{name}",
            usage=ENCRYPT_DECRYPT,
            algorithm=SYMMETRIC,
            attributes=UNDER_SYMMETRIC,
            context=context,
        )
        data_key = DataKey.generate(door.random, number_of_bytes)
        wrapped = door.materials.encrypt(asked.connection, row, data_key.expose_key_bytes(), context)
        return GeneratedDataKey(data_key, wrapped, door.names.key_arn(row.key_id), row.material_id)
