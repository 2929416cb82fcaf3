"""RSAES-OAEP (RFC 8017) as the public key service has it: no label, MGF1 with the algorithm's own hash."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from reconciler.errors import InvalidCiphertextException, ValidationException
from reconciler.model.ports import Bytes

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "RSAES_OAEP_SHA_1": hashes.SHA1(),  # noqa: S303 - OAEP does not rest on collisions; the public API has it
    "RSAES_OAEP_SHA_256": hashes.SHA256(),
}


def encrypt(key: rsa.RSAPublicKey, algorithm: str, plaintext: Bytes, key_spec: str) -> bytes:
    """As long as the key. ValidationException for a plaintext beyond key bytes - 2 - 2 * hash bytes."""
    most = key.key_size // 8 - 2 - 2 * _HASHES[algorithm].digest_size
    if len(plaintext) > most:
        raise ValidationException(
            f"Algorithm {algorithm} and key spec {key_spec} cannot encrypt data larger than {most} bytes."
        )
    return key.encrypt(bytes(plaintext), _padding(algorithm))


def decrypt(key: rsa.RSAPrivateKey, algorithm: str, ciphertext: bytes) -> bytes:
    """What was encrypted. InvalidCiphertextException, with nothing said of why."""
    try:
        return key.decrypt(ciphertext, _padding(algorithm))
    except ValueError:
        raise InvalidCiphertextException("the ciphertext does not open") from None


def _padding(algorithm: str) -> padding.OAEP:
    algorithm_hash = _HASHES[algorithm]
    return padding.OAEP(mgf=padding.MGF1(algorithm_hash), algorithm=algorithm_hash, label=None)
