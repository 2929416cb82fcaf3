"""NIST's signatures: through Sign and Verify under imported private keys where the vectors have them (T8)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reconciler.errors import KMSInvalidSignatureException
from reconciler_softkms import signatures
from tests.amounts import amount
from tests.counts import count
from tests.vectors import nist
from tests.vectors.service import Service

CURVES: dict[str, tuple[str, ec.EllipticCurve, str]] = {
    "P-256,SHA-256": ("ECC_NIST_P256", ec.SECP256R1(), "ECDSA_SHA_256"),
    "P-384,SHA-384": ("ECC_NIST_P384", ec.SECP384R1(), "ECDSA_SHA_384"),
    "P-521,SHA-512": ("ECC_NIST_P521", ec.SECP521R1(), "ECDSA_SHA_512"),
    "K-256,SHA-256": ("ECC_SECG_P256K1", ec.SECP256K1(), "ECDSA_SHA_256"),
}
MODULI = {"mod = 2048": "RSA_2048", "mod = 3072": "RSA_3072", "mod = 4096": "RSA_4096"}
DIGESTS = {"SHA256", "SHA384", "SHA512"}


def number(record: nist.Record, name: str) -> int:
    return int(record[name], 16)


def der(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def of_key_specs(file: str) -> Iterator[tuple[str, nist.Record]]:
    """Records under a curve and digest that make an algorithm of the key service."""
    for heading, records in nist.sections(file):
        if heading in CURVES:
            yield from ((heading, record) for record in records)


def test_ecdsa_signatures_as_in_cavp() -> None:
    run = 0
    for heading, record in of_key_specs(nist.ECDSA_VERIFY):
        _, curve, algorithm = CURVES[heading]
        public = ec.EllipticCurvePublicNumbers(number(record, "Qx"), number(record, "Qy"), curve).public_key()
        signature = encode_dss_signature(number(record, "R"), number(record, "S"))
        taken = signatures.is_valid(public, algorithm, bytes.fromhex(record["Msg"]), signature, is_digest=False)
        assert taken is record["Result"].startswith("P"), (heading, record["Result"])
        run += 1
    count("T8", run=run)
    assert run == 45


@pytest.mark.parametrize("file", [nist.ECDSA_SIGN, nist.SECP256K1])
def test_ecdsa_under_imported_keys_as_in_cavp(service: Service, file: str) -> None:
    """What others signed with a key is verified with it, and what is signed with it as well; nothing else is."""
    run = 0
    for heading, (key_spec, curve, algorithm) in CURVES.items():
        records = [record for found, record in of_key_specs(file) if found == heading]
        for record in records[: amount(ci=3, campaign=1_000)]:
            key = service.imported(key_spec, "SIGN_VERIFY", der(ec.derive_private_key(number(record, "d"), curve)))
            message = bytes.fromhex(record["Msg"])
            asked = {"KeyId": key, "SigningAlgorithm": algorithm, "Message": message}
            theirs = encode_dss_signature(number(record, "R"), number(record, "S"))
            ours = service.call("Sign", **asked)["Signature"]
            for signature in (theirs, ours):
                assert service.call("Verify", **asked, Signature=signature)["SignatureValid"] is True
            with pytest.raises(KMSInvalidSignatureException):
                service.call("Verify", **{**asked, "Message": message + b"."}, Signature=theirs)
            run += 1
    count("T8", run=run)
    assert run >= 3


def rsa_records() -> Iterator[tuple[str, dict[str, str]]]:
    """Each record of a modulus that is a key spec, with the numbers of the key that it stands under."""
    for heading, records in nist.sections(nist.PKCS1_VERIFY):
        if heading not in MODULI:
            continue
        key: dict[str, str] = {}
        for record in records:
            if "SHAAlg" not in record:
                key.update(record)
            elif record["SHAAlg"] in DIGESTS:
                yield heading, {**key, **record}


def test_pkcs1_signatures_as_in_cavp() -> None:
    run = 0
    for _, record in rsa_records():
        public = rsa.RSAPublicNumbers(e=number(record, "e"), n=number(record, "n"))
        if public.n.bit_length() > 3072 and public.e.bit_length() > 64:
            continue  # OpenSSL has no exponent that long beside a modulus of that size
        algorithm = f"RSASSA_PKCS1_V1_5_SHA_{record['SHAAlg'][3:]}"
        message, signature = bytes.fromhex(record["Msg"]), bytes.fromhex(record["S"])
        taken = signatures.is_valid(public.public_key(), algorithm, message, signature, is_digest=False)
        assert taken is record["Result"].startswith("P"), record["Result"]
        run += 1
    count("T8", run=run)
    assert run >= 100


def test_pkcs1_under_imported_keys_as_in_cavp(service: Service) -> None:
    """PKCS #1 v1.5 has no randomness: Sign answers the very bytes of the vector."""
    keys: dict[tuple[int, int], str] = {}  # one modulus has several exponents
    run = 0
    for heading, record in rsa_records():
        if not record["Result"].startswith("P"):
            continue
        n, e, d, p, q = (number(record, name) for name in ("n", "e", "d", "p", "q"))
        if (n, e) not in keys:
            if len(keys) >= amount(ci=3, campaign=100):
                continue
            private = rsa.RSAPrivateNumbers(
                p=p,
                q=q,
                d=d,
                dmp1=d % (p - 1),
                dmq1=d % (q - 1),
                iqmp=pow(q, -1, p),
                public_numbers=rsa.RSAPublicNumbers(e=e, n=n),
            )
            keys[n, e] = service.imported(MODULI[heading], "SIGN_VERIFY", der(private.private_key()))
        algorithm = f"RSASSA_PKCS1_V1_5_SHA_{record['SHAAlg'][3:]}"
        asked = {"KeyId": keys[n, e], "SigningAlgorithm": algorithm, "Message": bytes.fromhex(record["Msg"])}
        assert service.call("Sign", **asked)["Signature"].hex() == record["S"].lower()
        run += 1
    count("T8", run=run)
    assert run >= 9
