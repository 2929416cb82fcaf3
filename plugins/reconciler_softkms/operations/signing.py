"""Sign and Verify: a message, or the digest of one, under the private and public half of an asymmetric key."""

from __future__ import annotations

from reconciler.access.caller import Caller
from reconciler.errors import KMSInvalidSignatureException, ValidationException
from reconciler_softkms import signatures
from reconciler_softkms.door import Door
from reconciler_softkms.key_pairs import PrivateKey
from reconciler_softkms.operations.using import CIPHERTEXT_BYTES, MESSAGE_BYTES, check_length, shown, usable_key
from reconciler_softkms.request import Request
from reconciler_softkms.rows import KeyRow
from reconciler_softkms.specs import SIGN_VERIFY

RAW = "RAW"
DIGEST = "DIGEST"


def sign(
    door: Door, caller: Caller, key_id: str, message: bytes, *, algorithm: str, message_type: str = RAW
) -> tuple[bytes, str]:
    """The signature, and the key's ARN. ``message_type`` DIGEST: ``message`` is the digest of one, of the length that
    the algorithm signs; else ValidationException. InvalidKeyUsageException for an algorithm of other keys."""
    parameters = shown(caller, {}, keyId=key_id, messageType=message_type, signingAlgorithm=algorithm)
    door = door.siblings.holding(door, key_id)
    with door.use(caller, "Sign", parameters) as asked:
        row, pair = _signing_pair(asked, key_id, message, algorithm, message_type)
        signature = signatures.sign(pair, algorithm, message, is_digest=message_type == DIGEST)
        return signature, door.names.key_arn(row.key_id)


def verify(
    door: Door,
    caller: Caller,
    key_id: str,
    message: bytes,
    signature: bytes,
    *,
    algorithm: str,
    message_type: str = RAW,
) -> str:
    """The key's ARN. KMSInvalidSignatureException unless it is the message's signature under that key; else as
    ``sign``."""
    parameters = shown(caller, {}, keyId=key_id, messageType=message_type, signingAlgorithm=algorithm)
    door = door.siblings.holding(door, key_id)
    with door.use(caller, "Verify", parameters) as asked:
        check_length(signature, CIPHERTEXT_BYTES, "A signature")
        row, pair = _signing_pair(asked, key_id, message, algorithm, message_type)
        is_digest = message_type == DIGEST
        if not signatures.is_valid(pair.public_key(), algorithm, message, signature, is_digest=is_digest):
            raise KMSInvalidSignatureException("The signature is not that of this message under this key")
        return door.names.key_arn(row.key_id)


def _signing_pair(
    asked: Request, key_id: str, message: bytes, algorithm: str, message_type: str
) -> tuple[KeyRow, PrivateKey]:
    check_length(message, MESSAGE_BYTES, "A message")
    row = usable_key(
        asked,
        key_id,
        f"kms:{asked.name}",
        usage=SIGN_VERIFY,
        algorithm=algorithm,
        attributes={"kms:signingalgorithm": (algorithm,), "kms:messagetype": (message_type,)},
    )
    if message_type not in (RAW, DIGEST):
        raise ValidationException(f"The message type {message_type} is for ML-DSA keys only; {algorithm} takes none")
    if message_type == DIGEST and len(message) != signatures.digest_bytes(algorithm):
        raise ValidationException(f"Digest is invalid length for algorithm {algorithm}.")
    return row, asked.door.materials.key_pair(asked.connection, row)
