"""ECDH through DeriveSharedSecret, under imported private keys (T8)."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from reconciler.errors import ServiceError
from tests.amounts import amount
from tests.counts import count
from tests.vectors import nist
from tests.vectors.service import Service

CURVES: dict[str, tuple[str, ec.EllipticCurve]] = {
    "EC - SHA256": ("ECC_NIST_P256", ec.SECP256R1()),
    "ED - SHA384": ("ECC_NIST_P384", ec.SECP384R1()),
    "EE - SHA512": ("ECC_NIST_P521", ec.SECP521R1()),
}


def number(record: nist.Record, name: str) -> int:
    return int(record[name], 16)


@pytest.mark.parametrize("file", [nist.ECDH, nist.ECDH_INIT])
def test_shared_secrets_as_in_cavp(service: Service, file: str) -> None:
    """P-192 and P-224 are no key spec. Records that fail because our side's own key is wrong have no such key to
    import; those whose Z was changed on paper still have the right secret, and those whose public key is no point of
    the curve must be refused."""
    run = 0
    for heading, records in nist.sections(file):
        if heading not in CURVES:
            continue
        key_spec, curve = CURVES[heading]
        passing = [record for record in records if record["Result"].startswith("P")]
        for record in passing[: amount(ci=6, campaign=100)]:
            private = ec.derive_private_key(number(record, "dsIUT"), curve)
            key = service.imported(
                key_spec, "KEY_AGREEMENT", private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            )
            theirs = ec.EllipticCurvePublicNumbers(number(record, "QsCAVSx"), number(record, "QsCAVSy"), curve)
            spki = theirs.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            asked = {"KeyId": key, "KeyAgreementAlgorithm": "ECDH"}
            assert service.call("DeriveSharedSecret", **asked, PublicKey=spki)["SharedSecret"].hex() == record["Z"]
            with pytest.raises(ServiceError):
                service.call("DeriveSharedSecret", **asked, PublicKey=spki[:-1] + bytes([spki[-1] ^ 1]))
            run += 1
    count("T8", run=run)
    assert run >= 15
