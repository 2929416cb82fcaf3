"""A known text under a key: it opens, or the key is another one (PKCS11.md 3).

Not a check value of the zero block, which is part of what GCM hashes with.
"""

from __future__ import annotations

from hashlib import sha256

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.errors import HsmError, HsmFault, InvalidCiphertextException
from reconciler.providers.hsm import Suite
from reconciler_pkcs11.partition import Partition


def make_canary(partition: Partition, object_id: str, suite: Suite) -> bytes:
    """The canary of the key of that id, opened once. HsmError when it does not open: such a key is never taken (I2)."""
    made = partition.wrap(object_id, suite, _text(object_id), _aad(object_id))
    if not opens(partition, object_id, made):
        raise HsmError(
            f"The partition made a key ({object_id}) that does not open what it wrapped with {suite}",
            fault=HsmFault.REFUSED,
            suggestion="Nothing was put under that key. Look at the HSM, and run the command again.",
        )
    return made


def opens(partition: Partition, object_id: str, canary: bytes) -> bool:
    """Whether the key of that id is the one that made ``canary``. HsmError when it cannot be tried."""
    try:
        with partition.unwrap(canary, _aad(object_id)) as found:
            return found == _text(object_id)
    except InvalidCiphertextException:
        return False


def _text(object_id: str) -> DataKey:
    return DataKey(sha256(f"reconciler canary {object_id}".encode()).digest())


def _aad(object_id: str) -> bytes:
    return encode("reconciler/hsm/canary", 1, object_id)
