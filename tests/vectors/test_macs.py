"""HMAC through GenerateMac and VerifyMac, under imported material (T8)."""

from __future__ import annotations

import pytest

from reconciler.errors import KMSInvalidMacException
from tests.counts import count
from tests.vectors import wycheproof
from tests.vectors.service import Service


@pytest.mark.parametrize("file", ["hmac_sha256_test.json", "hmac_sha384_test.json", "hmac_sha512_test.json"])
def test_macs_as_in_wycheproof(service: Service, file: str) -> None:
    bits = file[8:11]
    keys: dict[bytes, str] = {}
    vectors = list(wycheproof.expressed(file))
    for vector in vectors:
        material = vector.raw("key")
        if material not in keys:
            keys[material] = service.imported(f"HMAC_{bits}", "GENERATE_VERIFY_MAC", material)
        asked = {"KeyId": keys[material], "Message": vector.raw("msg"), "MacAlgorithm": f"HMAC_SHA_{bits}"}
        if vector.is_valid:
            assert service.call("GenerateMac", **asked)["Mac"] == vector.raw("tag"), vector.name
            assert service.call("VerifyMac", **asked, Mac=vector.raw("tag"))["MacValid"] is True, vector.name
        else:
            with pytest.raises(KMSInvalidMacException):
                service.call("VerifyMac", **asked, Mac=vector.raw("tag"))
    count("T8", run=len(vectors))
    assert len(vectors) == 53
