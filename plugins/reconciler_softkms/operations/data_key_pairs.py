"""GenerateDataKeyPair and GenerateDataKeyPairWithoutPlaintext: a pair for use elsewhere, its private key wrapped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import UnsupportedOperationException
from reconciler.providers.keys import Context
from reconciler_softkms import key_pairs
from reconciler_softkms.door import Door
from reconciler_softkms.operations.using import UNDER_SYMMETRIC, check_context, shown, usable_key
from reconciler_softkms.request import Request
from reconciler_softkms.rows import KeyRow
from reconciler_softkms.specs import ENCRYPT_DECRYPT, PAIR_SPECS, SYMMETRIC

GENERATE: Final = "GenerateDataKeyPair"
WITHOUT_PLAINTEXT: Final = "GenerateDataKeyPairWithoutPlaintext"


@dataclass(frozen=True, slots=True)
class GeneratedKeyPair:
    """``private_key`` is PKCS#8 DER, in clear as a handle and wrapped; ``public_key`` SubjectPublicKeyInfo DER."""

    private_key: DataKey = field(repr=False)
    wrapped: bytes
    public_key: bytes
    key_arn: str
    material_id: str


def generate_data_key_pair(
    door: Door, caller: Caller, key_id: str, context: Context, *, pair_spec: str, name: str = GENERATE
) -> GeneratedKeyPair:
    """A fresh pair of ``pair_spec``, its private key wrapped under the symmetric key. UnsupportedOperationException for
    a spec that this key service does not make. ``name`` is GENERATE or WITHOUT_PLAINTEXT, as for data keys.

    A pair takes up to seconds to find. It is looked for between two decisions, without the store's lock: the first
    keeps everybody else from having it made, the second holds when it is used, and is the one that is recorded.
    """
    parameters = shown(caller, context, keyId=key_id, keyPairSpec=pair_spec)
    door = door.siblings.holding(door, key_id)
    with door.use(caller, name, parameters, is_first_half=True) as asked:
        _wrapping_key(asked, key_id, context, pair_spec)
    pair = key_pairs.generate(pair_spec)
    with door.use(caller, name, parameters) as asked, DataKey(key_pairs.pkcs8(pair)) as private_key:
        row = _wrapping_key(asked, key_id, context, pair_spec)
        return GeneratedKeyPair(
            DataKey(private_key.expose_key_bytes()),
            door.materials.encrypt(asked.connection, row, private_key.expose_key_bytes(), context),
            key_pairs.spki(pair.public_key()),
            door.names.key_arn(row.key_id),
            row.material_id,
        )


def _wrapping_key(asked: Request, key_id: str, context: Context, pair_spec: str) -> KeyRow:
    check_context(context)
    row = usable_key(
        asked,
        key_id,
        f"kms:{asked.name}",
        usage=ENCRYPT_DECRYPT,
        algorithm=SYMMETRIC,
        attributes={**UNDER_SYMMETRIC, "kms:datakeypairspec": (pair_spec,)},
        context=context,
    )
    if pair_spec not in PAIR_SPECS:
        raise UnsupportedOperationException(
            f"This key service makes no {pair_spec} pairs; it makes {', '.join(PAIR_SPECS)}"
        )
    return row
