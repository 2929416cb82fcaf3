"""Material on its way in: the key pair that it is wrapped with, the token that goes with it, and what comes out.

An import token is an id, the end of its validity and a MAC over both and the key's id, so that one that is too old, of
another key or made up is told apart without being kept. The private key is kept, sealed, until it is too old.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import (
    ExpiredImportTokenException,
    IncorrectKeyMaterialException,
    InvalidCiphertextException,
    InvalidImportTokenException,
)
from reconciler.model.article import a
from reconciler_softkms import key_pairs, rsa_oaep
from reconciler_softkms.specs import material_bytes

WRAPPING_SPECS: Final = ("RSA_2048", "RSA_3072", "RSA_4096")
_OAEP: Final = {
    "RSAES_OAEP_SHA_1": "RSAES_OAEP_SHA_1",
    "RSAES_OAEP_SHA_256": "RSAES_OAEP_SHA_256",
    "RSA_AES_KEY_WRAP_SHA_1": "RSAES_OAEP_SHA_1",
    "RSA_AES_KEY_WRAP_SHA_256": "RSAES_OAEP_SHA_256",
}
ALGORITHMS: Final = tuple(_OAEP)
_PURPOSE: Final = "softkms import token"
ID_BYTES: Final = 16
_TIME_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class WrappingPair:
    """``private`` is PKCS#8 DER, ``public`` SubjectPublicKeyInfo DER."""

    private: DataKey
    public: bytes


def fresh_pair(wrapping_key_spec: str) -> WrappingPair:
    """A new RSA pair."""
    pair = key_pairs.generate(wrapping_key_spec)
    return WrappingPair(DataKey(key_pairs.pkcs8(pair)), key_pairs.spki(pair.public_key()))


def token_of(proofs: DataKey, key_id: str, wrapping_id: bytes, valid_to: int) -> bytes:
    """The import token."""
    body = wrapping_id + valid_to.to_bytes(_TIME_BYTES, "big")
    return body + HmacSha256(proofs).tag(_PURPOSE, encode(key_id, body))


def wrapping_id(proofs: DataKey, key_id: str, token: bytes, now: int) -> bytes:
    """The id in a token. InvalidImportTokenException, ExpiredImportTokenException."""
    body, tag = token[: ID_BYTES + _TIME_BYTES], token[ID_BYTES + _TIME_BYTES :]
    if len(body) < ID_BYTES + _TIME_BYTES or not HmacSha256(proofs).verify(_PURPOSE, encode(key_id, body), tag):
        raise InvalidImportTokenException("The import token was not made for this key by this key service")
    if int.from_bytes(body[ID_BYTES:], "big") <= now:
        raise ExpiredImportTokenException(
            "The import token is older than 24 hours", suggestion="Get new parameters and wrap the material again."
        )
    return body[:ID_BYTES]


def unwrap(private: DataKey, algorithm: str, wrapped: bytes) -> DataKey:
    """The material. InvalidCiphertextException, with nothing said of why."""
    pair = cast(rsa.RSAPrivateKey, key_pairs.load(private.expose_key_bytes()))  # ``fresh_pair`` made it
    if not algorithm.startswith("RSA_AES_KEY_WRAP"):
        return DataKey(rsa_oaep.decrypt(pair, _OAEP[algorithm], wrapped))
    length = pair.key_size // 8
    with DataKey(rsa_oaep.decrypt(pair, _OAEP[algorithm], wrapped[:length])) as aes:
        try:
            return DataKey(aes_key_unwrap_with_padding(bytes(aes.expose_key_bytes()), wrapped[length:]))
        except (ValueError, InvalidUnwrap):
            raise InvalidCiphertextException("the ciphertext does not open") from None


def fit_material(key_spec: str, material: DataKey) -> DataKey:
    """The material as it is kept for a key of that spec: the bytes, or the private key as PKCS#8 DER.
    IncorrectKeyMaterialException for any other."""
    expected = material_bytes(key_spec)
    if expected is None:
        try:
            key_pairs.check(key_spec, material.expose_key_bytes())
        except ValueError as error:
            raise IncorrectKeyMaterialException(
                f"The key material does not fit {a(f'{key_spec} key')}: {error}"
            ) from None
        return DataKey(key_pairs.pkcs8(key_pairs.load(material.expose_key_bytes())))
    if len(material) != expected:
        raise IncorrectKeyMaterialException(
            f"The material of {a(f'{key_spec} key')} has {expected} bytes; this has {len(material)}"
        )
    return DataKey(material.expose_key_bytes())
