"""Encrypt, Decrypt, ReEncrypt and data keys: what comes back, and what nothing opens (KM4, KM5, I7, I8)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import (
    AccessDeniedException,
    DryRunOperationException,
    IncorrectKeyException,
    InvalidCiphertextException,
    InvalidKeyUsageException,
    UnsupportedOperationException,
    ValidationException,
)
from reconciler_softkms import blob
from reconciler_softkms.tests.every_key import KINDS, EveryKey

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
CONTEXTS = st.dictionaries(TEXTS, TEXTS, max_size=4)
OAEP: dict[str, Any] = {"KeyId": "alias/rsa", "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}


@given(plaintext=st.binary(min_size=1, max_size=200), context=CONTEXTS)
def test_what_was_encrypted_is_decrypted_under_the_same_context(
    every_key: EveryKey, plaintext: bytes, context: dict[str, str]
) -> None:
    sealed = every_key.ask("Encrypt", KeyId="alias/symmetric", Plaintext=plaintext, EncryptionContext=context)
    ciphertext = sealed["CiphertextBlob"]
    assert plaintext not in ciphertext[blob.HEADER_BYTES :] or len(plaintext) < 6  # so few bytes are met by chance
    shuffled = dict(reversed(context.items()))
    opened = every_key.ask("Decrypt", CiphertextBlob=ciphertext, EncryptionContext=shuffled)
    assert opened["Plaintext"] == plaintext
    assert opened["KeyId"] == sealed["KeyId"] == every_key.arns["symmetric"]
    assert opened["EncryptionAlgorithm"] == sealed["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"


@given(context=CONTEXTS, other=CONTEXTS, data=st.data())
def test_any_flipped_bit_and_any_other_context_is_refused(
    every_key: EveryKey, context: dict[str, str], other: dict[str, str], data: st.DataObject
) -> None:
    blob = every_key.ask("GenerateDataKey", KeyId="alias/symmetric", KeySpec="AES_256", EncryptionContext=context)[
        "CiphertextBlob"
    ]
    bit = data.draw(st.integers(0, len(blob) * 8 - 1))
    changed = bytearray(blob)
    changed[bit // 8] ^= 1 << bit % 8
    for members in ({}, {"KeyId": "alias/symmetric"}):
        # Where the key is named, a blob whose header names another key is told as another key's.
        with pytest.raises((InvalidCiphertextException, IncorrectKeyException)):
            every_key.ask("Decrypt", CiphertextBlob=bytes(changed), EncryptionContext=context, **members)
    if other != context:
        with pytest.raises(InvalidCiphertextException):
            every_key.ask("Decrypt", CiphertextBlob=blob, EncryptionContext=other)


def test_a_ciphertext_is_opened_by_its_own_key_only(every_key: EveryKey) -> None:
    blob = every_key.ask("Encrypt", KeyId="alias/symmetric", Plaintext=b"text")["CiphertextBlob"]
    with pytest.raises(IncorrectKeyException):
        every_key.ask("Decrypt", CiphertextBlob=blob, KeyId="alias/other")
    with pytest.raises(IncorrectKeyException):
        every_key.ask("ReEncrypt", CiphertextBlob=blob, SourceKeyId="alias/other", DestinationKeyId="alias/symmetric")


@pytest.mark.parametrize("kind", KINDS)
def test_a_made_up_header_gets_nowhere(every_key: EveryKey, kind: str) -> None:
    """Whichever key it names: the material of a MAC or a private key opens no message."""
    sealed = every_key.ask("Encrypt", KeyId="alias/symmetric", Plaintext=b"text")["CiphertextBlob"]
    key = every_key.provider.describe_keys(every_key.caller, [every_key.arns[kind]])[every_key.arns[kind]]
    for material_id in (key.material_id, "00" * 32):
        forged = blob.Header(key.key_id, material_id).encode() + sealed[blob.HEADER_BYTES :]
        if forged != sealed:
            with pytest.raises((InvalidCiphertextException, InvalidKeyUsageException)):
                every_key.ask("Decrypt", CiphertextBlob=forged)


@pytest.mark.parametrize(("key", "most"), [("rsa", 214), ("rsa", 190)])
def test_oaep_holds_as_much_as_the_modulus_lets_it(every_key: EveryKey, key: str, most: int) -> None:
    algorithm = {214: "RSAES_OAEP_SHA_1", 190: "RSAES_OAEP_SHA_256"}[most]
    under = {"KeyId": f"alias/{key}", "EncryptionAlgorithm": algorithm}
    sealed = every_key.ask("Encrypt", Plaintext=bytes(most), **under)
    assert len(sealed["CiphertextBlob"]) == 256
    opened = every_key.ask("Decrypt", CiphertextBlob=sealed["CiphertextBlob"], **under)
    assert opened == {"KeyId": every_key.arns[key], "Plaintext": bytes(most), "EncryptionAlgorithm": algorithm}
    with pytest.raises(ValidationException, match=f"Algorithm {algorithm} and key spec RSA_2048 .* {most} bytes"):
        every_key.ask("Encrypt", Plaintext=bytes(most + 1), **under)


def test_what_a_client_encrypts_under_the_public_key_is_decrypted(every_key: EveryKey) -> None:
    public = load_der_public_key(every_key.ask("GetPublicKey", KeyId="alias/rsa")["PublicKey"])
    assert isinstance(public, rsa.RSAPublicKey)
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    for plaintext in (b"text", b""):
        opened = every_key.ask("Decrypt", CiphertextBlob=public.encrypt(plaintext, oaep), **OAEP)
        assert opened["Plaintext"] == plaintext
    labelled = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=b"label")
    with pytest.raises(InvalidCiphertextException):
        every_key.ask("Decrypt", CiphertextBlob=public.encrypt(b"text", labelled), **OAEP)


def test_every_byte_of_an_oaep_ciphertext_matters(every_key: EveryKey) -> None:
    blob = every_key.ask("Encrypt", Plaintext=b"text", **OAEP)["CiphertextBlob"]
    wrong = [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in range(0, len(blob), 8)]
    wrong += [blob[:-1], blob + b"\0", b"\0" * 256, b"\xff" * 256, b"\0"]
    told = set()
    for each in wrong:
        with pytest.raises(InvalidCiphertextException) as refused:
            every_key.ask("Decrypt", CiphertextBlob=each, **OAEP)
        told.add(str(refused.value))
    assert len(told) == 1, "an oracle: refusals differ"
    with pytest.raises(InvalidCiphertextException):
        every_key.ask("Decrypt", CiphertextBlob=blob, KeyId="alias/rsa", EncryptionAlgorithm="RSAES_OAEP_SHA_1")


REFUSED: dict[str, tuple[str, dict[str, Any], type[Exception]]] = {
    "an RSA key, and no algorithm named": ("Encrypt", {"KeyId": "alias/rsa"}, InvalidKeyUsageException),
    "a symmetric key with OAEP": ("Encrypt", {**OAEP, "KeyId": "alias/symmetric"}, InvalidKeyUsageException),
    "an algorithm of no key here": (
        "Encrypt",
        {"KeyId": "alias/rsa", "EncryptionAlgorithm": "SM2PKE"},
        InvalidKeyUsageException,
    ),
    "an encryption context with RSA": ("Encrypt", {**OAEP, "EncryptionContext": {"a": "1"}}, ValidationException),
    "decrypting OAEP, no key named": (
        "Decrypt",
        {"CiphertextBlob": bytes(256), "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"},
        ValidationException,
    ),
    "decrypting under an RSA key, no algorithm named": (
        "Decrypt",
        {"CiphertextBlob": bytes(256), "KeyId": "alias/rsa"},
        InvalidKeyUsageException,
    ),
    "a data key under an RSA key": (
        "GenerateDataKey",
        {"KeyId": "alias/rsa", "NumberOfBytes": 1},
        InvalidKeyUsageException,
    ),
    "a ciphertext that is none": ("Decrypt", {"CiphertextBlob": b"x"}, InvalidCiphertextException),
    "an RSA ciphertext as a symmetric one": ("Decrypt", {"CiphertextBlob": bytes(256)}, InvalidCiphertextException),
    "a pair of a spec that is not made here": (
        "GenerateDataKeyPair",
        {"KeyId": "alias/symmetric", "KeyPairSpec": "SM2"},
        UnsupportedOperationException,
    ),
    "a pair under an RSA key": (
        "GenerateDataKeyPair",
        {"KeyId": "alias/rsa", "KeyPairSpec": "ECC_NIST_P256"},
        InvalidKeyUsageException,
    ),
    "random bytes of a custom key store": (
        "GenerateRandom",
        {"NumberOfBytes": 1, "CustomKeyStoreId": "cks-1"},
        UnsupportedOperationException,
    ),
}


@pytest.mark.parametrize(("operation", "members", "refusal"), REFUSED.values(), ids=REFUSED)
def test_refused(every_key: EveryKey, operation: str, members: dict[str, Any], refusal: type[Exception]) -> None:
    if operation == "Encrypt":
        members = {**members, "Plaintext": b"text"}
    with pytest.raises(refusal):
        every_key.ask(operation, **members)


def test_a_ciphertext_goes_from_any_key_to_any(every_key: EveryKey) -> None:
    symmetric = {
        "KeyId": "alias/symmetric",
        "EncryptionContext": {"a": "1"},
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }
    other = {"KeyId": "alias/other", "EncryptionContext": {"b": "2"}, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    sides: list[dict[str, Any]] = [symmetric, other, {**symmetric, "EncryptionContext": {}}, OAEP]
    for source in sides:
        blob = every_key.ask("Encrypt", Plaintext=b"text", **source)["CiphertextBlob"]
        for target in sides:
            moved = every_key.ask(
                "ReEncrypt",
                CiphertextBlob=blob,
                **{f"Source{name}": value for name, value in source.items()},
                **{f"Destination{name}": value for name, value in target.items()},
            )
            materials = {"SourceKeyMaterialId": source is not OAEP, "DestinationKeyMaterialId": target is not OAEP}
            assert {name: name in moved for name in materials} == materials
            assert moved["SourceEncryptionAlgorithm"] == source["EncryptionAlgorithm"]
            assert moved["DestinationEncryptionAlgorithm"] == target["EncryptionAlgorithm"]
            opened = every_key.ask("Decrypt", CiphertextBlob=moved["CiphertextBlob"], **target)
            assert opened["Plaintext"] == b"text"
            if target is not OAEP:
                assert opened["KeyMaterialId"] == moved["DestinationKeyMaterialId"]


def test_a_trial_may_do_without_a_ciphertext(every_key: EveryKey) -> None:
    trial = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    with pytest.raises(DryRunOperationException):
        every_key.ask("Decrypt", KeyId="alias/symmetric", **trial)
    with pytest.raises(DryRunOperationException):
        every_key.ask("Decrypt", KeyId="alias/symmetric", CiphertextBlob=b"not looked at", **trial)
    with pytest.raises(DryRunOperationException):
        every_key.ask("ReEncrypt", SourceKeyId="alias/symmetric", DestinationKeyId="alias/other", **trial)
    with pytest.raises(ValidationException, match="must be named"):
        every_key.ask("Decrypt", **trial)
    with pytest.raises(InvalidKeyUsageException):
        every_key.ask("Decrypt", KeyId="alias/p256", **trial)
    with pytest.raises(InvalidCiphertextException):
        every_key.ask("Decrypt", CiphertextBlob=b"looked at", DryRun=True)
    with pytest.raises(ValidationException, match="ciphertextBlob"):
        every_key.ask("Decrypt", KeyId="alias/symmetric", DryRunModifiers=["IGNORE_CIPHERTEXT"])


@pytest.mark.parametrize(
    ("size", "length"), [({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 1024}, 1024)]
)
def test_a_data_key_is_fresh_and_as_long_as_asked_for(every_key: EveryKey, size: dict[str, Any], length: int) -> None:
    seen = set()
    for _ in range(3):
        made = every_key.ask("GenerateDataKey", KeyId="alias/symmetric", EncryptionContext={"a": "1"}, **size)
        opened = every_key.ask("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "1"})
        assert opened["Plaintext"] == made["Plaintext"]
        assert opened["KeyMaterialId"] == made["KeyMaterialId"]
        assert len(made["Plaintext"]) == length
        seen.add(made["Plaintext"])
        wrapped = every_key.ask("GenerateDataKeyWithoutPlaintext", KeyId="alias/symmetric", **size)
        assert len(every_key.ask("Decrypt", CiphertextBlob=wrapped["CiphertextBlob"])["Plaintext"]) == length
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("RSA_2048", 2048),
        ("ECC_NIST_P256", "secp256r1"),
        ("ECC_NIST_P384", "secp384r1"),
        ("ECC_NIST_P521", "secp521r1"),
        ("ECC_SECG_P256K1", "secp256k1"),
    ],
)
def test_a_data_key_pair_is_one(every_key: EveryKey, spec: str, kind: int | str) -> None:
    asked = {"KeyId": "alias/symmetric", "KeyPairSpec": spec, "EncryptionContext": {"a": "1"}}
    made = every_key.ask("GenerateDataKeyPair", **asked)
    private = load_der_private_key(made["PrivateKeyPlaintext"], password=None)
    assert isinstance(private, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))
    assert (private.key_size if isinstance(private, rsa.RSAPrivateKey) else private.curve.name) == kind
    assert private.public_key() == load_der_public_key(made["PublicKey"])
    opened = every_key.ask("Decrypt", CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext={"a": "1"})
    assert opened["Plaintext"] == made["PrivateKeyPlaintext"]
    wrapped = every_key.ask("GenerateDataKeyPairWithoutPlaintext", **asked)
    opened = every_key.ask("Decrypt", CiphertextBlob=wrapped["PrivateKeyCiphertextBlob"], EncryptionContext={"a": "1"})
    other = load_der_private_key(opened["Plaintext"], password=None)
    assert other.public_key() == load_der_public_key(wrapped["PublicKey"]) != load_der_public_key(made["PublicKey"])


def test_random_bytes(every_key: EveryKey) -> None:
    drawn = [every_key.ask("GenerateRandom", NumberOfBytes=count)["Plaintext"] for count in (1, 32, 32, 1024)]
    assert [len(each) for each in drawn] == [1, 32, 32, 1024]
    assert drawn[1] != drawn[2]
    last = every_key.last_event()
    assert (last["eventName"], last["requestParameters"], last.get("resources", [])) == ("GenerateRandom", None, [])
    with pytest.raises(AccessDeniedException, match="kms:GenerateRandom"):
        every_key.as_other("arn:aws:iam::111122223333:role/stranger").ask("GenerateRandom", NumberOfBytes=1)


def test_a_pair_is_recorded_once_and_nothing_secret_with_it(every_key: EveryKey) -> None:
    before = len(list(every_key.provider.audit_events()))
    every_key.ask(
        "GenerateDataKeyPair", KeyId="alias/symmetric", KeyPairSpec="ECC_NIST_P256", EncryptionContext={"a": "1"}
    )
    after = [event for _, event in every_key.provider.audit_events()][before:]
    assert [event["eventName"] for event in after] == ["GenerateDataKeyPair"]
    assert after[0]["requestParameters"] == {
        "keyId": "alias/symmetric",
        "keyPairSpec": "ECC_NIST_P256",
        "encryptionContext": {"a": "1"},
    }


def test_records_tell_how_and_never_what(every_key: EveryKey) -> None:
    """AU1: no plaintext, no ciphertext; the encryption context in clear."""
    before = len(list(every_key.provider.audit_events()))
    secret = b"a text that nobody may see"
    shown = {"EncryptionContext": {"shown": "in clear"}}
    made = every_key.ask("Encrypt", KeyId="alias/symmetric", Plaintext=secret, **shown)
    every_key.ask("Decrypt", CiphertextBlob=made["CiphertextBlob"], **shown)
    every_key.ask(
        "ReEncrypt",
        CiphertextBlob=made["CiphertextBlob"],
        SourceEncryptionContext={"shown": "in clear"},
        DestinationKeyId="alias/rsa",
        DestinationEncryptionAlgorithm="RSAES_OAEP_SHA_1",
    )
    with pytest.raises(InvalidCiphertextException):
        every_key.ask("Decrypt", CiphertextBlob=made["CiphertextBlob"])
    events = [event for _, event in every_key.provider.audit_events()][before:]
    assert [event["requestParameters"] for event in events] == [
        {
            "keyId": "alias/symmetric",
            "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "encryptionContext": {"shown": "in clear"},
        },
        {"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "encryptionContext": {"shown": "in clear"}},
        {
            "destinationKeyId": "alias/rsa",
            "sourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "destinationEncryptionAlgorithm": "RSAES_OAEP_SHA_1",
            "sourceEncryptionContext": {"shown": "in clear"},
        },
        {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"},
    ]
    arns = [[resource["ARN"] for resource in event["resources"]] for event in events]
    symmetric, rsa_key = every_key.arns["symmetric"], every_key.arns["rsa"]
    assert [sorted(each) for each in arns] == [[symmetric], [symmetric], sorted([symmetric, rsa_key]), [symmetric]]
    written = json.dumps(events)
    for hidden in (secret.decode(), secret.hex(), made["CiphertextBlob"][60:].hex()):
        assert hidden not in written
