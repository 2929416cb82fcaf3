"""Keys that tests make at the endpoint, and what is done with them, each in one line."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.clients.server import ACCOUNT

USAGE: Final = {
    "SYMMETRIC_DEFAULT": "ENCRYPT_DECRYPT",
    "RSA_2048": "SIGN_VERIFY",
    "ECC_NIST_P256": "SIGN_VERIFY",
    "HMAC_256": "GENERATE_VERIFY_MAC",
}
NOBODYS: Final = "00000000-1111-2222-3333-444444444444"
"""A key id that no key has."""


def made(kms: Any, key_spec: str = "SYMMETRIC_DEFAULT", key_usage: str = "", **more: Any) -> str:
    """A new key's id."""
    answer = kms.create_key(KeySpec=key_spec, KeyUsage=key_usage or USAGE[key_spec], **more)
    return str(answer["KeyMetadata"]["KeyId"])


def arn(kms: Any, key_id: str, account: str = ACCOUNT) -> str:
    """A key's ARN."""
    return f"arn:aws:kms:{kms.meta.region_name}:{account}:key/{key_id}"


def import_into(kms: Any, key_id: str, material: bytes, **more: Any) -> Any:
    """Import symmetric material, wrapped as the service asks for it; the answer."""
    asked = kms.get_parameters_for_import(
        KeyId=key_id, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    given = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE", **more}
    wrapped = wrap(asked["PublicKey"], material)
    return kms.import_key_material(
        KeyId=key_id, ImportToken=asked["ImportToken"], EncryptedKeyMaterial=wrapped, **given
    )


def wrap(public_key: bytes, material: bytes) -> bytes:
    """As RSAES_OAEP_SHA_256 has it."""
    public = load_der_public_key(public_key)
    assert isinstance(public, rsa.RSAPublicKey)
    return public.encrypt(material, padding.OAEP(padding.MGF1(SHA256()), SHA256(), None))


def policy(*statements: dict[str, Any], account: str = ACCOUNT) -> str:
    """A key policy that lets the account administer, and what the statements say."""
    administer = {
        "Sid": "administer",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [administer, *statements]})


def allow(principal: str, *actions: str, **more: Any) -> dict[str, Any]:
    """One statement."""
    return {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": list(actions),
        "Resource": "*",
        **more,
    }


@cache
def peer_key() -> bytes:
    """Somebody else's public key on P-256, as DER."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
