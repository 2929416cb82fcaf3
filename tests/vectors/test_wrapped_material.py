"""AES-KWP through ImportKeyMaterial with RSA_AES_KEY_WRAP_SHA_256: taken or refused as the vectors say (T8)."""

from __future__ import annotations

import hmac

import pytest

from reconciler.errors import ServiceError
from tests.amounts import amount
from tests.counts import count
from tests.vectors import nist, wycheproof
from tests.vectors.service import Service

HMAC_SPECS = {28: "HMAC_224", 32: "HMAC_256", 48: "HMAC_384", 64: "HMAC_512"}


def taken(service: Service, kek: bytes, wrapped: bytes, material: bytes | None) -> None:
    """``material`` None: it must be refused, and the key stays without."""
    spec = HMAC_SPECS[len(material or bytes(32))]
    key = service.pending(spec, "GENERATE_VERIFY_MAC")
    if material is None:
        with pytest.raises(ServiceError) as refused:
            service.give(key, kek, wrapped)
        # What unwraps to a length that no key spec has is material, but not this key's.
        assert refused.value.code in {"InvalidCiphertextException", "IncorrectKeyMaterialException"}
        assert service.call("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "PendingImport"
        return
    service.give(key, kek, wrapped)
    algorithm = spec.replace("_", "_SHA_")
    made = service.call("GenerateMac", KeyId=key, Message=b"whose key", MacAlgorithm=algorithm)["Mac"]
    assert made == hmac.digest(material, b"whose key", f"sha{spec[-3:]}")


def test_wrapped_material_as_in_wycheproof(service: Service) -> None:
    vectors = list(wycheproof.expressed("aes_kwp_test.json"))
    for vector in vectors:
        taken(service, vector.raw("key"), vector.raw("ct"), vector.raw("msg") if vector.is_valid else None)
    count("T8", run=len(vectors))
    assert len(vectors) == 72


@pytest.mark.parametrize("file", [nist.KWP_OPEN, nist.KWP_INVALID])
def test_wrapped_material_as_in_cavp(service: Service, file: str) -> None:
    """Of each length a few, or all; the lengths that no key spec has must be refused whole as well."""
    run = 0
    for _, records in nist.sections(file):
        for record in records[: amount(ci=6, campaign=100)]:
            kek, wrapped = bytes.fromhex(record["K"]), bytes.fromhex(record["C"])
            material = bytes.fromhex(record["P"]) if "FAIL" not in record else b""
            taken(service, kek, wrapped, material if len(material) in HMAC_SPECS else None)
            run += 1
    count("T8", run=run)
    assert run >= 30
