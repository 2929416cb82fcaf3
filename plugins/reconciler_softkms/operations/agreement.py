"""DeriveSharedSecret: elliptic-curve Diffie-Hellman (NIST SP 800-56A) between a key and somebody's public key."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import ValidationException
from reconciler_softkms import key_pairs
from reconciler_softkms.door import Door
from reconciler_softkms.key_pairs import PrivateKey
from reconciler_softkms.operations.using import check_length, shown, usable_key
from reconciler_softkms.specs import KEY_AGREEMENT

PUBLIC_KEY_BYTES = 8192


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """The x-coordinate of the shared point, as long as the curve's field, as a handle. ``origin`` is the key's."""

    secret: DataKey
    key_arn: str
    origin: str


def derive_shared_secret(
    door: Door, caller: Caller, key_id: str, public_key: bytes, algorithm: str = "ECDH"
) -> SharedSecret:
    """The secret that whoever has the private key of ``public_key`` (DER) derives from ours. ValidationException unless
    it is a point on the key's own curve."""
    door = door.siblings.holding(door, key_id)
    with door.use(
        caller, "DeriveSharedSecret", shown(caller, {}, keyId=key_id, keyAgreementAlgorithm=algorithm)
    ) as asked:
        check_length(public_key, PUBLIC_KEY_BYTES, "A public key")
        row = usable_key(
            asked,
            key_id,
            "kms:DeriveSharedSecret",
            usage=KEY_AGREEMENT,
            algorithm=algorithm,
            attributes={"kms:keyagreementalgorithm": (algorithm,)},
        )
        secret = _agreed(door.materials.key_pair(asked.connection, row), public_key, row.key_spec)
        return SharedSecret(DataKey(secret), door.names.key_arn(row.key_id), door.names.describe(row).origin)


def _agreed(pair: PrivateKey, der: bytes, key_spec: str) -> bytes:
    try:
        theirs = key_pairs.load_public(der)
    except ValueError as error:
        raise ValidationException(f"The public key of the request cannot be used: {error}") from None
    if not isinstance(pair, ec.EllipticCurvePrivateKey) or not isinstance(theirs, ec.EllipticCurvePublicKey):
        raise ValidationException(f"The public key of the request is no {key_spec} key")
    if key_pairs.spec_of(theirs) != key_spec:
        raise ValidationException(f"The public key of the request is no {key_spec} key")
    try:
        return pair.exchange(ec.ECDH(), theirs)
    except ValueError:
        raise ValidationException("The public key of the request agrees on no secret with this key") from None
