"""Key pairs, made by OpenSSL's own generator (the one kind of material that the handed-in randomness does not make)."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
    "ECC_SECG_P256K1": ec.SECP256K1(),
}


def private_key(key_spec: str, rsa_bits: int | None) -> bytes:
    """A fresh private key of that spec as unencrypted PKCS#8 DER, for sealing at once."""
    pair: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if rsa_bits is None:
        pair = ec.generate_private_key(_CURVES[key_spec])
    else:
        pair = rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)
    return pair.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
