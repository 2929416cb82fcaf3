"""GetPublicKey: the public half of an asymmetric key, for use without the key service."""

from __future__ import annotations

from reconciler.access.caller import Caller
from reconciler.errors import UnsupportedOperationException
from reconciler.model.article import a
from reconciler.providers.keys import KeyDescription
from reconciler_softkms import key_pairs
from reconciler_softkms.door import Door
from reconciler_softkms.operations.using import permit, shown
from reconciler_softkms.specs import PAIR_SPECS
from reconciler_softkms.states import require_usable


def get_public_key(door: Door, caller: Caller, key_id: str) -> tuple[bytes, KeyDescription]:
    """SubjectPublicKeyInfo as DER, and the key that it belongs to. UnsupportedOperationException for a key that has no
    public half; DisabledException, KMSInvalidStateException."""
    door = door.siblings.holding(door, key_id)
    with door.use(caller, "GetPublicKey", shown(caller, {}, keyId=key_id)) as asked:
        row = asked.key(key_id, by_alias=True)
        permit(asked, row, key_id, "kms:GetPublicKey", attributes={})
        arn = door.names.key_arn(row.key_id)
        if row.key_spec not in PAIR_SPECS:
            raise UnsupportedOperationException(f"{arn} is {a(f'{row.key_spec} key')}, which has no public key.")
        require_usable(row, arn)
        pair = door.materials.key_pair(asked.connection, row)
        return key_pairs.spki(pair.public_key()), door.names.describe(row)
