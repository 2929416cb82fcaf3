"""Key pairs, made by OpenSSL's own generator (the one kind of material that the handed-in randomness does not make).

A private key travels as unencrypted PKCS#8 DER, for sealing at once, a public one as DER SubjectPublicKeyInfo.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from reconciler.model.ports import Bytes

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_RSA_BITS: Final = {"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}
_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
    "ECC_SECG_P256K1": ec.SECP256K1(),
}


def generate(key_spec: str) -> PrivateKey:
    """A fresh pair of that spec. RSA_4096 takes about a second: call it without holding a lock where that can be."""
    if key_spec in _RSA_BITS:
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS[key_spec])
    return ec.generate_private_key(_CURVES[key_spec])


def pkcs8(pair: PrivateKey) -> bytes:
    """The private key as DER."""
    return pair.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def spki(public: PublicKey) -> bytes:
    """The public key as DER."""
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def load(der: Bytes) -> PrivateKey:
    """A pair from what ``pkcs8`` made or ``check`` has passed, and only from that: RSA numbers are not checked again,
    which takes a thousand times as long as reading them."""
    pair = load_der_private_key(bytes(der), password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(pair, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise TypeError("the material is no RSA or ECC key pair")
    return pair


def check(key_spec: str, der: Bytes) -> None:
    """Whether bytes from outside are a sound private key of that spec. ValueError says what is wrong, never with a
    byte of it."""
    try:
        pair = load_der_private_key(bytes(der), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("it is no unencrypted PKCS#8 private key in DER") from None
    if spec_of(pair) != key_spec:
        raise ValueError(f"it is no {key_spec} private key")


def load_public(der: bytes) -> object:
    """A public key from outside. ValueError for anything but the DER of one; a point off its curve is no key."""
    try:
        return load_der_public_key(der)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("it is no public key in DER (SubjectPublicKeyInfo)") from None


def spec_of(key: object) -> str | None:
    """The key spec of a private or public key, None for one that no spec describes."""
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
        return next((spec for spec, bits in _RSA_BITS.items() if bits == key.key_size), None)
    if isinstance(key, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)):
        return next((spec for spec, curve in _CURVES.items() if curve.name == key.curve.name), None)
    return None
