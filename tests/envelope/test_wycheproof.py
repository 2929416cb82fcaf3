"""The primitives as the envelope calls them, against Wycheproof's vectors (RELIABILITY T8; vectors/NOTICE.md).

AES-GCM with 256-bit keys, 12-byte nonces and 128-bit tags, and HKDF-SHA256: what ``seal`` is made of. The other key and
nonce sizes of the files are left out, because the envelope's layout has no place for them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VECTORS = Path(__file__).parent / "vectors"


def groups(name: str, **wanted: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / name).read_text())["testGroups"]
    return [group for group in found if all(group[key] == value for key, value in wanted.items())]


def raw(test: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(test[name])


def test_aes_256_gcm() -> None:
    tests = [
        test for group in groups("aes_gcm_test.json", keySize=256, ivSize=96, tagSize=128) for test in group["tests"]
    ]
    assert len(tests) == 66
    for test in tests:
        cipher, nonce, aad = AESGCM(raw(test, "key")), raw(test, "iv"), raw(test, "aad")
        sealed = raw(test, "ct") + raw(test, "tag")
        if test["result"] == "valid":
            assert cipher.encrypt(nonce, raw(test, "msg"), aad) == sealed, test["tcId"]
            assert cipher.decrypt(nonce, sealed, aad) == raw(test, "msg"), test["tcId"]
        else:
            with pytest.raises(InvalidTag):
                cipher.decrypt(nonce, sealed, aad)


def test_hkdf_sha256() -> None:
    tests = [test for group in groups("hkdf_sha256_test.json") for test in group["tests"]]
    assert len(tests) == 86
    for test in tests:

        def derive(test: dict[str, Any] = test) -> bytes:
            expand = HKDF(algorithm=SHA256(), length=test["size"], salt=raw(test, "salt"), info=raw(test, "info"))
            return expand.derive(raw(test, "ikm"))

        if test["result"] == "valid":
            assert derive() == raw(test, "okm"), test["tcId"]
        else:
            with pytest.raises(ValueError, match="Cannot derive keys larger"):
                derive()
