"""Key material on its way into a key service: wrapped so that only the service opens it (reference, "import").

``RSA_AES_KEY_WRAP_SHA_256``, as the public API has it: the material under a fresh AES-256 key by AES key wrap with
padding (RFC 5649), that key under the service's RSA key by OAEP with SHA-256, the two behind each other. It takes
material of any length, a private key too.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from reconciler.envelope.data_key import DataKey
from reconciler.errors import ReadBackFailed
from reconciler.model.ports import Random

ALGORITHM: Final = "RSA_AES_KEY_WRAP_SHA_256"
WRAPPING_KEY_SPEC: Final = "RSA_3072"
_LEAST_BITS: Final = 2048


def wrap_for_import(material: DataKey, public_key: bytes, random: Random) -> bytes:
    """The material for the holder of ``public_key`` (DER SubjectPublicKeyInfo). ReadBackFailed when that is no RSA key
    of 2048 bits or more: then nothing leaves."""
    try:
        wrapping = load_der_public_key(public_key)
    except (ValueError, UnsupportedAlgorithm):
        wrapping = None
    if not isinstance(wrapping, rsa.RSAPublicKey) or wrapping.key_size < _LEAST_BITS:
        raise ReadBackFailed(
            f"The key service gave no RSA key of {_LEAST_BITS} bits or more to wrap the material with",
            suggestion="Nothing was sent. Look at what answers as the key service, and apply again.",
        )
    with DataKey.generate(random) as between:
        aes = bytes(between.expose_key_bytes())
        sealed = wrapping.encrypt(aes, padding.OAEP(padding.MGF1(SHA256()), SHA256(), None))
        return sealed + aes_key_wrap_with_padding(aes, bytes(material.expose_key_bytes()))
