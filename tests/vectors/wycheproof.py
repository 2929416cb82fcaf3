"""Wycheproof's vectors: which of them our API or the envelope can express, and why the others cannot be (T8).

``files/`` has the files that something runs, unchanged (``files/NOTICE.md``). A file of the project's selection that is
not there is in ``NOT_EXPRESSED`` with its number of tests; a test of a file that is there either runs or has a reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

DATA: Final = Path(__file__).parent / "files"
TESTS_IN_ALL: Final = 6_415
"""Of the 31 files that were selected (``files/NOTICE.md``)."""

NOT_EXPRESSED: Final = {
    "aes_cbc_pkcs5_test.json": (216, "no part of the product encrypts with CBC"),
    "aes_cmac_test.json": (311, "MACs of the key service are HMACs (reference, MacAlgorithm)"),
    "aes_gcm_siv_test.json": (
        202,
        "messages are sealed with AES-GCM under a key of their own, so a nonce cannot repeat",
    ),
    "aes_siv_cmac_test.json": (442, "messages are sealed with AES-GCM under a key of their own"),
    "aes_wrap_test.json": (165, "imported material is wrapped with padding (AES-KWP) in RSA_AES_KEY_WRAP"),
    "chacha20_poly1305_test.json": (325, "no part of the product uses ChaCha20"),
    "hkdf_sha384_test.json": (83, "keys are derived with HKDF-SHA256 only"),
    "hkdf_sha512_test.json": (83, "keys are derived with HKDF-SHA256 only"),
    "pbkdf2_hmacsha256_test.json": (60, "passphrases go through Argon2id"),
    "rsa_oaep_2048_sha256_mgf1sha1_test.json": (31, "RSAES_OAEP_SHA_256 has SHA-256 in both places"),
    "rsa_oaep_4096_sha512_mgf1sha512_test.json": (36, "the key service has OAEP with SHA-1 and SHA-256 only"),
}

RUN_BY: Final = {
    "aes_gcm_test.json": "test_envelope",
    "hkdf_sha256_test.json": "test_envelope",
    "aes_kwp_test.json": "test_wrapped_material",
    "hmac_sha256_test.json": "test_macs",
    "hmac_sha384_test.json": "test_macs",
    "hmac_sha512_test.json": "test_macs",
    "rsa_oaep_2048_sha1_mgf1sha1_test.json": "test_oaep",
    "rsa_oaep_2048_sha256_mgf1sha256_test.json": "test_oaep",
    "rsa_oaep_3072_sha256_mgf1sha256_test.json": "test_oaep",
    "rsa_oaep_4096_sha256_mgf1sha256_test.json": "test_oaep",
    "ecdsa_secp256r1_sha256_test.json": "test_signatures",
    "ecdsa_secp256r1_sha256_p1363_test.json": "test_signatures",
    "ecdsa_secp384r1_sha384_test.json": "test_signatures",
    "ecdsa_secp384r1_sha384_p1363_test.json": "test_signatures",
    "ecdsa_secp521r1_sha512_test.json": "test_signatures",
    "rsa_pss_2048_sha256_mgf1_32_test.json": "test_signatures",
    "rsa_pss_4096_sha512_mgf1_64_test.json": "test_signatures",
    "rsa_signature_2048_sha256_test.json": "test_signatures",
    "rsa_signature_3072_sha384_test.json": "test_signatures",
    "rsa_signature_4096_sha512_test.json": "test_signatures",
}


@dataclass(frozen=True, slots=True)
class Vector:
    """One test of a file, with the group that it stands in."""

    file: str
    group: dict[str, Any]
    test: dict[str, Any]

    @property
    def name(self) -> str:
        """For a message."""
        return f"{self.file} tcId {self.test['tcId']}: {self.test['comment']}"

    @property
    def is_valid(self) -> bool:
        """Whether it must be taken. What is neither ("acceptable") is refused here, as the strictest readers do."""
        return bool(self.test["result"] == "valid")

    def raw(self, field: str) -> bytes:
        """A field of the test."""
        return bytes.fromhex(self.test[field])


@cache
def every(file: str) -> tuple[Vector, ...]:
    """All of a file."""
    groups = json.loads((DATA / file).read_text())["testGroups"]
    return tuple(Vector(file, group, test) for group in groups for test in group["tests"])


def expressed(file: str) -> Iterator[Vector]:
    """Those of a file that can be run."""
    return (vector for vector in every(file) if why_not(vector) is None)


def why_not(vector: Vector) -> str | None:
    """Why a vector cannot be run; None when it can."""
    family = next(prefix for prefix in _WHY_NOT if vector.file.startswith(prefix))
    return next((reason for reason, holds in _WHY_NOT[family].items() if holds(vector)), None)


_MATERIAL_BYTES: Final = (28, 32, 48, 64)
_CURVE_BYTES: Final = {"ecdsa_secp256r1_sha256_p1363_test.json": 32, "ecdsa_secp384r1_sha384_p1363_test.json": 48}
_SIGNED: Final[Mapping[str, Callable[[Vector], bool]]] = {
    "a message has 1 to 4096 bytes": lambda it: not it.test["msg"],
}
_WHY_NOT: Final[Mapping[str, Mapping[str, Callable[[Vector], bool]]]] = {
    "aes_gcm_": {
        "a sealed message has a 256-bit key, a 96-bit nonce and a 128-bit tag": lambda it: (
            (it.group["keySize"], it.group["ivSize"], it.group["tagSize"]) != (256, 96, 128)
        ),
    },
    "aes_kwp_": {
        "RSA_AES_KEY_WRAP carries a 256-bit AES key": lambda it: it.group["keySize"] != 256,
        "no key spec has material of that size": lambda it: it.is_valid and len(it.raw("msg")) not in _MATERIAL_BYTES,
    },
    "hkdf_": {},
    "hmac_": {
        "the material of an HMAC key is as long as its digest": lambda it: it.group["keySize"] != int(it.file[8:11]),
        "the key service answers and takes whole MACs": lambda it: it.group["tagSize"] != it.group["keySize"],
        "a message has 1 to 4096 bytes": lambda it: not it.test["msg"],
    },
    "rsa_oaep_": {
        "OAEP of the key service has no label": lambda it: bool(it.test["label"]),
        "a plaintext has 1 byte at least": lambda it: it.is_valid and not it.test["msg"],
    },
    "rsa_": _SIGNED,
    "ecdsa_": {
        **_SIGNED,
        "signatures of the key service are DER; this one is no pair of numbers to be written so": lambda it: (
            it.file in _CURVE_BYTES and len(it.raw("sig")) != 2 * _CURVE_BYTES[it.file]
        ),
    },
}
