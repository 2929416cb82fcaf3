"""RSASSA-PSS (salt as long as the hash), RSASSA-PKCS1-v1_5 (RFC 8017) and ECDSA in DER (FIPS 186-5, X9.62)."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from reconciler_softkms.key_pairs import PrivateKey, PublicKey

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "SHA_256": hashes.SHA256(),
    "SHA_384": hashes.SHA384(),
    "SHA_512": hashes.SHA512(),
}


def digest_bytes(algorithm: str) -> int:
    """Length of the digest that the algorithm signs."""
    return _hash(algorithm).digest_size


def sign(pair: PrivateKey, algorithm: str, message: bytes, *, is_digest: bool) -> bytes:
    """The signature of a message, or of the digest of one. ``algorithm`` is one of the pair's own (``specs``)."""
    hashed = _hashed(algorithm, is_digest)
    if isinstance(pair, ec.EllipticCurvePrivateKey):
        return pair.sign(message, ec.ECDSA(hashed))
    return pair.sign(message, _padding(algorithm), hashed)


def is_valid(public: PublicKey, algorithm: str, message: bytes, signature: bytes, *, is_digest: bool) -> bool:
    """Whether it is the message's signature; strictly so: no other encoding, padding or salt length passes."""
    hashed = _hashed(algorithm, is_digest)
    try:
        if isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, message, ec.ECDSA(hashed))
        else:
            public.verify(signature, message, _padding(algorithm), hashed)
    except InvalidSignature:
        return False
    return True


def _hash(algorithm: str) -> hashes.HashAlgorithm:
    return _HASHES[algorithm[-len("SHA_256") :]]


def _hashed(algorithm: str, is_digest: bool) -> hashes.HashAlgorithm | Prehashed:
    found = _hash(algorithm)
    return Prehashed(found) if is_digest else found


def _padding(algorithm: str) -> padding.AsymmetricPadding:
    if algorithm.startswith("RSASSA_PSS"):
        found = _hash(algorithm)
        return padding.PSS(mgf=padding.MGF1(found), salt_length=found.digest_size)
    return padding.PKCS1v15()
