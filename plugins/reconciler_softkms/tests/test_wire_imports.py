"""Imported material in the public API's words: each spec, terms that do not fit, rotation to other material."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reconciler.access.caller import Caller
from reconciler.errors import (
    IncorrectKeyMaterialException,
    KMSInvalidStateException,
    NotFoundException,
    ServiceError,
    UnsupportedOperationException,
    ValidationException,
)
from reconciler.providers.key_material import ImportParameters
from reconciler.testing.fakes import ManualClock
from reconciler.testing.key_material_contract import FIRST, SECOND, wrapped
from reconciler_softkms import SoftKms
from reconciler_softkms.tests.asking import Client
from reconciler_softkms.tests.conftest import Opened

FOREVER: Final = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
THIRD: Final = bytes(range(96, 128))


@pytest.fixture
def client(provider: SoftKms, caller: Caller) -> Client:
    return Client(provider, caller)


def external(client: Client, **members: Any) -> str:
    key_id: str = client.ask("CreateKey", Origin="EXTERNAL", **members)["KeyMetadata"]["KeyId"]
    return key_id


def take(client: Client, key: str, material: bytes, **terms: Any) -> dict[str, Any]:
    """Import it, wrapped in two steps, as material of any length can be."""
    algorithm = "RSA_AES_KEY_WRAP_SHA_256"
    asked = {"WrappingAlgorithm": algorithm, "WrappingKeySpec": "RSA_2048"}
    given = client.ask("GetParametersForImport", KeyId=key, **asked)
    parameters = ImportParameters(
        key_arn=given["KeyId"],
        import_token=given["ImportToken"],
        public_key=given["PublicKey"],
        valid_to=client.provider._door.clock.now(),
    )
    sealed = wrapped(parameters, material, algorithm)
    return client.ask(
        "ImportKeyMaterial",
        KeyId=key,
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=sealed,
        **(terms or FOREVER),
    )


def pkcs8(pair: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return pair.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


P256 = ec.generate_private_key(ec.SECP256R1())
MATERIAL: dict[tuple[str, str], bytes] = {
    ("HMAC_224", "GENERATE_VERIFY_MAC"): bytes(28),
    ("HMAC_384", "GENERATE_VERIFY_MAC"): bytes(48),
    ("ECC_NIST_P256", "SIGN_VERIFY"): pkcs8(P256),
    ("ECC_NIST_P521", "SIGN_VERIFY"): pkcs8(ec.generate_private_key(ec.SECP521R1())),
    ("ECC_SECG_P256K1", "SIGN_VERIFY"): pkcs8(ec.generate_private_key(ec.SECP256K1())),
    ("RSA_2048", "SIGN_VERIFY"): pkcs8(rsa.generate_private_key(65537, 2048)),
}


@pytest.mark.parametrize(("spec", "usage"), MATERIAL)
def test_material_of_each_spec_and_of_no_other(client: Client, spec: str, usage: str) -> None:
    key = external(client, KeySpec=spec, KeyUsage=usage)
    for other_spec, material in MATERIAL.items():
        if other_spec[0] != spec:
            with pytest.raises(IncorrectKeyMaterialException):
                take(client, key, material)
            break
    take(client, key, MATERIAL[spec, usage])
    found = client.ask("DescribeKey", KeyId=key)["KeyMetadata"]
    assert (found["KeyState"], found["ExpirationModel"]) == ("Enabled", FOREVER["ExpirationModel"])
    if spec == "ECC_NIST_P256":
        signed = client.ask("Sign", KeyId=key, Message=b"text", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
        from cryptography.hazmat.primitives.hashes import SHA256

        P256.public_key().verify(signed, b"text", ec.ECDSA(SHA256()))


REFUSED: dict[str, tuple[dict[str, Any], type[ServiceError]]] = {
    "no date": ({"ExpirationModel": "KEY_MATERIAL_EXPIRES"}, ValidationException),
    "no date, and no model": ({"KeyMaterialDescription": "x"}, ValidationException),
    "a date for what does not expire": ({**FOREVER, "ValidTo": 4e9}, ValidationException),
    "a date that has passed": ({"ValidTo": 1.0}, ValidationException),
    "a date beyond a year": ({"ValidTo": 4e9}, ValidationException),
    "existing material of a key that has none": (
        {**FOREVER, "ImportType": "EXISTING_KEY_MATERIAL"},
        IncorrectKeyMaterialException,
    ),
    "an id of new material": (
        {**FOREVER, "ImportType": "NEW_KEY_MATERIAL", "KeyMaterialId": "0" * 64},
        ValidationException,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_terms_that_do_not_fit(client: Client, what: str) -> None:
    terms, error = REFUSED[what]
    key = external(client)
    with pytest.raises(error):
        take(client, key, FIRST, **terms)
    assert client.ask("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "PendingImport"


@pytest.mark.parametrize(
    ("algorithm", "spec"), [("RSAES_PKCS1_V1_5", "RSA_2048"), ("SM2PKE", "SM2"), ("RSAES_OAEP_SHA_256", "SM2")]
)
def test_ways_of_wrapping_that_are_not_here(client: Client, algorithm: str, spec: str) -> None:
    with pytest.raises(UnsupportedOperationException):
        client.ask("GetParametersForImport", KeyId=external(client), WrappingAlgorithm=algorithm, WrappingKeySpec=spec)


def test_new_material_waits_for_a_rotation(client: Client, clock: ManualClock) -> None:
    key = external(client)
    first = take(client, key, FIRST)["KeyMaterialId"]
    sealed = client.ask("Encrypt", KeyId=key, Plaintext=b"text")["CiphertextBlob"]
    with pytest.raises(KMSInvalidStateException):
        client.ask("RotateKeyOnDemand", KeyId=key)
    named = {"ImportType": "NEW_KEY_MATERIAL", "KeyMaterialDescription": "2026"}
    second = take(client, key, SECOND, **FOREVER, **named)["KeyMaterialId"]
    with pytest.raises(KMSInvalidStateException):
        take(client, key, THIRD, **FOREVER, **named)
    assert client.ask("DescribeKey", KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"] == first
    clock.advance(minutes=1)
    client.ask("RotateKeyOnDemand", KeyId=key)
    every = client.ask("ListKeyRotations", KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    shown = [(one["KeyMaterialId"], one["KeyMaterialState"], one.get("KeyMaterialDescription")) for one in every]
    assert shown == [(first, "NON_CURRENT", None), (second, "CURRENT", "2026")]
    assert client.ask("Decrypt", CiphertextBlob=sealed)["KeyMaterialId"] == first
    assert client.ask("GenerateDataKey", KeyId=key, KeySpec="AES_128")["KeyMaterialId"] == second
    client.ask("DeleteImportedKeyMaterial", KeyId=key, KeyMaterialId=first)
    with pytest.raises(KMSInvalidStateException):
        client.ask("Encrypt", KeyId=key, Plaintext=b"text")
    states = client.ask("ListKeyRotations", KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert [one["ImportState"] for one in states] == ["PENDING_IMPORT", "IMPORTED"]
    with pytest.raises(IncorrectKeyMaterialException):
        take(client, key, SECOND, **FOREVER, KeyMaterialId=first)
    assert take(client, key, FIRST, **FOREVER, KeyMaterialId=first)["KeyMaterialId"] == first
    assert client.ask("Decrypt", CiphertextBlob=sealed)["Plaintext"] == b"text"
    with pytest.raises(NotFoundException):
        client.ask("DeleteImportedKeyMaterial", KeyId=key, KeyMaterialId="0" * 64)


def test_what_waits_for_a_rotation_goes_without_harm(client: Client) -> None:
    key = external(client)
    take(client, key, FIRST)
    waiting = take(client, key, SECOND, **FOREVER, ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    client.ask("DeleteImportedKeyMaterial", KeyId=key, KeyMaterialId=waiting)
    client.ask("Encrypt", KeyId=key, Plaintext=b"text")
    with pytest.raises(KMSInvalidStateException):
        client.ask("RotateKeyOnDemand", KeyId=key)


def test_a_replica_takes_its_primarys_material_and_no_other(client: Client, opened: Opened, caller: Caller) -> None:
    key = external(client, MultiRegion=True)
    take(client, key, FIRST)
    replica = client.ask("ReplicateKey", KeyId=key, ReplicaRegion="us-east-1")["ReplicaKeyMetadata"]
    assert (replica["KeyState"], replica["Origin"]) == ("PendingImport", "EXTERNAL")
    there = Client(opened(region="us-east-1"), caller)
    sealed = client.ask("Encrypt", KeyId=key, Plaintext=b"text")["CiphertextBlob"]
    with pytest.raises(KMSInvalidStateException):
        there.ask("Decrypt", CiphertextBlob=sealed)
    with pytest.raises(IncorrectKeyMaterialException):
        take(there, key, SECOND)
    take(there, key, FIRST)
    assert there.ask("Decrypt", CiphertextBlob=sealed)["Plaintext"] == b"text"
    with pytest.raises(UnsupportedOperationException):
        take(there, key, SECOND, **FOREVER, ImportType="NEW_KEY_MATERIAL")
    second = take(client, key, SECOND, **FOREVER, ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    every = client.ask("ListKeyRotations", KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert every[-1]["KeyMaterialState"] == "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
    with pytest.raises(KMSInvalidStateException):
        client.ask("RotateKeyOnDemand", KeyId=key)
    assert take(there, key, SECOND)["KeyMaterialId"] == second
    client.ask("RotateKeyOnDemand", KeyId=key)
    for side in (client, there):
        assert side.ask("GenerateDataKey", KeyId=key, KeySpec="AES_256")["KeyMaterialId"] == second
        assert side.ask("Decrypt", CiphertextBlob=sealed)["Plaintext"] == b"text"


def test_imported_material_is_gone_from_disk(client: Client, home: Path, clock: ManualClock) -> None:
    key = external(client)
    take(client, key, FIRST, ValidTo=clock.now().timestamp() + 60)
    store = client.provider._door.store
    (sealed,) = store.writing().execute("SELECT sealed FROM materials WHERE key_id = ?", (key,)).fetchone()

    def on_disk() -> bool:
        return any(sealed in path.read_bytes() for path in home.rglob("*") if path.is_file())

    assert on_disk()
    clock.advance(minutes=1)
    with pytest.raises(KMSInvalidStateException):
        client.ask("Encrypt", KeyId=key, Plaintext=b"text")
    assert not on_disk()
    assert "DeleteExpiredKeyMaterial" in [event["eventName"] for _, event in client.provider.audit_events()]
    take(client, key, FIRST)
    (sealed,) = store.writing().execute("SELECT sealed FROM materials WHERE key_id = ?", (key,)).fetchone()
    client.ask("DeleteImportedKeyMaterial", KeyId=key)
    assert not on_disk()


def test_a_key_whose_material_is_gone_comes_back_from_deletion_without_it(client: Client) -> None:
    key = external(client)
    take(client, key, FIRST)
    client.ask("ScheduleKeyDeletion", KeyId=key)
    client.ask("DeleteImportedKeyMaterial", KeyId=key)
    client.ask("CancelKeyDeletion", KeyId=key)
    assert client.ask("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "PendingImport"


def test_no_material_nor_token_is_recorded(client: Client) -> None:
    key = external(client)
    take(client, key, FIRST)
    told = repr(list(client.provider.audit_events()))
    for secret in (FIRST, base64.b64encode(FIRST)):
        assert secret.decode("latin-1") not in told
    assert "importToken" not in told
    assert "encryptedKeyMaterial" not in told
