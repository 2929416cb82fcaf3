"""RSA-OAEP through Decrypt, under imported private keys (T8)."""

from __future__ import annotations

import re

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reconciler.errors import InvalidCiphertextException, ValidationException
from tests.counts import count
from tests.vectors import nist, wycheproof
from tests.vectors.service import Service

FILES = {
    "rsa_oaep_2048_sha1_mgf1sha1_test.json": ("RSA_2048", "RSAES_OAEP_SHA_1"),
    "rsa_oaep_2048_sha256_mgf1sha256_test.json": ("RSA_2048", "RSAES_OAEP_SHA_256"),
    "rsa_oaep_3072_sha256_mgf1sha256_test.json": ("RSA_3072", "RSAES_OAEP_SHA_256"),
    "rsa_oaep_4096_sha256_mgf1sha256_test.json": ("RSA_4096", "RSAES_OAEP_SHA_256"),
}


@pytest.mark.parametrize("file", FILES)
def test_oaep_as_in_wycheproof(service: Service, file: str) -> None:
    key_spec, algorithm = FILES[file]
    vectors = list(wycheproof.expressed(file))
    (private,) = {vector.group["privateKeyPkcs8"] for vector in vectors}
    key = service.imported(key_spec, "ENCRYPT_DECRYPT", bytes.fromhex(private))
    for vector in vectors:
        asked = {"KeyId": key, "EncryptionAlgorithm": algorithm, "CiphertextBlob": vector.raw("ct")}
        if vector.is_valid:
            assert service.call("Decrypt", **asked)["Plaintext"] == vector.raw("msg"), vector.name
        else:
            # No byte at all is no ciphertext to begin with: the form refuses it.
            with pytest.raises(InvalidCiphertextException if vector.raw("ct") else ValidationException):
                service.call("Decrypt", **asked)
    count("T8", run=len(vectors))
    assert len(vectors) == 28


def blocks(text: str) -> list[tuple[str, bytes]]:
    """Each comment line with the hexadecimal number below it."""
    found = re.findall(r"(?m)^# ([^\n]+)\n([0-9a-f]+)$", text)
    return [(name, bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2))) for name, digits in found]


def private_keys(text: str) -> list[tuple[bytes, list[tuple[bytes, bytes]]]]:
    """Private keys (PKCS#8 DER) with their pairs of message and ciphertext."""
    made: list[tuple[bytes, list[tuple[bytes, bytes]]]] = []
    numbers: dict[str, int] = {}
    message = b""
    for name, raw in blocks(text):
        if name == "Message:":
            message = raw
        elif name == "Encryption:":
            made[-1][1].append((message, raw))
        else:
            numbers[name] = int.from_bytes(raw, "big")
        if name == "Coefficient:":
            p, q, d = (numbers[one] for one in ("Prime 1:", "Prime 2:", "Exponent:"))
            public = rsa.RSAPublicNumbers(e=numbers["Public exponent:"], n=numbers["Modulus:"])
            private = rsa.RSAPrivateNumbers(
                p=p, q=q, d=d, dmp1=d % (p - 1), dmq1=d % (q - 1), iqmp=pow(q, -1, p), public_numbers=public
            ).private_key()
            made.append((private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), []))
    return made


def test_oaep_as_in_the_vectors_of_cryptography(service: Service) -> None:
    run = 0
    for private, pairs in private_keys(nist.text(nist.OAEP)):
        key = service.imported("RSA_2048", "ENCRYPT_DECRYPT", private)
        for message, ciphertext in pairs:
            asked = {"KeyId": key, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256", "CiphertextBlob": ciphertext}
            assert service.call("Decrypt", **asked)["Plaintext"] == message
            run += 1
    count("T8", run=run)
    assert run == 60
