"""The primitives as the envelope calls them (T8): AES-256-GCM, HKDF-SHA256 and Argon2id are what it is composed of."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.counts import count
from tests.vectors import nist, wycheproof


def gcm(key: bytes, nonce: bytes, aad: bytes, sealed: bytes, plain: bytes | None) -> None:
    """``plain`` None: it must not open."""
    cipher = AESGCM(key)
    if plain is None:
        with pytest.raises(InvalidTag):
            cipher.decrypt(nonce, sealed, aad)
        return
    assert cipher.decrypt(nonce, sealed, aad) == plain
    assert cipher.encrypt(nonce, plain, aad) == sealed


def hkdf(ikm: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=size, salt=salt, info=info).derive(ikm)


def test_aes_256_gcm_as_in_wycheproof() -> None:
    vectors = list(wycheproof.expressed("aes_gcm_test.json"))
    for vector in vectors:
        sealed, plain = vector.raw("ct") + vector.raw("tag"), vector.raw("msg") if vector.is_valid else None
        gcm(vector.raw("key"), vector.raw("iv"), vector.raw("aad"), sealed, plain)
    count("T8", run=len(vectors))
    assert len(vectors) == 66


@pytest.mark.parametrize(("file", "expected"), [(nist.GCM, 375), (nist.GCM_ENCRYPT, 375)])
def test_aes_256_gcm_as_in_cavp(file: str, expected: int) -> None:
    settings: dict[str, str] = {}
    run = 0
    for heading, records in nist.sections(file):
        name, _, value = heading.partition(" = ")
        settings[name] = value
        if (settings.get("IVlen"), settings.get("Taglen")) != ("96", "128"):
            continue  # a sealed message has a 96-bit nonce and a 128-bit tag
        for record in records:
            key, nonce, aad, ct, tag = (bytes.fromhex(record[name]) for name in ("Key", "IV", "AAD", "CT", "Tag"))
            gcm(key, nonce, aad, ct + tag, None if "FAIL" in record else bytes.fromhex(record["PT"]))
            run += 1
    count("T8", run=run)
    assert run == expected


def test_hkdf_sha256_as_in_wycheproof() -> None:
    vectors = list(wycheproof.expressed("hkdf_sha256_test.json"))
    for vector in vectors:
        given = (vector.raw("ikm"), vector.raw("salt"), vector.raw("info"), vector.test["size"])
        if vector.is_valid:
            assert hkdf(*given) == vector.raw("okm"), vector.name
        else:
            with pytest.raises(ValueError, match="Cannot derive keys larger"):
                hkdf(*given)
    count("T8", run=len(vectors))
    assert len(vectors) == 86


def test_hkdf_sha256_as_in_the_rfc() -> None:
    ((_, records),) = nist.sections(nist.HKDF)
    case: dict[str, str] = {}
    run = 0
    for record in records:
        case.update(record)
        if "OKM" in record:
            ikm, salt, info = (bytes.fromhex(case[name]) for name in ("IKM", "salt", "info"))
            assert hkdf(ikm, salt, info, int(case["L"])).hex() == case["OKM"]
            run += 1
    count("T8", run=run)
    assert run == 3


def test_argon2id_as_in_the_rfc() -> None:
    ((_, records),) = nist.sections(nist.ARGON2ID)
    cases = [record for record in records if "output" in record]
    for record in cases:
        derived = Argon2id(
            salt=bytes.fromhex(record["salt"]),
            length=int(record["length"]),
            iterations=int(record["iter"]),
            lanes=int(record["lanes"]),
            memory_cost=int(record["memcost"]),
            ad=bytes.fromhex(record["ad"]) if record.get("ad") else None,
            secret=bytes.fromhex(record["secret"]) if record.get("secret") else None,
        ).derive(bytes.fromhex(record["pass"]))
        assert derived.hex() == record["output"]
    count("T8", run=len(cases))
    assert len(cases) == 6
