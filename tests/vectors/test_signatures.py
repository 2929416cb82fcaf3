"""Signatures against the function that the Verify operation asks, since these vectors have public keys only (T8)."""

from __future__ import annotations

from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from reconciler_softkms import key_pairs, signatures
from reconciler_softkms.key_pairs import PublicKey
from tests.counts import count
from tests.vectors import wycheproof

ECDSA = {
    "ecdsa_secp256r1_sha256_test.json": (480, "ECDSA_SHA_256"),
    "ecdsa_secp384r1_sha384_test.json": (500, "ECDSA_SHA_384"),
    "ecdsa_secp521r1_sha512_test.json": (538, "ECDSA_SHA_512"),
    "ecdsa_secp256r1_sha256_p1363_test.json": (240, "ECDSA_SHA_256"),
    "ecdsa_secp384r1_sha384_p1363_test.json": (260, "ECDSA_SHA_384"),
}
RSA = {
    "rsa_pss_2048_sha256_mgf1_32_test.json": (107, "RSASSA_PSS_SHA_256"),
    "rsa_pss_4096_sha512_mgf1_64_test.json": (178, "RSASSA_PSS_SHA_512"),
    "rsa_signature_2048_sha256_test.json": (258, "RSASSA_PKCS1_V1_5_SHA_256"),
    "rsa_signature_3072_sha384_test.json": (258, "RSASSA_PKCS1_V1_5_SHA_384"),
    "rsa_signature_4096_sha512_test.json": (258, "RSASSA_PKCS1_V1_5_SHA_512"),
}


def as_der(signature: bytes) -> bytes:
    """Two numbers side by side (IEEE P1363), as the key service writes and reads them."""
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


@pytest.mark.parametrize("file", [*ECDSA, *RSA])
def test_signatures_as_in_wycheproof(file: str) -> None:
    expected, algorithm = {**ECDSA, **RSA}[file]
    vectors = list(wycheproof.expressed(file))
    for vector in vectors:
        public = cast(PublicKey, key_pairs.load_public(bytes.fromhex(vector.group["publicKeyDer"])))
        signature = vector.raw("sig")
        if "p1363" in file:
            signature = as_der(signature)
        taken = signatures.is_valid(public, algorithm, vector.raw("msg"), signature, is_digest=False)
        assert taken is vector.is_valid, vector.name
    count("T8", run=len(vectors))
    assert len(vectors) == expected
